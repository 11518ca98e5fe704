"""What a period is worth to a campaign: one number from its value, its spend and its constraints."""

from adsim.kernels.jit import jit


@jit
def score(value, spend, sold, target_roi, stock, maximizes_value):
    """Value delivered, scaled down where the target is missed; a utility maximizer's less its spend.

    ``delivered * min((roi / target)**2, 1)``, delivered being the value within the stock. For a target CPA this is
    the score of the AuctionNet competition, ``conversions * min((target / CPA)**2, 1)`` (Su et al. 2024), times the
    value of a conversion; stock and utility are our additions.

    Parameters
    ----------
    value, spend : float
        Of the period.
    sold : float
        Units of stock that the period's conversions took; see `adsim.kernels.settlement.units_sold`.
    target_roi : float
        0 without a target.
    stock : float
        Units, inf without a limit.
    maximizes_value : bool
    """
    delivered = value * min(1.0, stock / sold) if sold > 0 else value
    kept = 1.0
    if target_roi > 0 and spend > 0:
        kept = min((delivered / spend / target_roi) ** 2, 1.0)
    return delivered * kept if maximizes_value else delivered * kept - spend


@jit
def violation(value, spend, sold, target_roi, stock):
    """Relative shortfall from the target ROI plus relative sales beyond the stock; budgets cannot be violated."""
    shortfall = max(0.0, 1.0 - value / spend / target_roi) if target_roi > 0 and spend > 0 else 0.0
    return shortfall + max(0.0, sold / stock - 1.0)
