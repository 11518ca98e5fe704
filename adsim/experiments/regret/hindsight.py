"""The hindsight optimum of one bidder against posted prices, which its regret is measured against.

Knowing the expected value and cost of winning every opportunity, the bidder chooses the share x of each:

    max sum v x  (value maximizer)  or  sum (v - c) x  (utility maximizer),  0 <= x <= 1,
    subject to  sum c x <= budget  and  sum (v - tau c) x >= 0.

Regret against it: Balseiro, Lu and Mirrokni (2023, arXiv 2011.10124) for budgets; Feng, Padmanabhan and Wang (2023,
arXiv 2208.13713) for returns on spend. The threshold form below is derived here and not taken from them. With duals
mu of the budget and lam of the target, an opportunity is worth buying when (1 + lam) v > (mu + lam tau) c, for a
utility maximizer when (1 + lam) v > (1 + mu + lam tau) c: whatever the duals, a bound on cost / value. The optimum
therefore buys in the order of cost / value, until a constraint binds in the middle of the marginal opportunity or,
for a utility maximizer, cost reaches value. Both constraints rank alike, so one threshold serves both.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from adsim.experiments.optimum.amounts import amounts
from adsim.experiments.optimum.linear_programs import minimise
from adsim.types import Floats

ROUNDING = 1e-12
"""Relative violation of a constraint that is taken for rounding."""


class Optimum(NamedTuple):
    """What the best choice in hindsight brings."""

    objective: float
    """Value, or value - spend for a utility maximizer."""
    value: float
    """Of what is bought."""
    spend: float
    """Money, at most the budget."""
    threshold: float
    """Largest cost / value bought, 0 when nothing is: bids of threshold x value buy no more than this."""


class _Problem(NamedTuple):
    value: Floats
    cost: Floats
    budget: float
    target_roi: float
    maximizes_value: bool

    @property
    def gain(self) -> Floats:
        return self.value if self.maximizes_value else self.value - self.cost

    def outcome(self, value: float, spend: float, threshold: float) -> Optimum:
        spend = min(spend, self.budget)
        return Optimum(value if self.maximizes_value else value - spend, value, spend, threshold)


def optimum(
    value: ArrayLike,
    cost: ArrayLike,
    budget: float = np.inf,
    target_roi: float = 0.0,
    *,
    maximizes_value: bool = True,
) -> Optimum:
    """Best fractional choice, by sorting: O(T log T).

    Opportunities that add nothing to the objective (no value; for a utility maximizer, cost = value) aren't bought.

    Parameters
    ----------
    value : array (T,)
        Expected value of winning each opportunity.
    cost : array (T,)
        Expected charge for winning it, in money.
    budget : float
        Money for all of them; inf for none.
    target_roi : float
        Value to spend, at least; 0 for none.
    maximizes_value : bool
        True for a value maximizer, False for a utility maximizer.

    Raises
    ------
    AdsimError
        When an input is NaN or negative, a value, cost or target infinite, or the arrays differ in length.

    Examples
    --------
    >>> optimum([4.0, 3.0, 2.0], [1.0, 1.0, 2.0], budget=3.0)
    Optimum(objective=8.0, value=8.0, spend=3.0, threshold=1.0)
    """
    problem = _problem(value, cost, budget, target_roi, maximizes_value)
    wanted = problem.gain > 0
    values, costs = problem.value[wanted], problem.cost[wanted]
    with np.errstate(over="ignore"):
        ratio = costs / values
    order = np.argsort(ratio)
    values, costs, ratio = values[order], costs[order], ratio[order]
    worth, spent = np.cumsum(values), np.cumsum(costs)
    slack = worth - problem.target_roi * spent
    held = (spent <= problem.budget * (1 + ROUNDING)) & (slack >= -ROUNDING * worth)
    whole = int(np.append(held, False).argmin())
    bought, paid, spare = (float(sums[whole - 1]) if whole else 0.0 for sums in (worth, spent, slack))
    threshold = float(ratio[whole - 1]) if whole else 0.0
    if whole < ratio.size:
        v, c = float(values[whole]), float(costs[whole])
        deficit = problem.target_roi * c - v
        share = min((problem.budget - paid) / c, spare / deficit if deficit > ROUNDING * v else 1.0, 1.0)
        if share > 0:
            bought, paid, threshold = bought + share * v, paid + share * c, float(ratio[whole])
    return problem.outcome(bought, paid, threshold)


def linear_program(
    value: ArrayLike,
    cost: ArrayLike,
    budget: float = np.inf,
    target_roi: float = 0.0,
    *,
    maximizes_value: bool = True,
) -> Optimum:
    """As `optimum`, by linear programming (HiGHS): slower, and independent of the threshold form.

    Raises
    ------
    AdsimError
        As `optimum`.
    """
    problem = _problem(value, cost, budget, target_roi, maximizes_value)
    limits = [(problem.target_roi * problem.cost - problem.value, 0.0)] if problem.target_roi else []
    if np.isfinite(problem.budget):
        limits.append((problem.cost, problem.budget))
    scales = [float(np.abs(row).max(initial=0)) or 1.0 for row, _ in limits]  # HiGHS has absolute tolerances
    share = np.zeros(problem.value.size)
    if share.size:
        share = minimise(
            -problem.gain / (np.abs(problem.gain).max() or 1.0),
            np.reshape([row / scale for (row, _), scale in zip(limits, scales, strict=True)], (-1, share.size)),
            np.array([limit / scale for (_, limit), scale in zip(limits, scales, strict=True)]),
            (0, 1),
        ).x
    bought = (share > 0) & (problem.value > 0)
    threshold = (problem.cost[bought] / problem.value[bought]).max(initial=0.0)
    return problem.outcome(float(problem.value @ share), float(problem.cost @ share), float(threshold))


def dual_bound(
    value: ArrayLike,
    cost: ArrayLike,
    budget: float,
    target_roi: float,
    mu: float,
    lam: float,
    *,
    maximizes_value: bool = True,
) -> float:
    """Lagrangian bound on the objective of this sample path; no duals give less than `optimum`, the best give it.

    ``mu budget + sum [gain - mu c + lam (v - tau c)]_+``, where gain is v or v - c: the benchmark of Balseiro, Lu and
    Mirrokni (2023, arXiv 2011.10124) where there is no target; with the target derived here.

    Parameters
    ----------
    value, cost, budget, target_roi, maximizes_value
        As in `optimum`.
    mu : float
        Dual of the budget, in objective per money.
    lam : float
        Dual of the target ROI, in objective per value.

    Raises
    ------
    AdsimError
        As `optimum`, or when a dual is NaN, negative or infinite.
    """
    problem = _problem(value, cost, budget, target_roi, maximizes_value)
    mu, lam = float(amounts("mu", mu, ())), float(amounts("lam", lam, ()))
    surplus = problem.gain - mu * problem.cost + lam * (problem.value - problem.target_roi * problem.cost)
    return (mu * problem.budget if mu else 0.0) + float(surplus[surplus > 0].sum())


def _problem(value: ArrayLike, cost: ArrayLike, budget: float, target_roi: float, maximizes_value: bool) -> _Problem:
    values = amounts("value", value, (None,))
    return _Problem(
        values,
        amounts("cost", cost, values.shape),
        float(amounts("budget", budget, (), unlimited=True)),
        float(amounts("target_roi", target_roi, ())),
        maximizes_value,
    )
