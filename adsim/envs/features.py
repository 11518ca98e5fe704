"""What a controlled campaign observes before a tick: named numbers, each within a stated range.

Everything comes from the campaign's own constraints and ledger, from what the platform publishes (traffic shares) and
from the predicted value of the opportunities on offer; nothing from true rates, or from other campaigns but the score
that they left to beat. Logarithms of ratios are 0 where nothing is known of either side, and the bound where one side
is known to be 0. Time, budget, win rates, price to beat, value, conversions, traffic and own bids are AuctionNet's
(Su et al. 2024), made free of units, but for the coming tick's values, which nobody knows here before bidding; those
of constraints and pace are adsim's own.
"""

from typing import NamedTuple

import numpy as np

from adsim.kernels.jit import inline, jit
from adsim.kernels.settlement import CONVERSIONS, PREDICTED_VALUE, SPEND, VALUE, WINS
from adsim.types import Floats

RECENT = 3
"""Ticks of the short averages."""
SPENT, EARNED, BOUGHT, CONVERTED, WON, OPPORTUNITIES, TO_BEAT, OFFERED, LEVEL = range(9)
"""Columns of `Past`: what a tick brought and showed."""
COLUMNS = 9
PRIOR = 1.0
"""Conversions at target that realised ROI is mixed with, so that the first few do not shout."""
CALIBRATION_PRIOR = 10.0
"""Conversions, at a conversion's value, that are believed to be as predicted before any are seen."""


class Feature(NamedTuple):
    """One number of an observation."""

    name: str
    low: float
    high: float
    meaning: str


FEATURES = (
    Feature("time_left", 0, 1, "share of ticks left"),
    Feature("traffic_left", 0, 1, "expected share of the period's opportunities left"),
    Feature("traffic_next", 0, 5, "coming tick's expected traffic, 1 being the mean tick"),
    Feature("budget_left", 0, 1, "share of the budget left; 1 without a budget"),
    Feature("budget_ahead", -1, 1, "budget_left - traffic_left; 0 without a budget"),
    Feature("budget_reach", -4, 4, "log10 of budget left / bids for all traffic left at the reference multiplier"),
    Feature("spend_pace", -2, 2, "log of the last tick's spend / its share of the budget then left"),
    Feature("stock_left", 0, 1, "share of the stock left; 1 without a stock"),
    Feature("stock_ahead", -1, 1, "stock_left - traffic_left; 0 without a stock"),
    Feature("stock_pace", -2, 2, "log of the last tick's predicted sales / its share of the stock then left"),
    Feature("roi", -2, 2, "log of realised ROI so far / target"),
    Feature("predicted_roi", -2, 2, "the same of predicted value"),
    Feature("predicted_roi_recent", -2, 2, "the same over the last three ticks"),
    Feature("predicted_roi_last", -2, 2, "the same over the last tick"),
    Feature("calibration", -2, 2, "log of value won so far / its prediction"),
    Feature("win_rate", 0, 1, "share of opportunities won so far"),
    Feature("win_rate_recent", 0, 1, "over the last three ticks"),
    Feature("win_rate_last", 0, 1, "over the last tick"),
    Feature("price_to_beat", -4, 4, "log of mean score to beat / value on offer at the reference multiplier, so far"),
    Feature("price_to_beat_recent", -4, 4, "over the last three ticks"),
    Feature("price_to_beat_last", -4, 4, "over the last tick"),
    Feature("value_recent", -2, 2, "log of mean predicted value on offer in the last three ticks / so far"),
    Feature("value_last", -2, 2, "in the last tick"),
    Feature("conversion_rate_recent", 0, 1, "conversions per win over the last three ticks"),
    Feature("conversion_rate", 0, 1, "conversions per win so far"),
    Feature("multiplier", -1, 1, "mean log of multiplier / reference so far, over log of the span"),
    Feature("multiplier_recent", -1, 1, "over the last three ticks"),
    Feature("multiplier_last", -1, 1, "in the last tick"),
)
NAMES = tuple(feature.name for feature in FEATURES)
LOW = np.array([feature.low for feature in FEATURES], np.float32)
HIGH = np.array([feature.high for feature in FEATURES], np.float32)


class Past(NamedTuple):
    """What W controlled campaigns of E markets remember."""

    total: Floats
    """Sums since the period began; (E, W, COLUMNS)."""
    recent: Floats
    """The last ticks, in a ring; (E, W, RECENT, COLUMNS)."""
    planned_spend: Floats
    """The last tick's share of the budget that was left; (E, W)."""
    planned_sales: Floats
    """(E, W)"""


def make_past(markets: int, campaigns: int) -> Past:
    """Nothing to remember yet."""
    shape = markets, campaigns
    return Past(np.zeros((*shape, COLUMNS)), np.zeros((*shape, RECENT, COLUMNS)), np.zeros(shape), np.zeros(shape))


@inline
def plan(past, accounts, share, e, w, n):
    """Note what an even pace would spend and sell in the coming tick."""
    past.planned_spend[e, w] = accounts.budget_left[e, n] * share
    past.planned_sales[e, w] = accounts.stock_left[e, n] * share


