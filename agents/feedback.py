"""Feedback pacing: hold target ROI, budget and stock under any mechanism, the tightest constraint deciding."""

import numpy as np

from adsim.agents.base import Agent, require_positive
from adsim.agents.estimates import sales, share_of_rest, start_multiplier, value_per_predicted
from adsim.errors import AgentError
from adsim.types import Constraints, Floats, Observation, PublicFacts

ROI_RANGE = 0.5, 10.0
"""Bounds of the ROI multiplier times the target. No price exceeds the bid, so 1 keeps the target for sure, and half
of that is low enough to pay back a debt; without an upper bound, who wins everything at no risk would bid any sum.
"""


class Feedback(Agent):
    """One multiplier for each constraint, each moved multiplicatively by its own slack; the least of them bids.

    Min-pacing in the sense of Balseiro et al. 2023 (arXiv 2302.08530), with a controller for each constraint in
    place of its dual: nothing is assumed of the payment rule, so that it also finds the multiplier under first
    price, where a target ROI asks for 1 / target, and under GSP. A multiplier whose constraint is slack follows
    the bidding one, at most one step above it, so that it takes over at once when its constraint binds.

    Parameters
    ----------
    step : float
        Largest change of a log-multiplier in one tick.
    """

    def __init__(self, step: float = 0.2) -> None:
        self.step = require_positive("step", step)

    def reset(self, constraints: Constraints, market: PublicFacts) -> None:
        """Begin at the multiplier that the target ROI affords, or at 1."""
        super().reset(constraints, market)
        free = np.isinf(constraints.budget) & (constraints.target_roi == 0) & np.isinf(constraints.stock)
        if np.any(free & constraints.maximizes_value):
            raise AgentError(
                "a value maximizer without budget, target ROI or stock has no best bid: give it a constraint, "
                "make it a utility maximizer, or name the agent fixed."
            )
        start = np.log(start_multiplier(constraints, market))
        self._logs = np.stack([start, start, start])
        self._ceiling = np.where(constraints.maximizes_value, np.inf, 0.0)
        self._start = start
        targeted = constraints.target_roi > 0
        low, high = (start + np.log(bound) for bound in ROI_RANGE)
        self._roi_range = np.where(targeted, low, -np.inf), np.where(targeted, high, np.inf)
        self._planned_spend = np.zeros(start.size)
        self._planned_sales = np.zeros(start.size)

    def act(self, observation: Observation) -> Floats:
        """Move each constraint's multiplier by its slack in the last tick, and bid with the least."""
        if observation.tick > 0:
            self._logs += self.step * self._slacks(observation)
            self._logs[0] = np.clip(self._logs[0], *self._roi_range)
        bid = np.clip(np.minimum(self._logs.min(axis=0), self._ceiling), -20, 20)
        self._logs = np.clip(self._logs, bid - self.step, bid + self.step)
        share = share_of_rest(self.market, observation.tick)
        self._planned_spend = observation.budget_left * share
        self._planned_sales = observation.stock_left * share
        return np.exp(bid)

    def _slacks(self, observation: Observation) -> Floats:
        """Relative slack of target ROI, budget and stock in the last tick, in [-1, 1].

        What the period has earned beyond its target so far may be spent over the rest of it, and a debt is paid
        back over the rest: the last tick's slack is taken together with the coming tick's share of that. Who won
        nothing returns towards 1 / target, and lower while in debt: to bid on would risk a win that nothing pays for.
        """
        value, target = self.constraints.value_per_conversion, self.constraints.target_roi
        trust = value_per_predicted(observation, value)
        share = share_of_rest(self.market, observation.tick)
        saved = trust * observation.total.predicted_value - target * observation.total.spend
        due = target * observation.last.spend
        earned = trust * observation.last.predicted_value + share * saved
        idle = np.where(saved < 0, -1.0, np.clip((self._start - self._logs[0]) / self.step, -1, 1))
        idle = np.where(target > 0, idle, 1.0)
        roi = np.where(due > 0, (earned - due) / np.where(due > 0, due, 1), idle)
        budget = _relative_slack(self._planned_spend, observation.last.spend)
        stock = _relative_slack(self._planned_sales, sales(observation, value))
        return np.clip(np.stack([roi, budget, stock]), -1, 1)


def _relative_slack(plan: Floats, actual: Floats) -> Floats:
    """How far below plan, relative to it; 1 without a limit, -1 with nothing left."""
    limited = np.isfinite(plan) & (plan > 0)
    safe = np.where(limited, plan, 1.0)
    return np.where(limited, (safe - actual) / safe, np.where(np.isinf(plan), 1.0, -1.0))
