"""The threshold of the hindsight optimum: an oracle, to measure the others against."""

import numpy as np

from adsim.agents.base import Agent
from adsim.errors import AgentError
from adsim.types import Constraints, Floats, Hindsight, Observation, PublicFacts


class HindsightThreshold(Agent):
    """Knows all values and posted prices of the period, and bids the best single multiplier.

    Opportunities are taken in the order of price / predicted value, which is the order in which a rising
    multiplier wins them, as long as budget and target ROI hold. Against posted prices under second price this is
    the best uniform bid (budget and ROI rank opportunities alike, so the optimum is one threshold). It needs one
    campaign and posted competition.
    """

    privileged = True

    def reset(self, constraints: Constraints, market: PublicFacts) -> None:
        """Begin without knowledge; `reveal` follows."""
        super().reset(constraints, market)
        self._multiplier = np.nan

    def reveal(self, hindsight: Hindsight) -> None:
        """Find the threshold."""
        budget, target = self.constraints.budget[0], self.constraints.target_roi[0]
        self._multiplier = best_threshold(hindsight, float(budget), float(target))

    def act(self, observation: Observation) -> Floats:
        """The threshold in every tick."""
        if np.isnan(self._multiplier):
            raise AgentError("oracle was not shown the truth: it needs a market with one campaign and posted prices.")
        return np.full(observation.budget_left.size, self._multiplier)


def best_threshold(hindsight: Hindsight, budget: float, target_roi: float) -> float:
    """The largest multiplier whose wins against posted prices keep to the budget and the target ROI.

    Parameters
    ----------
    hindsight : Hindsight
        Arrays of shape (T,).
    budget : float
        Money; inf without a budget.
    target_roi : float
        0 without a target.
    """
    worth = hindsight.predicted_value > 0
    predicted, value, price = (field[worth] for field in hindsight)
    ratio = price / predicted
    order = np.argsort(ratio, kind="stable")
    spend, earned = np.cumsum(price[order]), np.cumsum(value[order])
    allowed = np.flatnonzero((spend <= budget) & (earned >= target_roi * spend))
    if allowed.size == 0:
        return 0.0
    last = int(allowed[-1])
    threshold = ratio[order[last]]
    above = ratio[order[last + 1]] if last + 1 < order.size else 2 * threshold + 1
    return float((threshold + above) / 2)
