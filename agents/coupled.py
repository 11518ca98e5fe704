"""Pacing rules joined: the duals of a target ROI, of a budget and of a stock, in one bid.

The three couplings of Balseiro, Bhawalkar, Feng, Lu, Mirrokni, Sivan & Wang, "A Field Guide for Pacing Budget and ROS
Constraints" (ICML 2024, arXiv 2302.08530); coupled optimally, algorithm 3 (with a buffer: 4) of Feng, Padmanabhan &
Wang 2023 (arXiv 2208.13713). Only abstracts could be read: formulas and steps are from memory, and the sequential
coupling is our reading of it. The dual of a stock is ours: the papers know target and budget.
"""

import numpy as np

from adsim.agents import mirror_descent, return_on_spend
from adsim.agents.base import require_count, require_not_negative, require_positive
from adsim.agents.estimates import UNIT, clip, unit_of
from adsim.agents.mirror_descent import REFERENCES, budget_dual
from adsim.agents.return_on_spend import HIGHEST, inverse_target_dual
from adsim.agents.rule import COUPLED, Rule, row
from adsim.agents.stock_dual import stock_excess
from adsim.errors import AgentError, UnknownName
from adsim.kernels.jit import inline
from adsim.kernels.mirror import EUCLIDEAN, descend
from adsim.types import Constraints, Floats, PublicFacts

COUPLING, STOCK_STEP, STOCK_START = range(8, 11)
"""Parameters of the rule, besides those of the two that it joins."""
STOCK_DUAL = 4
"""Memory of the rule, behind that of the two: nu."""
OPTIMAL, LEAST, SEQUENTIAL = range(3)
COUPLINGS = {"optimal": OPTIMAL, "min": LEAST, "sequential": SEQUENTIAL}


@inline
def _move_stock_dual(seen, n, parameters, memory):
    """Move nu by what the last auctions sold beyond their share of the stock; 0 without a stock."""
    if seen.stock[n] < np.inf:
        if seen.elapsed == 0:
            memory[STOCK_DUAL] = parameters[STOCK_START]
        else:
            move = clip(parameters[STOCK_STEP] * stock_excess(seen, n, seen.stock[n]), -1.0, 1.0)
            memory[STOCK_DUAL] = descend(EUCLIDEAN, memory[STOCK_DUAL], -move, 1.0)
    return memory[STOCK_DUAL]


@inline
def decide(seen, n, parameters, memory):
    """Let all rules move their duals, then couple them."""
    target, coupling = seen.target_roi[n], parameters[COUPLING]
    unit = unit_of(seen, n, parameters)
    inverse = inverse_target_dual(seen, n, parameters, memory, unit)
    mu = budget_dual(seen, n, parameters, memory, unit)
    nu = _move_stock_dual(seen, n, parameters, memory)
    own = 0.0 if seen.maximizes_value[n] else 1.0
    of_target = (1 + inverse) / (own * inverse + target)
    if coupling == OPTIMAL:
        multiplier = (1 + (1 - nu) * inverse) / ((own + mu) * inverse + target)
    elif coupling == LEAST or target == 0:  # without a target, there is nothing to shade
        of_stock = HIGHEST
        if nu > 0:
            of_stock = 1 / (own + (target if target > 0 else 1.0) * nu)
        multiplier = min(of_target, 1 / (own + mu), of_stock)
    else:
        multiplier = of_target / (1 + mu) / (1 + nu)
    return clip(multiplier, -HIGHEST if seen.negative_bids else 0.0, HIGHEST)


