"""The compiled step of `adsim/Impression-v0`: one opportunity in every environment, the environments as lanes.

All environments are at the same opportunity. Loops over lanes are as in `adsim.envs.impression_state`.
"""

import numpy as np

from adsim.envs.impression_offers import (
    AMOUNT,
    CLICKED,
    CONVERTED,
    OFFER_EXPERIENCE,
    OFFER_VALUE,
    POSTED,
    RATE,
    SHOWN,
)
from adsim.envs.impression_state import (
    BUDGET,
    BUDGET_LEFT,
    CAP,
    CLIPPED,
    COST,
    LEDGER,
    OUT,
    SCORE,
    STOCK,
    STOCK_LEFT,
    STOCK_UNIT,
    TARGET,
    group,
    observe_log,
    observe_market,
)
from adsim.envs.score import score, violation
from adsim.kernels.auction import LEFT
from adsim.kernels.jit import jit
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
    units_sold,
)

F = np.float32
ROUNDING = 1 + 2.0**-23
"""Before prices are rounded down: (k / highest in float32) * highest may fall short of k by half as much."""


@jit
def step_market(terms, lanes, offers, action, t, reward, observation):
    """Sell opportunity ``t`` everywhere and observe the next one, if it is drawn; False for an action that is NaN."""
    state, gain = lanes.state, lanes.gain
    if not accept(action, lanes, terms):
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
def step_log(terms, lanes, log_, action, t, last, reward, observation):
    """Bid for impression ``t`` of every episode and observe the next one; False for an action that is NaN.

    The rule of `adsim.kernels.replay.replay`: bids are whole numbers and never above the budget left.
    """
    state, gain = lanes.state, lanes.gain
    if not accept(action, lanes, terms):
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
def accept(action, lanes, terms):
    """Clip actions to [0, 1], count those that were, and price them; False, with nothing changed, for a NaN."""
    wrong = 0
    for e in range(np.uint64(action.size)):
        wrong += np.int64(action[e] != action[e])
    if wrong == 0:
        for g in range(lanes.state.shape[0]):
            start, stop = group(lanes, g)
            price = lanes.price[start:stop]
            _clip(action[start:stop], price, lanes.state[g, CLIPPED], stop - start)
            _price(price, terms.highest, terms.whole_prices, stop - start)
    return wrong == 0


@jit
def _clip(action, share, clipped, count):
    for i in range(np.uint64(count)):
        within = min(max(action[i], 0.0), 1.0)
        clipped[i] += 0.0 if within == action[i] else 1.0
        share[i] = within


@jit
def _price(price, highest, whole, count):
    """From shares of the highest price, in the market's precision or rounded down."""
    if whole:
        for i in range(np.uint64(count)):
            price[i] = min(np.floor(price[i] * highest * ROUNDING), highest)
    else:
        for i in range(np.uint64(count)):
            price[i] = np.float64(F(price[i] * highest))


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
    stock, conversions, value, unit = own[STOCK_LEFT], gain[CONVERSIONS], gain[VALUE], own[STOCK_UNIT]
    for i in range(n):
        rest = stock[i] - units_sold(conversions[i], value[i], unit[i])
        stock[i] = rest
        cap[i] = LEFT if (conversions[i] > 0) & (rest <= 0) else cap[i]


@jit
def pay(terms, own, gain, finished, reward, count):
    """Rewards, and once a campaign is out or the period over what makes the return its score (see `settle_seat`)."""
    n = np.uint64(count)
    value, spend, conversions, target, stock = own[VALUE], own[SPEND], own[CONVERSIONS], own[TARGET], own[STOCK]
    now, cost, last, unit = own[SCORE], own[COST], gain[LEDGER], own[STOCK_UNIT]
    for i in range(n):
        sold = units_sold(conversions[i], value[i], unit[i])
        now[i] = score(value[i], spend[i], sold, target[i], stock[i], terms.maximizes_value)
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
            sold = units_sold(conversions[i], value[i], unit[i])
            due = violation(value[i], spend[i], sold, target[i], stock[i])
            cost[i] = due if last[i] > 0 else 0.0
            reward[i] += now[i] - (value[i] - weight * spend[i]) if last[i] > 0 else 0.0
