"""The most liquid welfare that a whole market could have made, knowing everything.

Dobzinski and Paes Leme (2014, arXiv 1304.7048): liquid welfare is what campaigns could be charged at most,
sum_i min(budget_i, V_i / tau_i) with V_i the value that i gets. Shares of opportunities are fractional, a campaign
takes at most one slot of an opportunity, and value may be left unused, so that V_i / tau_i <= budget_i may be
imposed: a packing program (`adsim.experiments.optimum.packing`) whose weights and uses are both liquid values.

Prices of capacity are then in [0, 1], and opportunities go to the highest multiplier x liquid value, the multiplier
being 1 - price. Bids of that size are the policy that makes the optimum, up to ties.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from adsim.errors import AdsimError
from adsim.experiments.optimum.amounts import amounts
from adsim.experiments.optimum.packing import Packed, Packing, pack, pack_bound, packing_dual
from adsim.types import Floats

EXACT_SIZE = 100_000
"""T x N x K up to which `liquid_optimum` solves the linear program: about a second."""


class LiquidOptimum(NamedTuple):
    """Liquid welfare, in money."""

    welfare: float
    """Of a feasible fractional allocation."""
    bound: float
    """That no allocation exceeds: the dual at the multipliers."""
    multiplier: Floats
    """Of each campaign's liquid value, (N,), in [0, 1]: 1 without a binding budget."""
    exact: bool
    """Whether welfare is the optimum (and equals the bound up to rounding), by linear programming."""


def liquid_optimum(
    value: ArrayLike, budget: ArrayLike, target_roi: ArrayLike, exposure: ArrayLike = (1.0,)
) -> LiquidOptimum:
    """The optimum of a small market (`EXACT_SIZE`), its bound and a welfare near it of a large one.

    Parameters
    ----------
    value : array (T, N)
        Expected value of an exposure of each opportunity to each campaign.
    budget : array (N,)
        Money; inf for none.
    target_roi : array (N,)
        Value to spend, at least; 0 for none, which counts as 1: without a target a campaign pays its value at most.
    exposure : array (K,)
        Probability that each slot is seen, non-increasing.

    Raises
    ------
    AdsimError
        When an input is NaN or negative, one but a budget infinite, shapes differ or exposures increase.

    Examples
    --------
    >>> liquid_optimum([[2.0, 1.0], [2.0, 1.0]], [2.0, 5.0], [1.0, 0.0]).welfare
    3.0
    """
    size = np.size(value) * np.size(exposure)
    solve = liquid_optimum_lp if size <= EXACT_SIZE else liquid_optimum_bound
    return solve(value, budget, target_roi, exposure)


def liquid_optimum_lp(
    value: ArrayLike, budget: ArrayLike, target_roi: ArrayLike, exposure: ArrayLike = (1.0,)
) -> LiquidOptimum:
    """As `liquid_optimum`, by a sparse linear program (HiGHS) of N + T K rows.

    Raises
    ------
    AdsimError
        As `liquid_optimum`.
    """
    packed, _ = pack(_packing(value, budget, target_roi, exposure))
    return _optimum(packed, exact=True)


def liquid_optimum_bound(
    value: ArrayLike, budget: ArrayLike, target_roi: ArrayLike, exposure: ArrayLike = (1.0,)
) -> LiquidOptimum:
    """As `liquid_optimum`, by cutting planes: see `adsim.experiments.optimum.packing.pack_bound`.

    Raises
    ------
    AdsimError
        As `liquid_optimum`.
    """
    return _optimum(pack_bound(_packing(value, budget, target_roi, exposure)), exact=False)


def liquid_dual(
    value: ArrayLike, budget: ArrayLike, target_roi: ArrayLike, exposure: ArrayLike, multiplier: ArrayLike
) -> float:
    """Upper bound on liquid welfare that any multipliers in [0, 1] give.

    ``sum_i (1 - multiplier_i) budget_i``, and for each opportunity the exposures times the largest products of
    multiplier and liquid value; budgets count up to all of a campaign's liquid value.

    Parameters
    ----------
    value, budget, target_roi, exposure
        As in `liquid_optimum`.
    multiplier : array (N,)
        In [0, 1].

    Raises
    ------
    AdsimError
        As `liquid_optimum`, or when a multiplier is not in [0, 1].
    """
    packing = _packing(value, budget, target_roi, exposure)
    multipliers = amounts("multiplier", multiplier, packing.capacity.shape)
    if (multipliers > 1).any():
        raise AdsimError(f"multiplier: the largest is {multipliers.max()}, must be at most 1.")
    return packing_dual(packing, 1 - multipliers)


def _packing(value: ArrayLike, budget: ArrayLike, target_roi: ArrayLike, exposure: ArrayLike) -> Packing:
    values = amounts("value", value, (None, None))
    campaigns = values.shape[1]
    targets = amounts("target_roi", target_roi, (campaigns,))
    budgets = amounts("budget", budget, (campaigns,), unlimited=True)
    exposures = amounts("exposure", exposure, (None,))
    if (np.diff(exposures) > 0).any():
        raise AdsimError("exposure: increases from one slot to the next, must not.")
    liquid = values / np.where(targets > 0, targets, 1.0)
    return Packing(liquid, liquid, budgets, exposures)


def _optimum(packed: Packed, *, exact: bool) -> LiquidOptimum:
    return LiquidOptimum(packed.value, packed.bound, np.clip(1 - packed.price, 0, 1), exact)