class Coupled(Rule):
    """Holds target ROI, budget and stock, each by its dual: lambda of ``ros``, mu of ``mirror_descent``, and nu.

    ``kappa = (1 + lambda) / (lambda tau + mu)`` coupled optimally; by min pacing, two rules that know nothing of each
    other, ``min{(1 + lambda) / (lambda tau), 1 / mu}``; sequentially, the bid for the target being shaded for the
    budget, ``(1 + lambda) / (lambda tau) / (1 + mu)``. For a utility maximizer, 1 is added to ``lambda tau``, to mu
    and to their sum. A campaign without a target, or without a budget, is paced by the other rule alone.

    A stock adds a dual nu, our derivation: in the Lagrangian ``(1 - nu) v + lambda (v - tau p) - mu p`` it is the
    share of a sale's value that the unit of stock is worth, so that ``kappa = (1 - nu + lambda) / (lambda tau + mu)``
    coupled optimally, which may be negative (0 where the mechanism takes no such bids). By min pacing the least is
    taken with ``1 / (tau nu)``, for a utility maximizer ``1 / (1 + tau nu)``, tau being 1 without a target;
    sequentially the bid is divided by ``1 + nu``. nu moves as the ``subgradient`` of `StockDual`. Coupled optimally,
    a value maximizer whose stock alone binds has no best bid, since any that sells the stock will do (lambda = 0,
    nu = 1): min pacing finds one.

    Parameters
    ----------
    coupling : str
        optimal, min or sequential.
    target_step, budget_step : float
        Steps of lambda and mu, over sqrt(T).
    stock_step : float
        Step of nu, see `StockDual`.
    target_start : float
        First lambda.
    budget_start : float, optional
        First mu; unless given, what makes the budget's part of the first bid truthful, or 1 for the entropic
        reference. Algorithm 3 begins at 0.
    stock_start : float
        First nu.
    reference : str
        Of mu: euclidean, entropic or scaled.
    buffer : float
        See `ReturnOnSpend`.
    unit : float, optional
        Money that the papers scale to 1; unless given, the mean value won so far, or the budget's rate if more.
    every : int
        Auctions between decisions.

    Raises
    ------
    UnknownName
        For an unknown coupling or reference.
    AgentError
        When a parameter is out of range or, on reset, nothing holds back a value maximizer.
    """

    number = COUPLED

    def __init__(
        self,
        coupling: str = "optimal",
        target_step: float = 1.0,
        budget_step: float = 1.0,
        target_start: float = 1.0,
        budget_start: float | None = None,
        reference: str = "euclidean",
        buffer: float = 0.0,
        unit: float | None = None,
        every: int = 1,
        stock_step: float = 1.0,
        stock_start: float = 0.0,
    ) -> None:
        for what, name, known in (("coupling", coupling, COUPLINGS), ("reference", reference, REFERENCES)):
            if name not in known:
                raise UnknownName(what, str(name), known)
        self.coupling, self.reference = coupling, reference
        self.target_step = require_positive("target_step", target_step)
        self.budget_step = require_positive("budget_step", budget_step)
        self.target_start = require_positive("target_start", target_start)
        if budget_start is None and reference == "entropic":
            budget_start = 1.0
        elif budget_start is None and coupling == "sequential":
            budget_start = 0.0
        require_start = require_positive if reference == "entropic" else require_not_negative
        self.budget_start = None if budget_start is None else require_start("budget_start", budget_start)
        self.buffer = require_not_negative("buffer", buffer)
        self.unit = None if unit is None else require_positive("unit", unit)
        self.every = require_count("every", every)
        self.stock_step = require_positive("stock_step", stock_step)
        self.stock_start = require_not_negative("stock_start", stock_start)

    def check(self, constraints: Constraints, market: PublicFacts) -> None:
        """Refuse a value maximizer that nothing holds back."""
        free = np.isinf(constraints.budget) & (constraints.target_roi == 0)
        if np.any(free & constraints.maximizes_value):
            raise AgentError("a value maximizer without budget and target ROI has no best bid: give it one of them.")

    def parameters(self, market: PublicFacts) -> Floats:
        """See `Rule.parameters`."""
        return row(
            {
                return_on_spend.STEP: self.target_step,
                return_on_spend.START: self.target_start,
                return_on_spend.BUFFER: self.buffer,
                UNIT: self.unit,
                mirror_descent.STEP: self.budget_step,
                mirror_descent.START: self.budget_start,
                mirror_descent.REFERENCE: REFERENCES[self.reference],
                mirror_descent.CEILING: np.inf,
                COUPLING: COUPLINGS[self.coupling],
                STOCK_STEP: self.stock_step,
                STOCK_START: self.stock_start,
            }
        )
