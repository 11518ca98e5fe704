"""The most liquid welfare that a whole market could have made, knowing everything.

Dobzinski and Paes Leme (2014, arXiv 1304.7048): liquid welfare is what campaigns could be charged at most,
sum_i min(budget_i, V_i / tau_i) with V_i the value that i gets. Shares of opportunities are fractional, a campaign
takes at most one slot of an opportunity, and value may be left unused, so that V_i / tau_i <= budget_i may be
imposed: a packing program, linear in the shares.

Slots, derived here: exposures e_1 >= e_2 >= ... are layers, e_l - e_(l+1) deep, each holding at most l campaigns and
each campaign at most once. All assignments of campaigns to slots, and nothing else, give exposures that layers give
(both are the polymatroid of rank e_1 + ... + e_min(n, K) for n campaigns), and layers need only one row each.

The Lagrangian dual has one multiplier in [0, 1] per campaign: opportunities go to the highest multiplier x liquid
value. Bids of that size are the policy that makes the optimum, up to ties.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from adsim.errors import AdsimError
from adsim.experiments.amounts import amounts
from adsim.experiments.linear_programs import minimise
from adsim.types import Floats

EXACT_SIZE = 100_000
"""T x N x K up to which `liquid_optimum` solves the linear program: about a second."""
GAP = 1e-6
"""Relative distance of bound and welfare at which the bound is good enough."""
ROUNDS = 300
"""Cutting planes at most; 20 to 60 are usual."""
BLOCKS = 16
"""Parts of the market, each with cutting planes of its own: fewer rounds."""


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


class _Market(NamedTuple):
    liquid: Floats
    """Value / target, (T, N), the largest 1."""
    budget: Floats
    """(N,), at most all of the campaign's liquid value."""
    exposure: Floats
    """(K,), K <= N."""
    unit: float
    """Money that is 1 here: HiGHS has absolute tolerances."""


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
    market = _market(value, budget, target_roi, exposure)
    multiplier, welfare = np.ones(market.budget.size), 0.0
    opportunity, campaign = np.nonzero(market.liquid)
    if opportunity.size and market.exposure.any():
        pairs = np.arange(opportunity.size)
        worth = market.liquid[opportunity, campaign]
        depth = -np.diff(market.exposure, append=0.0)
        layers = np.flatnonzero(depth)
        uses = sparse.csr_array((np.ones(pairs.size), (opportunity, pairs)), (len(market.liquid), pairs.size))
        earns = sparse.csr_array((worth, (campaign, pairs)), (market.budget.size, pairs.size))
        solution = minimise(
            -np.concatenate([depth[layer] * worth for layer in layers]),
            sparse.vstack(
                [sparse.hstack([depth[layer] * earns for layer in layers]), sparse.block_diag([uses] * layers.size)],
                format="csr",
            ),
            np.concatenate([market.budget, np.repeat(layers + 1.0, len(market.liquid))]),
            (0, 1),
        )
        multiplier = np.clip(1 - solution.duals[: market.budget.size], 0, 1)
        welfare = -solution.minimum
    bound = _dual(market, _greedy(market, multiplier), multiplier)
    return LiquidOptimum(welfare * market.unit, bound * market.unit, multiplier, exact=True)


def liquid_optimum_bound(
    value: ArrayLike, budget: ArrayLike, target_roi: ArrayLike, exposure: ArrayLike = (1.0,)
) -> LiquidOptimum:
    """As `liquid_optimum`, by cutting planes of the dual: within `GAP` in seconds where the program is too large.

    Each round allots the market by the present multipliers, which gives a bound, and a tangent of the dual in each of
    `BLOCKS` parts of the market. A small linear program minimises over the tangents; the next multipliers are half
    way from the best so far to its solution. By duality (Dantzig and Wolfe, 1960) its value is the liquid welfare of
    a mixture of the allocations seen: what is returned as the welfare.

    Raises
    ------
    AdsimError
        As `liquid_optimum`.
    """
    market = _market(value, budget, target_roi, exposure)
    campaigns = market.budget.size
    best = multiplier = np.ones(campaigns)
    bound, welfare = np.inf, 0.0
    tangents: list[Floats] = []
    for _ in range(ROUNDS):
        totals = _greedy(market, multiplier)
        reached = _dual(market, totals, multiplier)
        if reached < bound:
            bound, best = reached, multiplier
        tangents.append(totals)
        slopes = sparse.csr_array(np.concatenate(tangents))
        heights = sparse.vstack([sparse.eye_array(BLOCKS)] * len(tangents))
        solution = minimise(
            np.concatenate([-market.budget, np.ones(BLOCKS)]),
            sparse.hstack([slopes, -heights], format="csr"),
            np.zeros(slopes.shape[0]),
            [(0, 1)] * campaigns + [(0, np.inf)] * BLOCKS,
        )
        welfare = float(market.budget.sum() + solution.minimum)
        if bound - welfare <= GAP * bound:
            break
        multiplier = (best + solution.x[:campaigns]) / 2
    return LiquidOptimum(welfare * market.unit, bound * market.unit, best, exact=False)


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
    market = _market(value, budget, target_roi, exposure)
    multipliers = amounts("multiplier", multiplier, market.budget.shape)
    if (multipliers > 1).any():
        raise AdsimError(f"multiplier: the largest is {multipliers.max()}, must be at most 1.")
    return _dual(market, _greedy(market, multipliers), multipliers) * market.unit


def _market(value: ArrayLike, budget: ArrayLike, target_roi: ArrayLike, exposure: ArrayLike) -> _Market:
    values = amounts("value", value, (None, None))
    campaigns = values.shape[1]
    targets = amounts("target_roi", target_roi, (campaigns,))
    budgets = amounts("budget", budget, (campaigns,), unlimited=True)
    exposures = amounts("exposure", exposure, (None,))
    if (np.diff(exposures) > 0).any():
        raise AdsimError("exposure: increases from one slot to the next, must not.")
    liquid = np.where(budgets > 0, values, 0.0) / np.where(targets > 0, targets, 1.0)
    unit = float(liquid.max(initial=0.0)) or 1.0
    liquid /= unit
    everything = exposures.max(initial=0.0) * liquid.sum(axis=0)
    return _Market(liquid, np.minimum(budgets / unit, everything), exposures[:campaigns], unit)


def _greedy(market: _Market, multiplier: Floats) -> Floats:
    """Liquid value by block and campaign when slots go to the largest multiplier x liquid value; (BLOCKS, N)."""
    opportunities, campaigns = market.liquid.shape
    rows = np.arange(opportunities)
    cell = rows % BLOCKS * campaigns
    totals = np.zeros(BLOCKS * campaigns)
    score = multiplier * market.liquid
    for seen in market.exposure:
        winner = score.argmax(axis=1)
        totals += np.bincount(cell + winner, seen * market.liquid[rows, winner], minlength=totals.size)
        score[rows, winner] = -1.0
    return totals.reshape(BLOCKS, campaigns)


def _dual(market: _Market, totals: Floats, multiplier: Floats) -> float:
    return float((1 - multiplier) @ market.budget + multiplier @ totals.sum(axis=0))
