"""Packing programs over a whole market: which campaign each slot goes to, when campaigns are limited.

Campaign i's exposure x_ij to opportunity j is worth w_ij and uses a_ij of its capacity b_i:

    max sum_ij w_ij x_ij   subject to   sum_j a_ij x_ij <= b_i,   x_j in what the slots allow.

Slots, derived here: exposures e_1 >= e_2 >= ... are layers, e_l - e_(l+1) deep, each holding at most l campaigns and
each campaign at most once. All assignments of campaigns to slots, and nothing else, give exposures that layers give
(both are the polymatroid of rank e_1 + ... + e_min(n, K) for n campaigns), and layers need only one row each.

The Lagrangian dual has one price lambda_i >= 0 for each campaign's capacity: slots go to the highest w_ij - lambda_i
a_ij, to nobody where that is negative. Shares are fractional; at the right prices all but a few are whole.
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from adsim.experiments.optimum.linear_programs import minimise
from adsim.types import Floats

GAP = 1e-6
"""Relative distance of bound and value at which the bound is good enough."""
ROUNDS = 300
"""Cutting planes at most; 20 to 60 are usual."""
BLOCKS = 16
"""Parts of the market, each with cutting planes of its own: fewer rounds."""


class Packing(NamedTuple):
    """A program, all numbers finite and at least 0 but capacities, which may be inf."""

    weight: Floats
    """w, (T, N)."""
    use: Floats
    """a, (T, N)."""
    capacity: Floats
    """b, (N,)."""
    exposure: Floats
    """Probability that each slot is seen, non-increasing; (K,)."""


class Packed(NamedTuple):
    """What a program is worth."""

    value: float
    """Of a feasible fractional allocation."""
    bound: float
    """That no allocation exceeds: the dual at the prices."""
    price: Floats
    """lambda, of a unit of each campaign's capacity; (N,)."""


class _Scaled(NamedTuple):
    """The same program with weights and uses of at most 1, since HiGHS has absolute tolerances."""

    packing: Packing
    unit: float
    """Weight that is 1 here."""
    price_unit: Floats
    """Price that is 1 here, (N,)."""
    highest: Floats
    """Price at which a campaign wins nothing that uses its capacity, (N,)."""


def pack(packing: Packing) -> tuple[Packed, Floats]:
    """The optimum by a sparse linear program (HiGHS) of N + T K rows, and the exposures that make it.

    Returns
    -------
    Packed
        Value and bound are equal up to rounding.
    array (T, N)
        Probability that each opportunity sees each campaign.

    Raises
    ------
    AdsimError
        When HiGHS finds no solution.
    """
    program, unit, price_unit, highest = _scaled(packing)
    seen, price, value = np.zeros_like(program.weight), np.zeros(program.capacity.size), 0.0
    opportunity, campaign = np.nonzero(program.weight)
    if opportunity.size and program.exposure.any():
        pairs = np.arange(opportunity.size)
        depth = -np.diff(program.exposure, append=0.0)
        layers = np.flatnonzero(depth)
        worth, use = program.weight[opportunity, campaign], program.use[opportunity, campaign]
        takes = sparse.csr_array((np.ones(pairs.size), (opportunity, pairs)), (len(seen), pairs.size))
        uses = sparse.csr_array((use, (campaign, pairs)), (price.size, pairs.size))
        solution = minimise(
            -np.concatenate([depth[layer] * worth for layer in layers]),
            sparse.vstack(
                [sparse.hstack([depth[layer] * uses for layer in layers]), sparse.block_diag([takes] * layers.size)],
                format="csr",
            ),
            np.concatenate([program.capacity, np.repeat(layers + 1.0, len(seen))]),
            (0, 1),
        )
        price = np.clip(solution.duals[: price.size], 0, highest)
        value = -solution.minimum
        seen[opportunity, campaign] = depth[layers] @ solution.x.reshape(layers.size, pairs.size)
    bound = _dual(program, _greedy(program, price), price)
    return Packed(value * unit, bound * unit, price * price_unit), seen


