"""The stock dual of the Liquid Payment Auction: bid 1/target less the price of stock.

Our derivation, nothing of it quoted from the LPA paper (Li et al. 2025, arXiv 2507.02931): descent on the dual of the
allocation problem ``max sum (v / tau + beta u) x`` subject to ``sum v x <= C`` for every seller, whose gradient in a
seller's lambda is its stock less its sales.
"""

import numpy as np

from adsim.agents.base import require_count, require_not_negative, require_positive
from adsim.agents.estimates import clip, sales, units_per_win
from adsim.agents.rule import STOCK_DUAL, Rule, row
from adsim.errors import AgentError, UnknownName
from adsim.kernels.jit import inline
from adsim.kernels.mirror import ENTROPIC, EUCLIDEAN, descend
from adsim.types import Constraints, Floats, PublicFacts

STEP, START, UPDATE = range(3)
"""Parameters of the rule."""
DUAL, LEFT, DECISIONS = range(3)
"""Memory of the rule: lambda, the stock left at the last decision, and decisions so far."""
RESOLVING, SUBGRADIENT, MULTIPLICATIVE = range(3)
UPDATES = {"resolving": RESOLVING, "subgradient": SUBGRADIENT, "multiplicative": MULTIPLICATIVE}
STEPS = {"resolving": 0.4, "subgradient": 1.0, "multiplicative": 1.0}
STARTS = {"resolving": 0.0, "subgradient": 0.0, "multiplicative": 0.3}
"""First ``lambda * target``: a multiplicative step cannot leave 0."""
LEAST = 1e-3
"""Of ``lambda * target`` under multiplicative steps, so that it can return within the period."""


@inline
def stock_excess(seen, n, stock):
    """What the last auctions sold beyond their share of a period's ``stock``, in portions over the root of them.

    A portion is what an average win takes, or those auctions' share of the stock if that is more: as many as the
    stock has, so often there is something to learn.
    """
    plan = stock * seen.step / seen.opportunities
    unit = max(units_per_win(seen, n), plan, stock / seen.opportunities)
    return (sales(seen, n) - plan) / np.sqrt(unit * stock)


@inline
def _resolved_excess(seen, n, memory):
    """The same against the share of what was left before them, with steps of 1 / sqrt(decisions).

    An excess is relative to the plan, or to an average win where the plan is less than that: decisions then count
    for the share of a win that they plan.
    """
    plan = max(memory[LEFT] * seen.step / (seen.opportunities - seen.elapsed + seen.step), 1e-12)
    scale = max(plan, units_per_win(seen, n))
    excess = clip((sales(seen, n) - plan) / scale, -1.0, 1.0)
    return excess / np.sqrt(max(memory[DECISIONS] * (plan / scale), 1.0))


@inline
def decide(seen, n, parameters, memory):
    """Move the dual by what the last auctions sold beyond plan."""
    target, value, update = seen.target_roi[n], seen.value_per_conversion[n], parameters[UPDATE]
    rate = 1 / target
    stock = min(seen.stock[n], seen.budget[n] * target / value)
    if memory[DECISIONS] == 0:
        memory[DUAL] = parameters[START] * rate if stock < np.inf else 0.0
    elif stock < np.inf:
        if update == RESOLVING:
            excess = _resolved_excess(seen, n, memory)
        else:
            excess = stock_excess(seen, n, stock)
        move = clip(parameters[STEP] * excess, -1.0, 1.0)
        if update == MULTIPLICATIVE:
            memory[DUAL] = max(descend(ENTROPIC, memory[DUAL], -move, 1.0), LEAST * rate)
        else:
            memory[DUAL] = descend(EUCLIDEAN, memory[DUAL], -move, rate)
    memory[LEFT] = min(seen.stock_left[n], seen.budget_left[n] * target / value)
    memory[DECISIONS] += 1
    multiplier = rate - memory[DUAL]
    return multiplier if seen.negative_bids else max(multiplier, 0.0)


class StockDual(Rule):
    """``kappa = 1 / target - lambda``, the stock's dual lambda moved by what the last auctions sold beyond plan.

    With ``l = lambda * target``, C the stock and S the units that the last k auctions are expected to have sold, by
    prediction corrected by what conversions have told of predictions so far:

    * resolving: ``l <- [l + step / sqrt(t) clip((S - P) / P, -1, 1)]_+`` at decision t, the plan P being the stock
      left times the share of those auctions in all that were left (where P is less than an average win w, relative
      to w and with t P / w in place of t);
    * subgradient: ``l <- [l + step / sqrt(C / w) (S - k C / T) / w]_+``, T the period's auctions and w an average
      win, or the plan k C / T where that is more;
    * multiplicative: ``l <- l exp(step / sqrt(C / w) (S - k C / T) / w)``, at least 0.001.

    The papers' step of 1 / sqrt(T) is for gradients of size 1. Those of a seller that wins one auction in n are n
    times its plan and mostly 0: counted in average wins, and over the root of the C / w wins that the stock lasts
    for, they ask for the same step whatever the number of sellers, the length of the period and the unit of money;
    decisions that span many wins are as few as the plans in the stock. No decision moves l by more than 1, or by
    more than a factor e.

    The dual may exceed 1 / target: the bid is then negative, or user experience alone would go on selling what is not
    there. Under LPA the payment does not depend on the bid, so the return is the target whatever lambda is, and a
    budget is a stock, too: it pays for budget * target of sales. The rule is our derivation, see the module.

    Parameters
    ----------
    update : str
        resolving, subgradient or multiplicative.
    step : float, optional
        0.4 for the resolving update and 1 for the others unless given.
    start : float, optional
        First l; 0 unless given, 0.3 for the multiplicative update.
    every : int, optional
        Auctions between decisions; once a tick unless given.

    Raises
    ------
    UnknownName
        For an unknown update.
    AgentError
        When a parameter is out of range or, on reset, a campaign has no target.
    """

    number = STOCK_DUAL

    def __init__(
        self,
        update: str = "resolving",
        step: float | None = None,
        start: float | None = None,
        every: int | None = None,
    ) -> None:
        if update not in UPDATES:
            raise UnknownName("update", str(update), UPDATES)
        self.update, self.step = update, STEPS[update] if step is None else require_positive("step", step)
        require_start = require_positive if update == "multiplicative" else require_not_negative
        self.start = STARTS[update] if start is None else require_start("start", start)
        self.every = 0 if every is None else require_count("every", every)

    def check(self, constraints: Constraints, market: PublicFacts) -> None:
        """Refuse a campaign without a target."""
        if np.any(constraints.target_roi <= 0):
            raise AgentError("stock_dual bids 1 / target ROI - lambda: give the campaign a target ROI or CPA.")

    def parameters(self, market: PublicFacts) -> Floats:
        """See `Rule.parameters`."""
        return row({STEP: self.step, START: self.start, UPDATE: UPDATES[self.update]})
