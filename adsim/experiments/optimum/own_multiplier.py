"""The multiplier that one campaign's constraints ask for while all others go on bidding as they do."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from adsim import registry
from adsim.experiments.incentives.misreports import violation
from adsim.experiments.optimum.whole_period import WholePeriod
from adsim.types import Floats

ROUNDING = 1e-9
"""Relative violation that is none."""
PRECISION = 2e-8
"""Relative, of the multiplier: bids are float32."""
NEAR = 1e-3
"""First step of the search, relative to where it begins."""
STRIDE = 8
"""Factor from one step to the next."""
FARTHEST = 2.0**20
"""Multiples of the natural multiplier beyond which a bid wins whatever a bid can win."""


def own_multiplier(
    period: WholePeriod, mechanism: str, campaign: int, multipliers: Floats, leaving: NDArray[np.bool_]
) -> float:
    """The largest multiplier with which a campaign keeps its reported constraints against rivals that bid on.

    For a value maximizer that is the best uniform bid, since more wins are more value; a utility maximizer bids its
    value at most. Under the Liquid Payment Auction 1 / target ROI is the most, and the return needs no search: it is
    the target. Found by bisection, from its present multiplier outwards: violations grow with the multiplier (under
    GSP not without fail: a crossing is found then, which may not be the last).

    Parameters
    ----------
    period : WholePeriod
        The traffic, and what is reported.
    mechanism : str
        That sells it.
    campaign : int
        Whose multiplier is sought.
    multipliers : array (N,)
        Of the others; the campaign's own is where the search begins.
    leaving : array (N,)
        Others that leave when their stock is sold.

    Returns
    -------
    float
        0 where even that breaks a constraint, or a negative one where the mechanism takes negative bids.
    """
    rule, told = registry.load("mechanisms", mechanism), period.constraints
    target, liquid = float(told.target_roi[campaign]), rule.pays_liquid_value
    kept = told._replace(target_roi=np.zeros_like(told.target_roi)) if liquid else told

    def fits(multiplier: float) -> bool:
        bids = multipliers.copy()
        bids[campaign] = multiplier
        return bool(violation(kept, period.totals(bids, leaving))[campaign] <= ROUNDING)

    natural = 1 / target if target > 0 else 1.0
    most = natural * FARTHEST
    if liquid or not told.maximizes_value[campaign]:
        most = natural if liquid else 1.0
        if fits(most):
            return most
    least = -natural * FARTHEST if rule.bids_may_be_negative else 0.0
    begin = min(max(float(multipliers[campaign]), least), most)
    return _bisect(fits, *_bracket(fits, begin, NEAR * max(abs(begin), NEAR * natural), least, most))


def _bracket(
    fits: Callable[[float], bool], begin: float, step: float, least: float, most: float
) -> tuple[float, float]:
    """A multiplier that fits and a larger one that does not; or twice the least or the most, if that is reached."""
    edge, fitting = begin, fits(begin)
    while True:
        beyond = min(edge + step, most) if fitting else max(edge - step, least)
        if beyond == edge:
            return edge, edge
        if fits(beyond) != fitting:
            return (edge, beyond) if fitting else (beyond, edge)
        edge, step = beyond, STRIDE * step


def _bisect(fits: Callable[[float], bool], low: float, high: float) -> float:
    """The fitting end of an interval whose high end does not fit."""
    while high - low > PRECISION * max(abs(low), abs(high)):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
