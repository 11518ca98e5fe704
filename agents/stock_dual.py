"""The stock dual of the Liquid Payment Auction: bid 1/target less the price of stock."""

import numpy as np

from adsim.agents.base import require_positive
from adsim.agents.estimates import clip, sales
from adsim.agents.rule import STOCK_DUAL, Rule, row
from adsim.errors import AgentError
from adsim.kernels.jit import inline
from adsim.types import Constraints, Floats, PublicFacts

STEP = 0
"""Parameter of the rule."""
DUAL, PLAN = range(2)
"""Memory of the rule: lambda, and the sales planned for the last tick."""


@inline
def decide(seen, n, parameters, memory):
    """Move the dual by the last tick's sales, then plan the coming tick."""
    target = seen.target_roi[n]
    rate = 1 / target
    if seen.tick > 0 and memory[PLAN] < np.inf:
        plan = max(memory[PLAN], 1e-12)
        excess = clip((sales(seen, n) - plan) / plan, -1.0, 1.0)
        step = parameters[STEP] / np.sqrt(seen.tick)
        memory[DUAL] = max(memory[DUAL] + step * rate * excess, 0.0)
    affordable = seen.budget_left[n] * target / seen.value_per_conversion[n]
    memory[PLAN] = min(seen.stock_left[n], affordable) * seen.share
    multiplier = rate - memory[DUAL]
    return multiplier if seen.negative_bids else max(multiplier, 0.0)


class StockDual(Rule):
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

    number = STOCK_DUAL

    def __init__(self, step: float = 0.4) -> None:
        self.step = require_positive("step", step)

    def check(self, constraints: Constraints, market: PublicFacts) -> None:
        """Refuse a campaign without a target."""
        if np.any(constraints.target_roi <= 0):
            raise AgentError("stock_dual bids 1 / target ROI - lambda: give the campaign a target ROI or CPA.")

    def parameters(self, market: PublicFacts) -> Floats:
        """See `Rule.parameters`."""
        return row({STEP: self.step})
