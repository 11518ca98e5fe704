"""Constant bidding per conversion: a conversion is worth the same whoever converts.

Chen et al., "Real-Time Bidding Algorithms for Performance-Based Display Ad Allocation" (KDD 2011); called
Mcpc in log replays, where the conversions are clicks and their cost is that of the training log.
"""

import numpy as np

from adsim.agents.base import require_positive
from adsim.agents.rule import ECPC, Rule, cost_known, row
from adsim.errors import AgentError
from adsim.kernels.jit import inline
from adsim.types import Constraints, Floats, PublicFacts

FACTOR, COST = range(2)
"""Parameters of the rule; the cost is NaN where not known."""


@inline
def decide(seen, n, parameters, memory):
    """A multiplier that never changes."""
    cost = parameters[COST]
    multiplier = 1 / seen.target_roi[n] if np.isnan(cost) else cost / seen.value_per_conversion[n]
    return multiplier * parameters[FACTOR]


class ExpectedCostPerClick(Rule):
    """bid = expected conversions x cost (x factor).

    The value of an opportunity is its expected conversions times the value per conversion, so that the
    multiplier is cost / value per conversion: ``cost`` itself in a log replay, where a click is worth 1.

    Parameters
    ----------
    cost : float, optional
        Money per conversion. Unless given, that of the market's history; without one, what a campaign's ROI
        target allows, value per conversion / target ROI.
    factor : float
        Bids are so many times that.

    Raises
    ------
    AgentError
        When a parameter is not positive or, on reset, none is known for a campaign.
    """

    number = ECPC

    def __init__(self, cost: float | None = None, factor: float = 1.0) -> None:
        self.cost = None if cost is None else require_positive("cost", cost)
        self.factor = require_positive("factor", factor)

    def check(self, constraints: Constraints, market: PublicFacts) -> None:
        """Refuse a campaign without a target where no cost is known."""
        if np.isnan(self._cost(market)) and not (constraints.target_roi > 0).all():
            raise AgentError(
                "ecpc: no cost per conversion is known here. Give it (cost=...), or give every campaign a target ROI."
            )

    def parameters(self, market: PublicFacts) -> Floats:
        """See `Rule.parameters`."""
        return row({COST: self._cost(market), FACTOR: self.factor})

    def _cost(self, market: PublicFacts) -> float:
        return cost_known(market) if self.cost is None else self.cost
