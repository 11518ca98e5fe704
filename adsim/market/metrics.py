"""What a period is judged by, from each campaign's totals."""

import numpy as np

from adsim.types import Constraints, Floats, Totals

TOLERANCE = 0.02
"""Relative shortfall from a target ROI that still counts as kept."""


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Quotient, NaN where the denominator is 0 or infinite."""
    usable = (denominator > 0) & np.isfinite(denominator)
    return np.where(usable, numerator / np.where(usable, denominator, 1), np.nan)


def units_sold(constraints: Constraints, totals: Totals) -> Floats:
    """Units of stock that sales took: conversions, or their value over the unit's; shapes (..., n)."""
    unit = constraints.stock_unit
    return np.where(unit > 0, totals.value / np.where(unit > 0, unit, 1), totals.conversions)


def delivered_share(constraints: Constraints, totals: Totals) -> Floats:
    """Share of the sales that the stock is enough for: those beyond it are not delivered."""
    sold = units_sold(constraints, totals)
    share = np.minimum(1, np.where(sold > 0, ratio(constraints.stock, sold), 1))
    return np.where(np.isnan(share) | np.isinf(constraints.stock), 1, share)


def delivered_value(constraints: Constraints, totals: Totals) -> Floats:
    """Value of the sales within the stock."""
    return totals.value * delivered_share(constraints, totals)


def liquid_value(constraints: Constraints, totals: Totals) -> Floats:
    """The most each campaign could have been charged within its constraints: min(budget, delivered value / target).

    Without a target, a campaign pays at most its value (target 1). Sales beyond the stock are not delivered.
    """
    target = np.where(constraints.target_roi > 0, constraints.target_roi, 1)
    return np.minimum(constraints.budget, delivered_value(constraints, totals) / target)


def roi_shortfall(constraints: Constraints, totals: Totals) -> Floats:
    """``max(0, 1 - roi / target)``; 0 without spend, NaN without a target."""
    roi = ratio(totals.value, totals.spend)
    shortfall = np.maximum(0, 1 - ratio(roi, constraints.target_roi))
    shortfall = np.where(totals.spend > 0, shortfall, 0)
    return np.where(constraints.target_roi > 0, shortfall, np.nan)


def stock_overshoot(constraints: Constraints, totals: Totals) -> Floats:
    """Sales beyond the stock, relative to it; NaN without a stock."""
    return np.maximum(0, ratio(units_sold(constraints, totals), constraints.stock) - 1)


def summarize(constraints: Constraints, totals: Totals, beta: float, offered: int) -> dict[str, float]:
    """One number for each question about a period; ``offered`` slots were for sale.

    Returns
    -------
    dict
        welfare (value won), liquid_welfare, user_experience, weighted_objective (liquid welfare + beta * user
        experience), revenue, surplus (value less spend), conversions, sell_through (share of slots sold),
        roi_violations (share of campaigns with a target that miss it by more than 2 %), roi_shortfall (value missing
        from targets over value due for what was spent), stock_overshoot (largest, relative), stock_use and
        budget_use (means), calibration (predicted over realised value of what was shown). NaN where no campaign has
        such a constraint.
    """
    liquid = float(liquid_value(constraints, totals).sum())
    experience = float(totals.experience.sum())
    shortfall = roi_shortfall(constraints, totals)
    targeted = constraints.target_roi > 0
    overshoot = stock_overshoot(constraints, totals)
    return {
        "welfare": float(totals.value.sum()),
        "liquid_welfare": liquid,
        "user_experience": experience,
        "weighted_objective": liquid + beta * experience,
        "revenue": float(totals.spend.sum()),
        "surplus": float((totals.value - totals.spend).sum()),
        "conversions": float(totals.conversions.sum()),
        "sell_through": float(totals.wins.sum()) / offered,
        "roi_violations": _mean((shortfall > TOLERANCE)[targeted].astype(float)),
        "roi_shortfall": _total_shortfall(constraints, totals) if targeted.any() else np.nan,
        "stock_overshoot": float(np.nanmax(overshoot)) if np.isfinite(overshoot).any() else np.nan,
        "stock_use": _mean(ratio(units_sold(constraints, totals), constraints.stock)),
        "budget_use": _mean(ratio(totals.spend, constraints.budget)),
        "calibration": float(ratio(totals.predicted_value.sum(), totals.value.sum())),
    }


def _total_shortfall(constraints: Constraints, totals: Totals) -> float:
    """Money-weighted, so that a campaign that hardly bought anything does not count like one that did."""
    due = constraints.target_roi * totals.spend
    missing = np.where(due > 0, np.maximum(0, due - totals.value), 0).sum()
    return float(missing / due.sum()) if due.sum() > 0 else 0.0


def _mean(values: Floats) -> float:
    """Mean of what is not NaN; NaN of nothing."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
