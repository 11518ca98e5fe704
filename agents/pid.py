"""PID pacing: spend the budget as the traffic comes."""

import numpy as np

from adsim.agents.base import Agent, require_positive
from adsim.agents.estimates import share_of_rest, start_multiplier
from adsim.errors import AgentError
from adsim.types import Constraints, Floats, Observation, PublicFacts


class PidPacing(Agent):
    """The log-multiplier follows proportional, integral and derivative terms of the relative spending error.

    The error of a tick is ``(plan - spend) / plan``, the plan being the tick's expected share of the traffic that was
    left, times the budget that was left; it is clipped to [-1, 1].

    Parameters
    ----------
    proportional, integral, derivative : float
        Gains.
    """

    def __init__(self, proportional: float = 0.3, integral: float = 0.05, derivative: float = 0.05) -> None:
        self.proportional = require_positive("proportional", proportional)
        self.integral = require_positive("integral", integral)
        self.derivative = require_positive("derivative", derivative)

    def reset(self, constraints: Constraints, market: PublicFacts) -> None:
        """Begin at the multiplier that the target ROI affords, or at 1."""
        super().reset(constraints, market)
        if not np.all(np.isfinite(constraints.budget)):
            raise AgentError("pid paces a budget: give the campaign one, or use the agent feedback.")
        self._log = np.log(start_multiplier(constraints, market))
        self._sum = np.zeros(self._log.size)
        self._error = np.zeros(self._log.size)
        self._plan = np.zeros(self._log.size)

    def act(self, observation: Observation) -> Floats:
        """Correct by the last tick's error, then plan the coming tick."""
        if observation.tick > 0:
            plan = np.maximum(self._plan, 1e-12)
            error = np.clip((plan - observation.last.spend) / plan, -1, 1)
            self._sum += error
            self._log += self.proportional * error + self.integral * self._sum
            self._log += self.derivative * (error - self._error)
            self._sum = np.clip(self._sum, -5, 5)
            self._log = np.clip(self._log, -20, 20)
            self._error = error
        self._plan = observation.budget_left * share_of_rest(self.market, observation.tick)
        return np.exp(self._log)
