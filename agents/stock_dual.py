"""The stock dual of the Liquid Payment Auction: bid 1/target less the price of stock."""

import numpy as np

from adsim.agents.base import Agent, require_positive
from adsim.agents.estimates import sales, share_of_rest
from adsim.errors import AgentError
from adsim.types import Constraints, Floats, Observation, PublicFacts


class StockDual(Agent):
    """``kappa = 1 / target - lambda``, with the stock's dual moved by the last tick's sales against plan.

    ``lambda <- [lambda + step / sqrt(t) / target * clip((sales - plan) / plan, -1, 1)]_+`` after tick t, the plan
    re-solved each tick: the stock left, times the tick's expected share of the traffic left. The dual may exceed
    1 / target: the bid is then negative, or user experience alone would go on selling what is not there. Under LPA
    the payment does not depend on the bid, so the return is the target whatever lambda is, and a budget is a stock,
    too: it pays for budget * target of sales. The rule is our derivation (sub-gradient of the dual of the allocation
    problem, in batches), not quoted from the LPA paper.

    Parameters
    ----------
    step : float
        Largest change of ``lambda * target`` in the first tick.
    """

    def __init__(self, step: float = 0.4) -> None:
        self.step = require_positive("step", step)

    def reset(self, constraints: Constraints, market: PublicFacts) -> None:
        """Begin with lambda = 0: the whole liquid value."""
        super().reset(constraints, market)
        if np.any(constraints.target_roi <= 0):
            raise AgentError("stock_dual bids 1 / target ROI - lambda: give the campaign a target ROI or CPA.")
        self._rate = 1 / constraints.target_roi
        self._dual = np.zeros(self._rate.size)
        self._plan = np.full(self._rate.size, np.inf)

    def act(self, observation: Observation) -> Floats:
        """Move the dual by the last tick's sales, then plan the coming tick."""
        value = self.constraints.value_per_conversion
        if observation.tick > 0:
            limited = np.isfinite(self._plan)
            plan = np.where(limited, np.maximum(self._plan, 1e-12), 1.0)
            excess = np.where(limited, np.clip((sales(observation, value) - plan) / plan, -1, 1), 0.0)
            step = self.step / np.sqrt(observation.tick)
            self._dual = np.maximum(self._dual + step * self._rate * excess, 0.0)
        affordable = observation.budget_left * self.constraints.target_roi / value
        left = np.minimum(observation.stock_left, affordable)
        self._plan = left * share_of_rest(self.market, observation.tick)
        multiplier = self._rate - self._dual
        return multiplier if self.market.negative_bids else np.maximum(multiplier, 0.0)
