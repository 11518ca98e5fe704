"""What bidders for single opportunities hold, environments as lanes, and what each observes of it.

Loops over lanes are short and touch few arrays, so that the vectoriser can tell them apart.
"""

from typing import NamedTuple

import numpy as np

from adsim.envs.impression_offers import OFFER_PCTR, OFFER_VALUE, Singles, copy
from adsim.kernels.elementary import log
from adsim.kernels.jit import inline, jit
from adsim.kernels.settlement import SPEND, VALUE, WINS
from adsim.kernels.traffic import DIMENSIONS
from adsim.types import Floats

LANES = 128
"""Environments that step together: what a step works on then fits the first two levels of cache."""
LEDGER = 8
"""Rows of the state that are the ledger, see `adsim.kernels.settlement`."""
BUDGET_LEFT, STOCK_LEFT, SCORE, COST, OFFERED_PCTR, OFFERED_VALUE, CLIPPED, SHOWABLE = range(8, 16)
"""Rows of the state after the ledger's; up to SHOWABLE they are shown in `info`."""
BUDGET, STOCK, STOCK_UNIT, TARGET, WORTH, CAP, OUT, OFFERED_TOTAL, ROWS = range(15, 24)
"""Rows of the state that are not; WORTH is the value of a conversion, OFFERED_TOTAL the sum of predicted values."""
TIME, MONEY, PACE, UNITS, ROI, WIN_RATE, PAID, RATE_SEEN, VALUE_SEEN, RELATIVE, CONTEXT = range(11)
"""Columns of an observation, as in `adsim.envs.impression_features`."""

F = np.float32
TINY, HUGE = 1e-30, 1e30
INVERSE_LN10 = F(0.43429448)


class Terms(NamedTuple):
    """What all environments have in common."""

    opportunities: int
    """Of an episode, on which `time_left` is counted."""
    highest: float
    """The highest price that can be bid, per exposure: the unit of actions."""
    whole_prices: bool
    """Whether prices are whole numbers."""
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
    """What was bid; (E,)."""
    gain: Floats
    """What the step adds to the ledger, and 1 where it is the campaign's last; (LEDGER + 1, LANES)."""
    seen: Singles
    """Observations without the context; (CONTEXT, LANES)."""


@inline
def group(lanes, g):
    """First environment of a group, and the one after its last."""
    width = lanes.state.shape[2]
    return g * width, min(lanes.price.size, (g + 1) * width)


@jit
def observe_market(terms, lanes, offers, t, observation):
    """Observations before opportunity ``t``, which is drawn unless the period is over."""
    slot, over = t % offers.rows.shape[1], t >= terms.opportunities
    for g in range(lanes.state.shape[0]):
        start, stop = group(lanes, g)
        offer, own, out = offers.rows[g, slot], lanes.state[g], observation[start:stop]
        if not over:
            copy(offer[OFFER_PCTR], own[OFFERED_PCTR], stop - start)
            copy(offer[OFFER_VALUE], own[OFFERED_VALUE], stop - start)
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
