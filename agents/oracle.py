"""The threshold of the hindsight optimum: an oracle, to measure the others against."""

import numpy as np

from adsim.agents.base import Agent
from adsim.errors import AgentError
from adsim.types import Constraints, Floats, Hindsight, Observation, PublicFacts


class HindsightThreshold(Agent):
    """Knows all values and posted prices of the period, and bids the best single multiplier.

    Opportunities are taken in the order of price / predicted value, in which a rising multiplier wins them, as far as
    budget and target ROI hold and the objective gains. Against posted prices under second price this is the best
    uniform bid (budget and ROI rank opportunities alike, so the optimum is one threshold). It needs one campaign, one
    slot and posted competition.
    """

    privileged = True

    def reset(self, constraints: Constraints, market: PublicFacts) -> None:
        """Begin without knowledge; `reveal` follows."""
        super().reset(constraints, market)
        self._multiplier = np.nan

    def reveal(self, hindsight: Hindsight) -> None:
        """Find the threshold."""
        c = self.constraints
        budget, target = float(c.budget[0]), float(c.target_roi[0])
        self._multiplier = best_threshold(hindsight, budget, target, maximizes_value=bool(c.maximizes_value[0]))

    def act(self, observation: Observation) -> Floats:
        """The threshold in every tick."""
        if np.isnan(self._multiplier):
            raise AgentError("oracle was not shown the truth: it needs a market with one campaign and posted prices.")
        return np.full(observation.budget_left.size, self._multiplier)


def best_threshold(hindsight: Hindsight, budget: float, target_roi: float, *, maximizes_value: bool = True) -> float:
    """The multiplier whose wins against posted prices bring most within the budget and the target ROI.

    Parameters
    ----------
    hindsight : Hindsight
        Arrays of shape (T,).
    budget : float
        Money; inf without a budget.
    target_roi : float
        0 without a target.
    maximizes_value : bool
        Whether value counts, or value less cost.
    """
    worth = hindsight.predicted_value > 0
    predicted, value, price, cost = (field[worth] for field in hindsight)
    ratio = price / predicted
    order = np.argsort(ratio, kind="stable")
    ratio, spend, earned = ratio[order], np.cumsum(cost[order]), np.cumsum(value[order])
    together = np.append(ratio[1:] == ratio[:-1], False)  # equal ratios are won together or not at all
    gain = np.where(maximizes_value, earned, earned - spend)
    gain[together | (spend > budget) | (earned < target_roi * spend)] = 0
    if not np.any(gain > 0):
        return 0.0
    last = int(np.argmax(gain))
    above = ratio[last + 1] if last + 1 < ratio.size else 2 * ratio[last] + 1
    return float((ratio[last] + above) / 2)
