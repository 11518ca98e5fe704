"""The compiled step of `adsim/Impression-v0`: one opportunity in every environment, the environments as lanes.

All environments are at the same opportunity. What does not depend on bids (predictions, posted prices, whether a
user would click and convert) is drawn ahead, for each environment by the market's own tile kernels, and laid out
lane by lane in blocks; a step reads one row of lanes for each number. Loops over lanes are short and touch few
arrays, so that the vectoriser can tell them apart.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim.envs.score import score, violation
from adsim.kernels.auction import LEFT
from adsim.kernels.counter import draw, uniform_double
from adsim.kernels.elementary import log
from adsim.kernels.jit import inline, jit
from adsim.kernels.settlement import (
    CLICK,
    CLICKS,
    CONVERSION,
    CONVERSIONS,
    EXHAUSTED,
    EXPERIENCE,
    EXPOSURE,
    EXPOSURES,
    PREDICTED_VALUE,
    SPEND,
    VALUE,
    WINS,
)
from adsim.market.fleet import prepare
from adsim.market.world import fill_tile, world_of
from adsim.types import Floats

LANES = 128
"""Environments that step together: what a step works on then fits the first two levels of cache."""
DEPTH = 64
"""Opportunities drawn ahead."""
DIMENSIONS = 8
"""Features of a user, see `adsim.kernels.traffic`."""

OFFER_VALUE, OFFER_PCTR, POSTED, CLICKED, CONVERTED, AMOUNT, SHOWN, RATE, OFFER_EXPERIENCE = range(9)
"""Rows of an offer: predictions, the posted price, and what would follow a win. The last three seldom vary."""
OFFERS, VARYING = 9, 6
LEDGER = 8
BUDGET_LEFT, STOCK_LEFT, SCORE, COST, OFFERED_PCTR, OFFERED_VALUE, CLIPPED, SHOWABLE = range(8, 16)
"""Rows of the state after the ledger's; up to SHOWABLE they are shown in `info`."""
BUDGET, STOCK, TARGET, WORTH, CAP, OUT, OFFERED_TOTAL, ROWS = range(15, 23)
"""Rows of the state that are not; WORTH is the value of a conversion, OFFERED_TOTAL the sum of predicted values."""
TIME, MONEY, PACE, UNITS, ROI, WIN_RATE, PAID, RATE_SEEN, VALUE_SEEN, RELATIVE, CONTEXT = range(11)
"""Columns of an observation, as in `adsim.envs.impression_features`."""

F = np.float32
TINY, HUGE = 1e-30, 1e30
INVERSE_LN10 = F(0.43429448)

Singles = NDArray[np.float32]


class Terms(NamedTuple):
    """What all environments have in common."""

    opportunities: int
    """Of an episode, on which `time_left` is counted."""
    highest: float
    """The highest price that can be bid, per exposure."""
    scale: float
    """Predicted value that counts as 1 in observations."""
    exposure: float
    """What a slot that is shown counts: its probability where outcomes are expected, else 1."""
    reserve: np.float32
    charge_on: int
    pays_bid: bool
    maximizes_value: bool
    has_target: bool
    has_context: bool


class Lanes(NamedTuple):
    """E environments in G groups of up to LANES, and room for one group."""

    state: Floats
    """(G, ROWS, LANES)"""
    price: Floats
    """What is bid, clipped; (E,)."""
    gain: Floats
    """What the step adds to the ledger, and 1 where it is the campaign's last; (LEDGER + 1, LANES)."""
    seen: Singles
    """Observations without the context; (CONTEXT, LANES)."""


class Offers(NamedTuple):
    """Opportunities drawn ahead; G groups of up to LANES environments."""

    rows: Singles
    """(G, DEPTH, OFFERS, LANES)"""
    context: Singles
    """(G, DEPTH, LANES, DIMENSIONS), or without groups where users have no features."""


class Recorded(NamedTuple):
    """A log, and where in it each environment's episode begins."""

    value: Floats
    """Predicted click probability; (T,)."""
    price: NDArray[np.int64]
    click: NDArray[np.bool_]
    begin: NDArray[np.int64]
    """(E,)"""


