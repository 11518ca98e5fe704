"""Throttling: hold a budget by staying away from a share of the auctions, the bid unchanged.

The industry's other pacing: Agarwal, Ghosh, Wei & You, "Budget Pacing for Targeted Online Advertisements at LinkedIn"
(KDD 2014), who raise and lower the share of auctions entered by spend against plan. The step after every auction, in
place of theirs every minute, is ours.
"""

import numpy as np

from adsim.agents.base import require_count, require_positive
from adsim.agents.estimates import clip, start_multiplier
from adsim.agents.rule import THROTTLING, Rule, cost_known, row
from adsim.errors import AgentError
from adsim.kernels.counter import draw, uniform_double
from adsim.kernels.jit import inline
from adsim.kernels.settlement import SPEND
from adsim.types import Constraints, Floats, PublicFacts

STEP, COST = range(2)
"""Parameters of the rule."""
LOG_SHARE = 0
"""Memory of the rule: logarithm of the share of auctions that are entered."""
LOWEST = np.log(1e-4)


@inline
def decide(seen, n, parameters, memory):
    """Correct the share by the last spend against plan, then toss a coin."""
    if seen.elapsed > 0:
        rate, step = seen.budget[n] / seen.opportunities, parameters[STEP] / np.sqrt(seen.opportunities)
        error = seen.step - seen.last[n, SPEND] / rate
        memory[LOG_SHARE] = clip(memory[LOG_SHARE] + step * error, LOWEST, 0.0)
    enters = uniform_double(draw(seen.key[n], np.uint64(seen.elapsed))) < np.exp(memory[LOG_SHARE])
    return start_multiplier(seen, n, parameters[COST]) if enters else 0.0


class Throttling(Rule):
    """Bid what a conversion may cost in a share of the auctions that is chosen at random, and 0 in the others.

    ``log share <- min(0, log share + step / sqrt(T) (rho - p) / rho)`` after every auction, p the spend and rho the
    budget over the period's T opportunities. Who enters bids the cost per conversion of the market's history, else
    what the target ROI affords, else the value.

    Parameters
    ----------
    step : float
    every : int
        Auctions between decisions; the coin is tossed for all of them.

    Raises
    ------
    AgentError
        When a parameter is out of range or, on reset, a campaign has no budget.
    """

    number = THROTTLING

    def __init__(self, step: float = 1.0, every: int = 1) -> None:
        self.step, self.every = require_positive("step", step), require_count("every", every)

    def check(self, constraints: Constraints, market: PublicFacts) -> None:
        """Refuse a campaign without a budget."""
        if not np.all(np.isfinite(constraints.budget)):
            raise AgentError("throttling paces a budget: give the campaign one, or use the agent feedback.")

    def parameters(self, market: PublicFacts) -> Floats:
        """See `Rule.parameters`."""
        return row({STEP: self.step, COST: cost_known(market)})
