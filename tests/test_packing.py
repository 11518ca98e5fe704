"""Packing programs: against all assignments of tiny markets, and two methods against each other."""

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from adsim.experiments.optimum.packing import GAP, Packing, pack, pack_bound, packing_dual


@st.composite
def programs(draw: st.DrawFn, opportunities: int = 3, campaigns: int = 3) -> Packing:
    """Weights that uses do not go with, capacities that bind or not, up to three slots."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    size = draw(st.integers(1, opportunities)), draw(st.integers(1, campaigns))
    integer = draw(st.booleans())
    weight, use = (rng.integers(0, 5, size) / 2 if integer else rng.lognormal(size=size) for _ in range(2))
    capacity = rng.choice([0.0, 0.1, 0.4, 1.0, np.inf], size[1]) * np.maximum(use.sum(axis=0), 0.5)
    exposure = np.array(draw(st.sampled_from([(1.0,), (0.7,), (1.0, 0.6), (1.0, 1.0, 0.3), (0.9, 0.5, 0.0)])))
    return Packing(weight, use, capacity, exposure)


def brute_force(program: Packing) -> float:
    """The best mixture of all assignments of campaigns to slots, empty slots included, listed one by one."""
    opportunities, campaigns = program.weight.shape
    seen = np.concatenate([program.exposure, np.zeros(campaigns)])
    order = [seen[list(slots)] for slots in permutations(range(seen.size), campaigns)]
    worth = [float(row @ o) for row in program.weight for o in order]
    uses = np.array([row * o for row in program.use for o in order]).T
    limited = np.isfinite(program.capacity)
    solution = optimize.linprog(
        -np.array(worth),
        uses[limited] if limited.any() else None,
        program.capacity[limited] if limited.any() else None,
        np.kron(np.eye(opportunities), np.ones(len(order))),
        np.ones(opportunities),
    )
    return -float(solution.fun)


@settings(deadline=None, max_examples=60)
@given(programs())
def test_the_program_is_the_best_mixture_of_all_assignments(program: Packing) -> None:
    packed, seen = pack(program)
    assert packed.value == pytest.approx(brute_force(program), rel=1e-6, abs=1e-9)
    assert packed.bound == pytest.approx(packed.value, rel=1e-6, abs=1e-9)
    assert (seen * program.weight).sum() == pytest.approx(packed.value, rel=1e-6, abs=1e-9)
    assert ((seen * program.use).sum(axis=0) <= program.capacity + 1e-6).all()


@settings(deadline=None, max_examples=12)
@given(programs(opportunities=30, campaigns=6))
def test_cutting_planes_close_in_on_the_program_from_both_sides(program: Packing) -> None:
    exact, planes = pack(program)[0].value, pack_bound(program)
    assert planes.bound >= exact * (1 - 1e-6)
    assert planes.value <= exact * (1 + 1e-6)
    assert planes.bound - planes.value <= GAP * planes.bound


@settings(deadline=None, max_examples=60)
@given(programs(), st.data())
def test_any_prices_bound_the_optimum(program: Packing, data: Any) -> None:
    size = program.capacity.size
    price = np.array(data.draw(st.lists(st.floats(0, 100), min_size=size, max_size=size)))
    assert packing_dual(program, price) >= pack(program)[0].value * (1 - 1e-6)
