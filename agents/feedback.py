"""Feedback pacing: hold target ROI, budget and stock under any mechanism, the tightest constraint deciding."""

import numpy as np

from adsim.agents.base import require_positive
from adsim.agents.estimates import clip, sales, start_multiplier, value_per_predicted
from adsim.agents.rule import FEEDBACK, Rule, cost_known, row
from adsim.errors import AgentError
from adsim.kernels.jit import inline, jit
from adsim.kernels.settlement import PREDICTED_VALUE, SPEND
from adsim.types import Constraints, Floats, PublicFacts

ROI_RANGE = 0.5, 10.0
"""Bounds of the ROI multiplier times the target. No price exceeds the bid, so 1 keeps the target for sure, and half
of that is low enough to pay back a debt; without an upper bound, who wins everything at no risk would bid any sum.
"""
LOWEST, HIGHEST = np.log(ROI_RANGE)
STEP, COST = range(2)
"""Parameters of the rule."""
ROI, BUDGET, STOCK, START, PLANNED_SPEND, PLANNED_SALES = range(6)
"""Memory of the rule: a log-multiplier for each constraint, where they began, and plans for the last tick."""


@inline
def decide(seen, n, parameters, memory):
    """Move each constraint's multiplier by its slack in the last tick, and bid with the least."""
    step = parameters[STEP]
    if seen.tick == 0:
        start = np.log(start_multiplier(seen, n, parameters[COST]))
        memory[START] = memory[ROI] = memory[BUDGET] = memory[STOCK] = start
    else:
        memory[ROI] += step * _roi_slack(seen, n, (memory[START] - memory[ROI]) / step)
        memory[BUDGET] += step * _relative_slack(memory[PLANNED_SPEND], seen.last[n, SPEND])
        memory[STOCK] += step * _relative_slack(memory[PLANNED_SALES], sales(seen, n))
        if seen.target_roi[n] > 0:
            memory[ROI] = clip(memory[ROI], memory[START] + LOWEST, memory[START] + HIGHEST)
    ceiling = 20.0 if seen.maximizes_value[n] else 0.0
    bid = clip(min(memory[ROI], memory[BUDGET], memory[STOCK]), -20.0, ceiling)
    for constraint in (ROI, BUDGET, STOCK):
        memory[constraint] = clip(memory[constraint], bid - step, bid + step)
    memory[PLANNED_SPEND] = seen.budget_left[n] * seen.share
    memory[PLANNED_SALES] = seen.stock_left[n] * seen.share
    return np.exp(bid)


@inline
def _roi_slack(seen, n, homeward):
    """Relative slack of the target ROI in the last tick, in [-1, 1].

    What the period has earned beyond its target so far may be spent over the rest of it, and a debt is paid
    back over the rest: the last tick's slack is taken together with the coming tick's share of that. Who won
    nothing returns towards 1 / target, and lower while in debt: to bid on would risk a win that nothing pays for.
    ``homeward`` is the number of steps from here to where the multiplier began.
    """
    target = seen.target_roi[n]
    slack = 1.0
    if target > 0:
        trust = value_per_predicted(seen, n)
        saved = trust * seen.total[n, PREDICTED_VALUE] - target * seen.total[n, SPEND]
        due = target * seen.last[n, SPEND]
        if due > 0:
            earned = trust * seen.last[n, PREDICTED_VALUE] + seen.share * saved
            slack = clip((earned - due) / due, -1.0, 1.0)
        elif saved < 0:
            slack = -1.0
        else:
            slack = clip(homeward, -1.0, 1.0)
    return slack


@jit
def _relative_slack(plan, actual):
    """How far below plan, relative to it, in [-1, 1]; 1 without a limit, -1 with nothing left."""
    if plan == np.inf:
        return 1.0
    if plan > 0:
        return clip((plan - actual) / plan, -1.0, 1.0)
    return -1.0


class Feedback(Rule):
    """One multiplier for each constraint, each moved multiplicatively by its own slack; the least of them bids.

    Min-pacing in the sense of Balseiro et al. 2023 (arXiv 2302.08530), with a controller for each constraint in
    place of its dual: nothing is assumed of the payment rule, so that it also finds the multiplier under first
    price, where a target ROI asks for 1 / target, and under GSP. A multiplier whose constraint is slack follows
    the bidding one, at most one step above it, so that it takes over at once when its constraint binds. All begin at
    the cost per conversion of the market's history, else at what the target ROI affords, else at 1.

    Parameters
    ----------
    step : float
        Largest change of a log-multiplier in one tick.
    """

    number = FEEDBACK

    def __init__(self, step: float = 0.2) -> None:
        self.step = require_positive("step", step)

    def check(self, constraints: Constraints, market: PublicFacts) -> None:
        """Refuse a value maximizer that nothing holds back."""
        free = np.isinf(constraints.budget) & (constraints.target_roi == 0) & np.isinf(constraints.stock)
        if np.any(free & constraints.maximizes_value):
            raise AgentError(
                "a value maximizer without budget, target ROI or stock has no best bid: give it a constraint, "
                "make it a utility maximizer, or name the agent fixed."
            )

    def parameters(self, market: PublicFacts) -> Floats:
        """See `Rule.parameters`."""
        return row({STEP: self.step, COST: cost_known(market)})