def pack_bound(packing: Packing) -> Packed:
    """By cutting planes of the dual: value and bound within `GAP` in seconds where the program is too large.

    Each round allots the market by the present prices, which gives a bound, and a tangent of the dual in each of
    `BLOCKS` parts of the market. A small linear program minimises over the tangents; the next prices are half way
    from the best so far to its solution. By duality (Dantzig and Wolfe, 1960) its value is that of a mixture of the
    allocations seen, each campaign giving up what exceeds its capacity: what is returned as the value.

    Raises
    ------
    AdsimError
        When HiGHS finds no solution.
    """
    program, unit, price_unit, highest = _scaled(packing)
    campaigns = program.capacity.size
    best = price = np.zeros(campaigns)
    bound, value = np.inf, 0.0
    heights: list[Floats] = []
    slopes: list[Floats] = []
    for _ in range(ROUNDS):
        worth, use = _greedy(program, price)
        reached = _dual(program, (worth, use), price)
        if reached < bound:
            bound, best = reached, price
        heights.append(worth)
        slopes.append(use)
        solution = minimise(
            np.concatenate([program.capacity, np.ones(BLOCKS)]),
            sparse.hstack(
                [
                    sparse.csr_array(-np.concatenate(slopes)),
                    sparse.vstack([-sparse.eye_array(BLOCKS)] * len(slopes)),
                ],
                format="csr",
            ),
            -np.concatenate(heights),
            [(0.0, float(most)) for most in highest] + [(0, np.inf)] * BLOCKS,
        )
        value = solution.minimum
        if bound - value <= GAP * bound:
            break
        price = (best + solution.x[:campaigns]) / 2
    return Packed(value * unit, bound * unit, best * price_unit)


def packing_dual(packing: Packing, price: Floats) -> float:
    """The bound that any prices of at least 0 give, (N,)."""
    program, unit, price_unit, highest = _scaled(packing)
    scaled = np.minimum(np.divide(price, price_unit, out=np.zeros_like(price), where=price_unit > 0), highest)
    return _dual(program, _greedy(program, scaled), scaled) * unit


def _scaled(packing: Packing) -> _Scaled:
    empty = (packing.capacity == 0) & (packing.use > 0)
    weight = np.where(empty, 0.0, packing.weight)
    unit = float(weight.max(initial=0.0)) or 1.0
    most = packing.use.max(axis=0, initial=0.0)
    use_unit = np.where(most > 0, most, 1.0)
    weight, use = weight / unit, packing.use / use_unit
    everything = packing.exposure.max(initial=0.0) * use.sum(axis=0)
    rate = np.divide(weight, use, out=np.zeros_like(weight), where=use > 0)
    return _Scaled(
        Packing(
            weight,
            use,
            np.minimum(packing.capacity / use_unit, everything),
            packing.exposure[: packing.capacity.size],
        ),
        unit,
        unit / use_unit,
        rate.max(axis=0, initial=0.0),
    )


def _greedy(program: Packing, price: Floats) -> tuple[Floats, Floats]:
    """What the highest weight - price x use makes and uses: by block, (BLOCKS,), and campaign, (BLOCKS, N)."""
    opportunities, campaigns = program.weight.shape
    rows = np.arange(opportunities)
    worth, use = np.zeros(BLOCKS), np.zeros(BLOCKS * campaigns)
    score = program.weight - price * program.use
    for exposure in program.exposure:
        winner = score.argmax(axis=1)
        seen = np.where(score[rows, winner] > 0, exposure, 0.0)
        block = rows % BLOCKS
        worth += np.bincount(block, seen * program.weight[rows, winner], minlength=worth.size)
        use += np.bincount(block * campaigns + winner, seen * program.use[rows, winner], minlength=use.size)
        score[rows, winner] = -np.inf
    return worth, use.reshape(BLOCKS, campaigns)


def _dual(program: Packing, made: tuple[Floats, Floats], price: Floats) -> float:
    worth, use = made
    return float(price @ program.capacity + worth.sum() - price @ use.sum(axis=0))
