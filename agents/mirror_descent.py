"""Dual mirror descent on the price of a budget, and adaptive pacing, which is its Euclidean form.

Balseiro, Lu & Mirrokni, "The Best of Many Worlds: Dual Mirror Descent for Online Allocation Problems" (Operations
Research 2023, arXiv 2011.10124), in agreement with their code; Balseiro & Gur, "Learning in Repeated Auctions with
Budgets" (Management Science 2019), from memory.
"""

import numpy as np

from adsim.agents.base import require_count, require_not_negative, require_positive
from adsim.agents.estimates import UNIT, unit_of
from adsim.agents.return_on_spend import HIGHEST
from adsim.agents.rule import MIRROR_DESCENT, Rule, row
from adsim.errors import AgentError, UnknownName
from adsim.kernels.jit import inline
from adsim.kernels.mirror import ENTROPIC, EUCLIDEAN, descend
from adsim.kernels.settlement import SPEND
from adsim.types import Constraints, Floats, PublicFacts

STEP, START, REFERENCE, CEILING = range(4, 8)
"""Parameters of the rule, with `UNIT`; behind those of `return_on_spend`, which `coupled` takes, too."""
DUAL = 3
"""Memory of the rule: mu."""
SCALED = 2
"""Besides the references of `adsim.kernels.mirror`: Euclidean, with the square of the budget's rate as a weight."""
REFERENCES = {"euclidean": EUCLIDEAN, "entropic": ENTROPIC, "scaled": SCALED}


@inline
def budget_dual(seen, n, parameters, memory, unit):
    """Move mu by what the last auctions left of their share of the budget; 0 without a budget."""
    reference, rate = parameters[REFERENCE], seen.budget[n] / seen.opportunities
    if seen.elapsed == 0:
        memory[DUAL] = _start(seen, n, parameters)
    elif unit > 0 and rate < np.inf:
        step = parameters[STEP] / np.sqrt(seen.opportunities)
        if reference == SCALED:
            reference, step = EUCLIDEAN, step * (unit / rate) ** 2
        slack = (rate * seen.step - seen.last[n, SPEND]) / unit
        ceiling = parameters[CEILING] if parameters[CEILING] > 0 else unit / rate
        memory[DUAL] = min(descend(reference, memory[DUAL], slack, step), ceiling)
    return memory[DUAL] if rate < np.inf else 0.0


@inline
def _start(seen, n, parameters):
    """Given, or what makes the first bid a truthful one."""
    start = parameters[START]
    if np.isnan(start):
        start = 0.0
        if seen.maximizes_value[n]:
            start = seen.target_roi[n] if seen.target_roi[n] > 0 else 1.0
    return start


@inline
def decide(seen, n, parameters, memory):
    """The best bid for the Lagrangian ``v - mu p``, less p for a utility maximizer."""
    unit = unit_of(seen, n, parameters)
    mu = budget_dual(seen, n, parameters, memory, unit)
    own = 0.0 if seen.maximizes_value[n] else 1.0
    return min(1 / (own + mu), HIGHEST)


class DualMirrorDescent(Rule):
    """``kappa = 1 / (1 + mu)``, or ``1 / mu`` for a value maximizer; mu moves by what the budget's rate leaves.

    After every auction, with the slack ``g = (rho - p) / unit``, p the spend, rho the budget over the period's T
    opportunities and eta = step / sqrt(T): ``mu <- [mu - eta g]_+`` (euclidean), ``mu exp(-eta g)`` (entropic) or
    ``[mu - eta g (unit / rho)^2]_+`` (scaled). The paper moves mu by the payment of the bid it would have liked to
    make; here the bid is capped by the budget left, which differs in the last auctions only. Meant for truthful
    auctions; in first-price auctions, bids of ``v / (1 + mu)`` lead to the first-price pacing equilibrium.

    Parameters
    ----------
    reference : str
        euclidean, entropic or scaled.
    step : float
    start : float, optional
        First mu; unless given, what makes the first bid truthful: 0 for a utility maximizer, else the target ROI,
        or 1. An entropic step cannot leave 0: it begins at 1.
    unit : float, optional
        Money that the papers scale to 1; unless given, the mean value won so far, or rho if that is more.
    every : int
        Auctions between decisions.

    Raises
    ------
    UnknownName
        For an unknown reference.
    AgentError
        When a parameter is out of range or, on reset, a campaign has no budget.
    """

    number = MIRROR_DESCENT
    ceiling: float | None = np.inf

    def __init__(
        self,
        reference: str = "euclidean",
        step: float = 1.0,
        start: float | None = None,
        unit: float | None = None,
        every: int = 1,
    ) -> None:
        if reference not in REFERENCES:
            raise UnknownName("reference", str(reference), REFERENCES)
        self.reference, self.step = reference, require_positive("step", step)
        if start is None and reference == "entropic":
            start = 1.0
        require_start = require_positive if reference == "entropic" else require_not_negative
        self.start = None if start is None else require_start("start", start)
        self.unit = None if unit is None else require_positive("unit", unit)
        self.every = require_count("every", every)

    def check(self, constraints: Constraints, market: PublicFacts) -> None:
        """Refuse a campaign without a budget."""
        if not np.all(np.isfinite(constraints.budget)):
            raise AgentError("this agent paces a budget: give the campaign one, or use ros or coupled.")

    def parameters(self, market: PublicFacts) -> Floats:
        """See `Rule.parameters`."""
        return row(
            {
                STEP: self.step,
                START: self.start,
                REFERENCE: REFERENCES[self.reference],
                CEILING: self.ceiling,
                UNIT: self.unit,
            }
        )


class AdaptivePacing(DualMirrorDescent):
    """Balseiro & Gur's adaptive pacing: Euclidean, with mu no higher than ``ceiling``.

    ``kappa = 1 / (1 + mu)``, ``mu <- min(ceiling, [mu - step / sqrt(T) (rho - p) / unit]_+)``; see
    `DualMirrorDescent`.

    Parameters
    ----------
    step : float
    start : float, optional
        First mu.
    ceiling : float, optional
        Highest mu; unless given, unit / rho: the paper asks for at least the largest value over rho.
    unit : float, optional
        Money that the paper scales to 1; unless given, the mean value won so far, or rho if that is more.
    every : int
        Auctions between decisions.

    Raises
    ------
    AgentError
        When a parameter is out of range or, on reset, a campaign has no budget.
    """

    def __init__(
        self,
        step: float = 1.0,
        start: float | None = None,
        ceiling: float | None = None,
        unit: float | None = None,
        every: int = 1,
    ) -> None:
        super().__init__("euclidean", step, start, unit, every)
        self.ceiling = None if ceiling is None else require_positive("ceiling", ceiling)