@jit
def draw_offers(terms, fleet, room, offers, stage, all_vary, first, width):
    """Draw opportunities ``first`` to ``first + width`` of every environment; ``stage`` (8, OFFERS, DEPTH).

    Where not all rows of an offer vary, the last ones are left as they are.
    """
    size, lanes = fleet.cap.shape[0], offers.rows.shape[3]
    count = OFFERS if all_vary else VARYING
    expected = fleet.accounts.expected
    for e in range(size):
        prepare(terms, fleet, room, width, e)
        world, tile, truth, scratch = world_of(fleet.world, e), room.candidates, room.truth, room.scratch
        fill_tile(world, truth, scratch, tile, first, width)
        rows, accounts = stage[e % 8], fleet.accounts
        _copy(tile.value[0], rows[OFFER_VALUE], width)
        _copy(scratch.pctr[0], rows[OFFER_PCTR], width)
        _copy(tile.value[1], rows[POSTED], width)
        _copy(truth.amount[0], rows[AMOUNT], width)
        if expected:
            _copy(truth.ctr[0], rows[CLICKED], width)
            _copy(truth.cvr[0], rows[CONVERTED], width)
        else:
            _happens(accounts.click_key[e, 0], first, truth.ctr[0], rows[CLICKED], width)
            _happens(accounts.conversion_key[e, 0], first, truth.cvr[0], rows[CONVERTED], width)
        if all_vary:
            depth = 1.0 if expected else accounts.exposure[0]
            _is_seen(accounts.scan_key[e, 0], first, depth, rows[SHOWN], width)
            _copy(tile.rate[0], rows[RATE], width)
            _copy(tile.experience[0], rows[OFFER_EXPERIENCE], width)
        g, lane = e // lanes, e % lanes
        if e % 8 == 7 and lane >= 7:
            _lay_out_eight(stage, offers.rows[g], lane - 7, count, width)
        elif e % 8 == 7 or e == size - 1:
            for back in range(e % 8 + 1):
                other = e - back
                _lay_out(stage[other % 8], offers.rows[other // lanes], other % lanes, count, width)
        if offers.context.shape[0] > 0:
            _lay_out_context(scratch.context, offers.context[g], lane, width)


@jit
def _copy(source, target, count):
    for i in range(np.uint64(count)):
        target[i] = source[i]


@jit
def _happens(key, first, rate, out, width):
    """1 where the opportunity's draw is below its rate, see `adsim.kernels.settlement`."""
    origin = np.uint64(first)
    for t in range(np.uint64(width)):
        out[t] = F(1) if uniform_double(draw(key, origin + t)) < np.float64(rate[t]) else F(0)


@jit
def _is_seen(key, first, exposure, out, width):
    origin = np.uint64(first)
    for t in range(np.uint64(width)):
        out[t] = F(1) if uniform_double(draw(key, origin + t)) < exposure else F(0)


@jit
def _lay_out(rows, block, lane, count, width):
    for f in range(count):
        row = rows[f]
        for t in range(width):
            block[t, f, lane] = row[t]


@jit
def _lay_out_eight(stage, block, lane, count, width):
    """Eight environments at a time: half a cache line of lanes."""
    for f in range(count):
        r0, r1, r2, r3 = stage[0, f], stage[1, f], stage[2, f], stage[3, f]
        r4, r5, r6, r7 = stage[4, f], stage[5, f], stage[6, f], stage[7, f]
        for t in range(np.uint64(width)):
            x0, x1, x2, x3 = r0[t], r1[t], r2[t], r3[t]
            x4, x5, x6, x7 = r4[t], r5[t], r6[t], r7[t]
            out = block[t, f]
            out[lane], out[lane + 1], out[lane + 2], out[lane + 3] = x0, x1, x2, x3
            out[lane + 4], out[lane + 5], out[lane + 6], out[lane + 7] = x4, x5, x6, x7


@jit
def _lay_out_context(context, block, lane, width):
    """The features of an opportunity's user side by side, within their bounds."""
    c0, c1, c2, c3 = context[0], context[1], context[2], context[3]
    c4, c5, c6, c7 = context[4], context[5], context[6], context[7]
    for t in range(np.uint64(width)):
        x0, x1, x2, x3 = _bounded(c0[t]), _bounded(c1[t]), _bounded(c2[t]), _bounded(c3[t])
        x4, x5, x6, x7 = _bounded(c4[t]), _bounded(c5[t]), _bounded(c6[t]), _bounded(c7[t])
        out = block[t, lane]
        out[0], out[1], out[2], out[3], out[4], out[5], out[6], out[7] = x0, x1, x2, x3, x4, x5, x6, x7


@inline
def _bounded(x):
    return min(max(x, F(-4)), F(4))


@jit
def accept(action, lanes, highest):
    """Clip prices to [0, highest] and count where that changed them; False, with nothing changed, for a NaN."""
    wrong = 0
    for e in range(np.uint64(action.size)):
        wrong += np.int64(action[e] != action[e])
    if wrong == 0:
        for g in range(lanes.state.shape[0]):
            start, stop = group(lanes, g)
            _clip(action[start:stop], lanes.price[start:stop], lanes.state[g, CLIPPED], highest, stop - start)
    return wrong == 0


@jit
def _clip(action, price, clipped, highest, count):
    for i in range(np.uint64(count)):
        bid = min(max(action[i], 0.0), highest)
        clipped[i] += 0.0 if bid == action[i] else 1.0
        price[i] = bid


@inline
def group(lanes, g):
    """First environment of a group, and the one after its last."""
    width = lanes.state.shape[2]
    return g * width, min(lanes.price.size, (g + 1) * width)


@jit
def step_market(terms, lanes, offers, action, t, reward, observation):
    """Sell opportunity ``t`` everywhere and observe the next one, if it is drawn; False for an action that is NaN."""
    state, gain = lanes.state, lanes.gain
    if not accept(action, lanes, terms.highest):
        return False
    slot, last = t % offers.rows.shape[1], t + 1 == terms.opportunities
    for g in range(state.shape[0]):
        start, stop = group(lanes, g)
        own = state[g]
        _sell(terms, offers.rows[g, slot], own[CAP], lanes.price[start:stop], gain, stop - start)
        book(own, gain, stop - start)
        _constrain(own, gain, stop - start)
        pay(terms, own, gain, last, reward[start:stop], stop - start)
    if last or slot + 1 < offers.rows.shape[1]:
        observe_market(terms, lanes, offers, t + 1, observation)
    return True


@jit
def _sell(terms, offer, cap, price, gain, count):
    """What each lane gets of its opportunity: the rows of the ledger."""
    n = np.uint64(count)
    posted, rate, wins, paid = offer[POSTED], offer[RATE], gain[WINS], gain[SPEND]
    for i in range(n):
        bid = min(F(price[i]), F(cap[i]) * rate[i])
        wins[i] = 1.0 if (cap[i] >= 0) & (bid >= terms.reserve) & (bid >= posted[i]) else 0.0
    if terms.pays_bid:
        for i in range(n):
            paid[i] = np.float64(min(F(price[i]), F(cap[i]) * rate[i]))
    else:
        for i in range(n):
            paid[i] = np.float64(max(posted[i], terms.reserve))
    shown, clicks, conversions = gain[EXPOSURES], gain[CLICKS], gain[CONVERSIONS]
    _multiply(wins, offer[SHOWN], shown, terms.exposure, n)
    _multiply(shown, offer[CLICKED], clicks, 1.0, n)
    _multiply(clicks, offer[CONVERTED], conversions, 1.0, n)
    _multiply(conversions, offer[AMOUNT], gain[VALUE], 1.0, n)
    _multiply(shown, offer[OFFER_VALUE], gain[PREDICTED_VALUE], 1.0, n)
    _multiply(shown, offer[OFFER_EXPERIENCE], gain[EXPERIENCE], 1.0, n)
    if terms.charge_on == EXPOSURE:
        _charge_exposures(shown, paid, n)
    elif terms.charge_on == CLICK:
        _charge_events(clicks, rate, paid, n)
    elif terms.charge_on == CONVERSION:
        _charge_events(conversions, rate, paid, n)


@jit
def _multiply(x, y, product, factor, count):
    for i in range(count):
        product[i] = x[i] * factor * np.float64(y[i])


@jit
def _charge_exposures(shown, paid, count):
    for i in range(count):
        paid[i] = shown[i] * paid[i]


@jit
def _charge_events(events, rate, paid, count):
    for i in range(count):
        due = events[i] * paid[i]
        paid[i] = due / np.float64(rate[i]) if due > 0 else 0.0


@jit
def book(own, gain, count):
    """Add a step to the ledgers."""
    for c in range(LEDGER):
        ledger, more = own[c], gain[c]
        for i in range(np.uint64(count)):
            ledger[i] += more[i]


@jit
def _constrain(own, gain, count):
    """Lower budgets, stocks and caps by what was paid and sold, as `adsim.kernels.settlement` does."""
    n = np.uint64(count)
    budget, left, cap, charge = own[BUDGET], own[BUDGET_LEFT], own[CAP], gain[SPEND]
    for i in range(n):
        rest = left[i] - charge[i]
        held = F(LEFT) if rest < EXHAUSTED * budget[i] else F(rest * (1 - EXHAUSTED))
        pays = (charge[i] > 0) & (budget[i] < np.inf)
        left[i] = rest if pays else left[i]
        cap[i] = np.float64(held) if pays & (cap[i] >= 0) else cap[i]
    stock, sold = own[STOCK_LEFT], gain[CONVERSIONS]
    for i in range(n):
        rest = stock[i] - sold[i]
        stock[i] = rest
        cap[i] = LEFT if (sold[i] > 0) & (rest <= 0) else cap[i]


@jit
def pay(terms, own, gain, finished, reward, count):
    """Rewards, and once a campaign is out or the period over what makes the return its score (see `settle_seat`)."""
    n = np.uint64(count)
    value, spend, conversions, target, stock = own[VALUE], own[SPEND], own[CONVERSIONS], own[TARGET], own[STOCK]
    now, cost, last = own[SCORE], own[COST], gain[LEDGER]
    for i in range(n):
        now[i] = score(value[i], spend[i], conversions[i], target[i], stock[i], terms.maximizes_value)
    cap, out = own[CAP], own[OUT]
    leaving = 0
    for i in range(n):
        left = cap[i] < 0
        leaves = (left | finished) & (out[i] == 0)
        last[i], out[i], cost[i] = (1.0 if leaves else 0.0), (1.0 if left else 0.0), 0.0
        leaving += np.int64(leaves)
    won, spent = gain[VALUE], gain[SPEND]
    weight = 0.0 if terms.maximizes_value else 1.0
    for i in range(n):
        reward[i] = won[i] - weight * spent[i]
    if leaving > 0:
        for i in range(n):
            due = violation(value[i], spend[i], conversions[i], target[i], stock[i])
            cost[i] = due if last[i] > 0 else 0.0
            reward[i] += now[i] - (value[i] - weight * spend[i]) if last[i] > 0 else 0.0


@jit
def observe_market(terms, lanes, offers, t, observation):
    """Observations before opportunity ``t``, which is drawn unless the period is over."""
    slot, over = t % offers.rows.shape[1], t >= terms.opportunities
    for g in range(lanes.state.shape[0]):
        start, stop = group(lanes, g)
        offer, own, out = offers.rows[g, slot], lanes.state[g], observation[start:stop]
        if not over:
            _copy(offer[OFFER_PCTR], own[OFFERED_PCTR], stop - start)
            _copy(offer[OFFER_VALUE], own[OFFERED_VALUE], stop - start)
        observe(terms, own, lanes.seen, t, over, out, stop - start)
        if terms.has_context:
            _observe_context(offers.context[g, slot], over, out, stop - start)


@jit
def _observe_context(context, over, out, count):
    for i in range(np.uint64(count)):
        row, x = out[i], context[i]
        for d in range(DIMENSIONS):
            row[CONTEXT + d] = F(0) if over else x[d]


@jit
def observe(terms, own, seen, t, over, out, count):
    """Write what is in `impression_features` to ``out`` (count, F), but for the context."""
    n = np.uint64(count)
    time_left = max(terms.opportunities - t, 0) / terms.opportunities
    _observe_constraints(terms, own, seen, time_left, n)
    _observe_past(terms, own, seen, t, n)
    _observe_offer(terms, own, seen, t + 1, over, n)
    s0, s1, s2, s3, s4 = seen[0], seen[1], seen[2], seen[3], seen[4]
    s5, s6, s7, s8, s9 = seen[5], seen[6], seen[7], seen[8], seen[9]
    for i in range(n):
        row = out[i]
        row[0], row[1], row[2], row[3], row[4] = s0[i], s1[i], s2[i], s3[i], s4[i]
        row[5], row[6], row[7], row[8], row[9] = s5[i], s6[i], s7[i], s8[i], s9[i]


@jit
def _observe_constraints(terms, own, seen, time_left, n):
    _share(own[BUDGET_LEFT], own[BUDGET], seen[MONEY], n)
    _share(own[STOCK_LEFT], own[STOCK], seen[UNITS], n)
    time, pace, money, budget = seen[TIME], seen[PACE], seen[MONEY], own[BUDGET]
    rest = F(max(time_left, TINY))
    for i in range(n):
        time[i] = F(time_left)
        pace[i] = log_within(money[i] / rest, F(4)) if (budget[i] < np.inf) & (time_left > 0) else F(0)
    roi, value, spend, target, worth = seen[ROI], own[VALUE], own[SPEND], own[TARGET], own[WORTH]
    if terms.has_target:
        for i in range(n):
            ratio = (value[i] + worth[i]) / (target[i] * spend[i] + worth[i])
            roi[i] = log_within(F(ratio), F(2)) if target[i] > 0 else F(0)
    else:
        for i in range(n):
            roi[i] = F(0)


@jit
def _share(left, whole, out, n):
    for i in range(n):
        out[i] = F(min(max(left[i] / whole[i], 0.0), 1.0)) if whole[i] < np.inf else F(1)


@jit
def _observe_past(terms, own, seen, t, n):
    wins, spend, won, paid = own[WINS], own[SPEND], seen[WIN_RATE], seen[PAID]
    played, highest = float(max(t, 1)), terms.highest
    for i in range(n):
        won[i] = F(wins[i] / played)
        paid[i] = F(min(spend[i] / max(wins[i], 1.0) / highest, 1.0))


@jit
def _observe_offer(terms, own, seen, offered, over, n):
    pctr, value, total = own[OFFERED_PCTR], own[OFFERED_VALUE], own[OFFERED_TOTAL]
    rate, level, relative = seen[RATE_SEEN], seen[VALUE_SEEN], seen[RELATIVE]
    if over:
        for i in range(n):
            pctr[i], value[i] = 0.0, 0.0
            rate[i], level[i], relative[i] = F(0), F(0), F(0)
    else:
        scale, count = terms.scale, float(offered)
        for i in range(n):
            total[i] += value[i]
        for i in range(n):
            rate[i] = min(max(log_within(F(pctr[i]), F(80)) * INVERSE_LN10, F(-8)), F(0))
        for i in range(n):
            level[i] = log_within(F(value[i] / scale), F(8))
        for i in range(n):
            relative[i] = log_within(F(value[i] * count / max(total[i], TINY)), F(4))


@jit
def log_within(x, bound):
    """Logarithm of x >= 0, within ``bound`` of 0."""
    return min(max(log(min(max(x, F(TINY)), F(HUGE))), -bound), bound)


@jit
def step_log(terms, lanes, log_, action, t, last, reward, observation):
    """Bid for impression ``t`` of every episode and observe the next one; False for an action that is NaN.

    The rule of `adsim.kernels.replay.replay`: bids are whole numbers and never above the budget left.
    """
    state, gain = lanes.state, lanes.gain
    if not accept(action, lanes, terms.highest):
        return False
    for g in range(state.shape[0]):
        start, stop = group(lanes, g)
        own, price = state[g], lanes.price[start:stop]
        for i in range(stop - start):
            place, left = log_.begin[start + i] + t, own[BUDGET_LEFT, i]
            won = min(np.int64(price[i]), np.int64(left)) >= log_.price[place]
            clicked = 1.0 if won & log_.click[place] else 0.0
            gain[WINS, i] = gain[EXPOSURES, i] = 1.0 if won else 0.0
            gain[CLICKS, i] = gain[CONVERSIONS, i] = gain[VALUE, i] = clicked
            gain[PREDICTED_VALUE, i] = log_.value[place] if won else 0.0
            gain[SPEND, i] = np.float64(log_.price[place]) if won else 0.0
            gain[EXPERIENCE, i] = 0.0
            own[BUDGET_LEFT, i] = left - gain[SPEND, i]
        book(own, gain, stop - start)
        pay(terms, own, gain, last, reward[start:stop], stop - start)
    observe_log(terms, lanes, log_, t + 1, last, observation)
    return True


@jit
def observe_log(terms, lanes, log_, t, over, observation):
    """Observations before impression ``t`` of every episode."""
    for g in range(lanes.state.shape[0]):
        start, stop = group(lanes, g)
        own = lanes.state[g]
        if not over:
            for i in range(stop - start):
                value = log_.value[log_.begin[start + i] + t]
                own[OFFERED_PCTR, i] = value
                own[OFFERED_VALUE, i] = value
        observe(terms, own, lanes.seen, t, over, observation[start:stop], stop - start)