@inline
def remember(past, gains, to_beat, offered, opportunities, level, tick, e, w):
    """Add the tick just played; ``gains`` (8,) is its part of the ledger."""
    now, total = past.recent[e, w, tick % RECENT], past.total[e, w]
    now[SPENT] = gains[SPEND]
    now[EARNED] = gains[VALUE]
    now[BOUGHT] = gains[PREDICTED_VALUE]
    now[CONVERTED] = gains[CONVERSIONS]
    now[WON] = gains[WINS]
    now[OPPORTUNITIES] = opportunities
    now[TO_BEAT] = to_beat * opportunities if opportunities > 0 else 0.0
    now[OFFERED] = offered
    now[LEVEL] = level
    for c in range(COLUMNS):
        total[c] += now[c]


@jit
def log_ratio(numerator, denominator, bound):
    """Logarithm of a ratio, within ``bound`` of 0; 0 where neither is known."""
    result = 0.0
    if numerator > 0 and denominator > 0:
        result = min(max(np.log(numerator / denominator), -bound), bound)
    elif numerator > 0:
        result = bound
    elif denominator > 0:
        result = -bound
    return result


@jit
def rate(numerator, denominator):
    """Ratio of counts, at most 1; 0 of nothing."""
    return min(numerator / denominator, 1.0) if denominator > 0 else 0.0


@inline
def observe(past, terms, fleet, reference, tick, e, w, n, out):
    """Write the features of campaign ``n`` before ``tick`` to ``out`` (F,)."""
    ticks = terms.share_of_rest.size
    constraints, accounts = fleet.constraints, fleet.accounts
    budget, stock = constraints.budget[e, n], constraints.stock[e, n]
    target, value = constraints.target_roi[e, n], constraints.value_per_conversion[e, n]
    budget_left, stock_left = accounts.budget_left[e, n], accounts.stock_left[e, n]
    bounds = fleet.bounds[e]
    opportunities, played = bounds[ticks], bounds[tick]
    traffic_left = (opportunities - played) / opportunities
    total, ring = past.total[e, w], past.recent[e, w]
    last = ring[(tick + RECENT - 1) % RECENT]
    spent = ring[0, SPENT] + ring[1, SPENT] + ring[2, SPENT]
    bought = ring[0, BOUGHT] + ring[1, BOUGHT] + ring[2, BOUGHT]
    converted = ring[0, CONVERTED] + ring[1, CONVERTED] + ring[2, CONVERTED]
    won = ring[0, WON] + ring[1, WON] + ring[2, WON]
    seen = ring[0, OPPORTUNITIES] + ring[1, OPPORTUNITIES] + ring[2, OPPORTUNITIES]
    to_beat = ring[0, TO_BEAT] + ring[1, TO_BEAT] + ring[2, TO_BEAT]
    offered = ring[0, OFFERED] + ring[1, OFFERED] + ring[2, OFFERED]
    levels = ring[0, LEVEL] + ring[1, LEVEL] + ring[2, LEVEL]
    budgeted, stocked, targeted = budget < np.inf, stock < np.inf, target > 0
    reach = 0.0
    if budgeted and total[OFFERED] > 0:
        rest = total[OFFERED] / played * (opportunities - played) * reference
        reach = log_ratio(max(budget_left, 0.0), rest, 4 * np.log(10.0)) / np.log(10.0)
    out[0] = (ticks - tick) / ticks
    out[1] = traffic_left
    out[2] = min((bounds[tick + 1] - played) / opportunities * ticks, 5.0) if tick < ticks else 0.0
    out[3] = min(max(budget_left / budget, 0.0), 1.0) if budgeted else 1.0
    out[4] = out[3] - traffic_left if budgeted else 0.0
    out[5] = reach
    out[6] = log_ratio(last[SPENT], past.planned_spend[e, w], 2.0) if budgeted else 0.0
    out[7] = min(max(stock_left / stock, 0.0), 1.0) if stocked else 1.0
    out[8] = out[7] - traffic_left if stocked else 0.0
    out[9] = log_ratio(last[BOUGHT] / value, past.planned_sales[e, w], 2.0) if stocked else 0.0
    prior = PRIOR * value
    out[10] = log_ratio(total[EARNED] + prior, target * total[SPENT] + prior, 2.0) if targeted else 0.0
    out[11] = log_ratio(total[BOUGHT] + prior, target * total[SPENT] + prior, 2.0) if targeted else 0.0
    out[12] = log_ratio(bought, target * spent, 2.0) if targeted else 0.0
    out[13] = log_ratio(last[BOUGHT], target * last[SPENT], 2.0) if targeted else 0.0
    expected = CALIBRATION_PRIOR * value
    out[14] = log_ratio(total[EARNED] + expected, total[BOUGHT] + expected, 2.0)
    out[15] = rate(total[WON], total[OPPORTUNITIES])
    out[16] = rate(won, seen)
    out[17] = rate(last[WON], last[OPPORTUNITIES])
    out[18] = log_ratio(total[TO_BEAT], reference * total[OFFERED], 4.0)
    out[19] = log_ratio(to_beat, reference * offered, 4.0)
    out[20] = log_ratio(last[TO_BEAT], reference * last[OFFERED], 4.0)
    out[21] = log_ratio(offered * total[OPPORTUNITIES], total[OFFERED] * seen, 2.0)
    out[22] = log_ratio(last[OFFERED] * total[OPPORTUNITIES], total[OFFERED] * last[OPPORTUNITIES], 2.0)
    out[23] = rate(converted, won)
    out[24] = rate(total[CONVERTED], total[WON])
    out[25] = total[LEVEL] / tick if tick > 0 else 0.0
    out[26] = levels / min(tick, RECENT) if tick > 0 else 0.0
    out[27] = last[LEVEL]
