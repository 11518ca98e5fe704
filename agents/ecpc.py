"""Constant bidding per conversion: a conversion is worth the same whoever converts.

Chen et al., "Real-Time Bidding Algorithms for Performance-Based Display Ad Allocation" (KDD 2011); called
Mcpc in log replays, where the conversions are clicks and their cost is that of the training log.
"""

from adsim.agents.base import Agent, require_positive
from adsim.errors import AgentError
from adsim.types import Constraints, Floats, Observation, PublicFacts


class ExpectedCostPerClick(Agent):
    """bid = expected conversions x cost.

    The value of an opportunity is its expected conversions times the value per conversion, so that the
    multiplier is cost / value per conversion: ``cost`` itself in a log replay, where a click is worth 1.

    Parameters
    ----------
    cost : float, optional
        Money per conversion. Unless given, that of the market's history; without one, what a campaign's ROI
        target allows, value per conversion / target ROI.

    Raises
    ------
    AgentError
        When the cost is not positive or, on reset, none is known for a campaign.
    """

    def __init__(self, cost: float | None = None) -> None:
        self.cost = None if cost is None else require_positive("cost", cost)

    def reset(self, constraints: Constraints, market: PublicFacts) -> None:
        """See `Agent.reset`."""
        super().reset(constraints, market)
        if self._known_cost() is None and not (constraints.target_roi > 0).all():
            raise AgentError(
                "ecpc: no cost per conversion is known here. Give it (cost=...), or give every campaign a target ROI."
            )

    def act(self, observation: Observation) -> Floats:
        """Multipliers that never change; shape (n,)."""
        cost = self._known_cost()
        if cost is None:
            return 1.0 / self.constraints.target_roi
        return cost / self.constraints.value_per_conversion

    def _known_cost(self) -> float | None:
        if self.cost is not None or self.market.history is None:
            return self.cost
        return self.market.history.cost_per_conversion
