"""Mirror descent on the dual of a target ROI: how return on spend is held by one number.

Feng, Padmanabhan & Wang, "Online Bidding Algorithms for Return-on-Spend Constrained Advertisers" (WWW 2023, arXiv
2208.13713), algorithms 1 and 2. Only the abstract could be read: the formulas are from memory; the form for utility
maximizers is ours.
"""

import numpy as np

from adsim.agents.base import require_count, require_not_negative, require_positive
from adsim.agents.estimates import UNIT, unit_of, value_per_predicted
from adsim.agents.rule import RETURN_ON_SPEND, Rule, row
from adsim.errors import AgentError
from adsim.kernels.jit import inline
from adsim.kernels.settlement import PREDICTED_VALUE, SPEND
from adsim.types import Constraints, Floats, PublicFacts

STEP, START, BUFFER = range(3)
"""Parameters of the rule, with `UNIT`."""
LOG_DUAL, SAVED, OPEN = range(3)
"""Memory of the rule: log lambda, what was earned beyond the target in units, whether the buffer is full."""
HIGHEST = 1e9
"""Of a multiplier; whom no constraint holds back bids it."""
FAINT = np.exp(600.0)
"""1 / lambda of a target that does not bind at all."""


@inline
def inverse_target_dual(seen, n, parameters, memory, unit):
    """1 / lambda, moved by what the last auctions earned beyond the target; 0 while the buffer fills."""
    target, pace = seen.target_roi[n], np.sqrt(seen.opportunities)
    if seen.elapsed == 0:
        memory[LOG_DUAL] = np.log(parameters[START])
        memory[OPEN] = parameters[BUFFER] == 0
    elif unit > 0:
        earned = value_per_predicted(seen, n) * seen.last[n, PREDICTED_VALUE]
        gain = (earned - target * seen.last[n, SPEND]) / unit
        memory[SAVED] += gain
        if memory[OPEN] > 0:
            memory[LOG_DUAL] -= parameters[STEP] / pace * gain
        elif memory[SAVED] >= parameters[BUFFER] * pace:
            memory[OPEN] = 1.0
    inverse = FAINT
    if target > 0:
        inverse = np.exp(min(-memory[LOG_DUAL], 600.0)) if memory[OPEN] > 0 else 0.0
    return inverse


@inline
def decide(seen, n, parameters, memory):
    """The best bid for the Lagrangian ``(1 + lambda) v - lambda tau p``, less p for a utility maximizer."""
    unit = unit_of(seen, n, parameters)
    inverse = inverse_target_dual(seen, n, parameters, memory, unit)
    own = 0.0 if seen.maximizes_value[n] else inverse
    return min((1 + inverse) / (own + seen.target_roi[n]), HIGHEST)


class ReturnOnSpend(Rule):
    """``kappa = (1 + lambda) / (lambda tau)``, ``lambda <- lambda exp(-step / sqrt(T) (v x - tau p) / unit)``.

    After every auction (algorithm 1), v x the predicted value of what was shown, corrected by what conversions have
    told of predictions so far (1 where they are exact, as in the paper), p the spend, tau the target ROI, T the
    period's opportunities. ``kappa = (1 + lambda) / (1 + lambda tau)`` for a utility maximizer. Meant for truthful
    auctions. Regret and violation are of the order of sqrt(T), up to a logarithm.

    Parameters
    ----------
    step : float
    start : float
        First lambda.
    buffer : float
        Bid truthfully, 1 / tau, until ``buffer sqrt(T)`` units are earned beyond the target, and move lambda only
        then (algorithm 2). What is earned is then ``sqrt(T) (buffer - log(lambda / start) / step)`` units: the period
        does not end short of the target as long as lambda stays below ``start e**(buffer step)``. The paper's
        buffer, of the order of 2 log T, is enough for any lambda, and outlasts most periods.
    unit : float, optional
        Money that the paper scales to 1, its values lying in [0, 1]; unless given, the mean value won so far, or the
        budget's rate if that is more.
    every : int
        Auctions between decisions.

    Raises
    ------
    AgentError
        When a parameter is out of range or, on reset, a campaign has no target.
    """

    number = RETURN_ON_SPEND

    def __init__(
        self,
        step: float = 1.0,
        start: float = 1.0,
        buffer: float = 0.0,
        unit: float | None = None,
        every: int = 1,
    ) -> None:
        self.step, self.start = require_positive("step", step), require_positive("start", start)
        self.buffer = require_not_negative("buffer", buffer)
        self.unit = None if unit is None else require_positive("unit", unit)
        self.every = require_count("every", every)

    def check(self, constraints: Constraints, market: PublicFacts) -> None:
        """Refuse a campaign without a target."""
        if np.any(constraints.target_roi <= 0):
            raise AgentError("ros holds a target ROI: give the campaign one, or use mirror_descent or coupled.")

    def parameters(self, market: PublicFacts) -> Floats:
        """See `Rule.parameters`."""
        return row({STEP: self.step, START: self.start, BUFFER: self.buffer, UNIT: self.unit})
