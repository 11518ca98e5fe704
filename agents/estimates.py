"""What campaigns can tell from their own totals: the tick's share of what is left, and calibrated sales."""

import numpy as np

from adsim.kernels.jit import inline, jit
from adsim.kernels.settlement import CONVERSIONS, EXPOSURES, PREDICTED_VALUE, VALUE, units_sold
from adsim.types import PublicFacts

UNIT = 3
"""Parameter of rules that need a unit of money: NaN where not given."""
PRIOR_CONVERSIONS = 20.0
"""Weight of the predictor's own claim against what was realised, in conversions."""


def share_of_rest(market: PublicFacts, tick: int) -> float:
    """The coming tick's expected share of the opportunities that are left."""
    rest = market.traffic_share[tick:].sum()
    return float(market.traffic_share[tick] / rest) if rest > 0 else 1.0


def opportunities_before(market: PublicFacts, tick: int) -> int:
    """How many opportunities are expected before a tick begins."""
    return round(market.traffic_share[:tick].sum() * market.opportunities)


@jit
def clip(x, low, high):
    """The nearest number to ``x`` from ``low`` to ``high``; NaN stays NaN."""
    if x < low:
        return low
    if x > high:
        return high
    return x


@inline
def value_per_predicted(seen, n):
    """Value per predicted value of what was won so far, drawn towards 1 while there is little of it."""
    prior = PRIOR_CONVERSIONS * seen.value_per_conversion[n]
    return (seen.total[n, VALUE] + prior) / (seen.total[n, PREDICTED_VALUE] + prior)


@inline
def sales(seen, n):
    """Units of stock to expect of the last wins: smoother than the sales that happened to come."""
    return units_per_predicted(seen, n) * seen.last[n, PREDICTED_VALUE] / seen.value_per_conversion[n]


@inline
def units_per_predicted(seen, n):
    """Units of stock sold so far per unit predicted, drawn towards 1 while there are few."""
    predicted = seen.total[n, PREDICTED_VALUE] / seen.value_per_conversion[n]
    sold = units_sold(seen.total[n, CONVERSIONS], seen.total[n, VALUE], seen.stock_unit[n])
    return (sold + PRIOR_CONVERSIONS) / (predicted + PRIOR_CONVERSIONS)


@inline
def units_per_win(seen, n):
    """Units of stock that an exposure sold on average so far; 0 before the first."""
    exposures = seen.total[n, EXPOSURES]
    won = seen.total[n, PREDICTED_VALUE] / exposures if exposures > 0 else 0.0
    return units_per_predicted(seen, n) * won / seen.value_per_conversion[n]


@inline
def start_multiplier(seen, n, cost):
    """Where pacing begins: ``cost`` per conversion, unless NaN, per value of one, else 1 / target ROI, else 1."""
    start = 1.0
    if not np.isnan(cost):
        start = cost / seen.value_per_conversion[n]
    elif seen.target_roi[n] > 0:
        start = 1 / seen.target_roi[n]
    return start


@inline
def unit_of(seen, n, parameters):
    """Money that papers scale to 1: given, or the mean value won so far, or the budget's rate if that is more."""
    unit = parameters[UNIT]
    if np.isnan(unit):
        exposures, rate = seen.total[n, EXPOSURES], seen.budget[n] / seen.opportunities
        unit = seen.total[n, PREDICTED_VALUE] / exposures if exposures > 0 else 0.0
        if rate < np.inf:
            unit = max(unit, rate)
    return unit
