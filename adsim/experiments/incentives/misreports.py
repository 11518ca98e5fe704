"""What one campaign may tell the platform in place of the truth, and what the truth makes of the outcome."""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim.market.metrics import delivered_value, ratio, roi_shortfall, units_sold
from adsim.types import Constraints, Floats, Totals

Report = Literal["target", "stock", "budget", "value"]
FIELDS = {"target": "target_roi", "stock": "stock", "budget": "budget"}
"""Reports that are constraints, and where those stand; the value is reported by bidding another one."""
TOLERANCE = 0.01
"""Relative violation of true constraints, beyond that of the truthful report, that still counts as none."""


class Judged(NamedTuple):
    """What an outcome is to one campaign."""

    sales: float
    """Money: value of the sales within the true stock."""
    payment: float
    """Money."""
    worth: float
    """Money: sales to a value maximizer, sales - payment to a utility maximizer, whatever it breaks."""
    violation: float
    """The largest relative violation of a true constraint, none of which is to be broken at any price; 0 for none."""


def may_report(true: Constraints, report: Report) -> NDArray[np.bool_]:
    """Campaigns that have what is to be reported; (N,)."""
    if report == "target":
        return true.target_roi > 0
    if report == "value":
        return np.ones(true.budget.size, np.bool_)
    return np.isfinite(getattr(true, FIELDS[report]))


def misreport(true: Constraints, campaign: int, report: Report, factor: float) -> Constraints:
    """Constraints of which one campaign's target ROI, stock or budget is ``factor`` times the true one."""
    field = getattr(true, FIELDS[report]).copy()
    field[campaign] *= factor
    return true._replace(**{FIELDS[report]: field})


def violation(constraints: Constraints, totals: Totals) -> Floats:
    """Largest relative violation of target ROI (return missing), stock (oversold) and budget (overspent), (N,)."""
    return np.maximum.reduce(
        [
            np.nan_to_num(roi_shortfall(constraints, totals)),
            _beyond(units_sold(constraints, totals), constraints.stock),
            _beyond(totals.spend, constraints.budget),
        ]
    )


def judge(true: Constraints, totals: Totals, campaign: int) -> Judged:
    """The outcome for one campaign: true constraints bind value and utility maximizers alike."""
    sales, payment = float(delivered_value(true, totals)[campaign]), float(totals.spend[campaign])
    worth = sales if true.maximizes_value[campaign] else sales - payment
    return Judged(sales, payment, worth, float(violation(true, totals)[campaign]))


def _beyond(used: Floats, limit: Floats) -> Floats:
    """Use beyond a limit, relative to it."""
    return np.maximum(0, np.nan_to_num(ratio(used, limit)) - 1)
