"""The multiplier that one campaign's constraints ask for while all others go on bidding as they do."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from adsim import registry
from adsim.experiments.misreports import violation
from adsim.experiments.whole_period import WholePeriod
from adsim.types import Floats

ROUNDING = 1e-9
"""Relative violation that is none."""
HALVINGS = 30
DOUBLINGS = 20
"""A multiplier a million times the first one wins whatever a bid can win."""


def own_multiplier(
    period: WholePeriod, mechanism: str, campaign: int, multipliers: Floats, leaving: NDArray[np.bool_]
) -> float:
    """The largest multiplier with which a campaign keeps its reported constraints against rivals that bid on.

    For a value maximizer that is the best uniform bid, since more wins are more value; a utility maximizer bids its
    value at most. Under the Liquid Payment Auction 1 / target ROI is the most, and the return needs no search: it is
    the target. Found by bisection: violations grow with the multiplier (under GSP not without fail: a crossing is
    found then, which may not be the last).

    Parameters
    ----------
    period : WholePeriod
        The traffic, and what is reported.
    mechanism : str
        That sells it.
    campaign : int
        Whose multiplier is sought.
    multipliers : array (N,)
        Of the others; the campaign's own is not used.
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

    first = 1 / target if target > 0 else 1.0
    if liquid or not told.maximizes_value[campaign]:
        most = first if liquid else 1.0
        return most if fits(most) else _bisect(fits, _fitting(fits, most, rule.bids_may_be_negative), most)
    low, high = 0.0, first
    for _ in range(DOUBLINGS):
        if not fits(high):
            break
        low, high = high, 2 * high
    return _bisect(fits, low, high)


def _fitting(fits: Callable[[float], bool], scale: float, negative: bool) -> float:
    """0, or if that does not fit the first negative multiplier that does."""
    low = 0.0
    for doubling in range(DOUBLINGS):
        if not negative or fits(low):
            break
        low = -scale * 2.0**doubling
    return low


def _bisect(fits: Callable[[float], bool], low: float, high: float) -> float:
    """The fitting end of an interval whose high end does not fit."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
