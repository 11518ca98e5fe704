"""PID pacing: spend the budget as the traffic comes."""

import numpy as np

from adsim.agents.base import require_positive
from adsim.agents.estimates import clip, start_multiplier
from adsim.agents.rule import PID, Rule, cost_known, row
from adsim.errors import AgentError
from adsim.kernels.jit import inline
from adsim.kernels.settlement import SPEND
from adsim.types import Constraints, Floats, PublicFacts

PROPORTIONAL, INTEGRAL, DERIVATIVE, COST = range(4)
"""Parameters of the rule."""
LOG, SUM, ERROR, PLAN = range(4)
"""Memory of the rule: log-multiplier, sum of errors, last error, spend planned for the last tick."""


@inline
def decide(seen, n, parameters, memory):
    """Correct by the last tick's error, then plan the coming tick."""
    if seen.tick == 0:
        memory[LOG] = np.log(start_multiplier(seen, n, parameters[COST]))
    else:
        plan = max(memory[PLAN], 1e-12)
        error = clip((plan - seen.last[n, SPEND]) / plan, -1.0, 1.0)
        total = memory[SUM] + error
        log = memory[LOG] + (parameters[PROPORTIONAL] * error + parameters[INTEGRAL] * total)
        log += parameters[DERIVATIVE] * (error - memory[ERROR])
        memory[LOG] = clip(log, -20.0, 20.0)
        memory[SUM] = clip(total, -5.0, 5.0)
        memory[ERROR] = error
    memory[PLAN] = seen.budget_left[n] * seen.share
    return np.exp(memory[LOG])


class PidPacing(Rule):
    """The log-multiplier follows proportional, integral and derivative terms of the relative spending error.

    The error of a tick is ``(plan - spend) / plan``, the plan being the tick's expected share of the traffic that was
    left, times the budget that was left; it is clipped to [-1, 1]. Pacing begins at the cost per conversion of the
    market's history, else at the multiplier that the target ROI affords, else at 1.

    Parameters
    ----------
    proportional, integral, derivative : float
        Gains.
    """

    number = PID

    def __init__(self, proportional: float = 0.3, integral: float = 0.05, derivative: float = 0.05) -> None:
        self.proportional = require_positive("proportional", proportional)
        self.integral = require_positive("integral", integral)
        self.derivative = require_positive("derivative", derivative)

    def check(self, constraints: Constraints, market: PublicFacts) -> None:
        """Refuse a campaign without a budget."""
        if not np.all(np.isfinite(constraints.budget)):
            raise AgentError("pid paces a budget: give the campaign one, or use the agent feedback.")

    def parameters(self, market: PublicFacts) -> Floats:
        """See `Rule.parameters`."""
        gains = {PROPORTIONAL: self.proportional, INTEGRAL: self.integral, DERIVATIVE: self.derivative}
        return row({**gains, COST: cost_known(market)})
