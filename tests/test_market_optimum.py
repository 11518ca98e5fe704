"""Liquid welfare of a whole market: against all assignments of tiny markets, and bounds against the program."""

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from adsim.errors import AdsimError
from adsim.experiments.optimum import market_optimum
from adsim.experiments.optimum.market_optimum import (
    liquid_dual,
    liquid_optimum,
    liquid_optimum_bound,
    liquid_optimum_lp,
)
from adsim.experiments.optimum.packing import GAP

INF, NAN = float("inf"), float("nan")


@st.composite
def markets(draw: st.DrawFn, opportunities: int = 4, campaigns: int = 4) -> tuple[Any, ...]:
    """Values with ties and zeros, budgets that bind or not, targets or none, up to three slots."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    size = draw(st.integers(1, opportunities)), draw(st.integers(1, campaigns))
    value = rng.integers(0, 5, size) / 2 if draw(st.booleans()) else rng.lognormal(size=size)
    budget = rng.choice([0.0, 0.2, 0.5, 1.0, INF], size[1]) * np.maximum(value.sum(axis=0), 1.0)
    target = rng.choice([0.0, 0.5, 1.0, 3.0], size[1])
    exposure = draw(st.sampled_from([(1.0,), (0.7,), (1.0, 0.6), (1.0, 1.0, 0.3), (0.9, 0.5, 0.0)]))
    return value, budget, target, exposure


def brute_force(value: Any, budget: Any, target: Any, exposure: Any) -> float:
    """The best mixture of all assignments of distinct campaigns to slots, listed one by one."""
    opportunities, campaigns = value.shape
    liquid = value / np.where(target > 0, target, 1.0)
    seen = list(exposure) + [0.0] * max(campaigns - len(exposure), 0)
    order = list(permutations(range(len(seen)), campaigns))
    gains = [[seen[slot] * worth for slot, worth in zip(o, row, strict=True)] for row in liquid for o in order]
    counted = np.hstack([-np.array(gains).T, np.eye(campaigns)])  # liquid welfare, at most the value earned
    mixed = np.hstack([np.kron(np.eye(opportunities), np.ones(len(order))), np.zeros((opportunities, campaigns))])
    solution = optimize.linprog(
        -np.repeat([0.0, 1.0], [len(gains), campaigns]),
        counted,
        np.zeros(campaigns),
        mixed,
        np.ones(opportunities),
        [(0, 1)] * len(gains) + [(0, limit) for limit in budget],
    )
    return -float(solution.fun)


def large(opportunities: int, campaigns: int, seed: int = 0, tied: bool = False) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    value = rng.lognormal(0, 0.8, (opportunities, campaigns)) * rng.lognormal(0, 0.5, campaigns)
    if tied:
        value = np.ceil(2 * value) / 2 * (rng.random(value.shape) < 0.5)
    budget = value.max(axis=1).sum() / campaigns * rng.uniform(0.2, 2, campaigns)
    budget[0] = INF
    return value, budget, rng.uniform(0.5, 2, campaigns)


@settings(deadline=None, max_examples=80)
@given(markets())
def test_the_program_is_the_best_mixture_of_all_assignments(market: Any) -> None:
    found = liquid_optimum_lp(*market)
    assert found.welfare == pytest.approx(brute_force(*market), rel=1e-6, abs=1e-9)
    assert found.bound == pytest.approx(found.welfare, rel=1e-6, abs=1e-9)
    assert found.exact


@settings(deadline=None, max_examples=60)
@given(markets(opportunities=30, campaigns=6))
def test_cutting_planes_close_in_on_the_program_from_both_sides(market: Any) -> None:
    program, planes = liquid_optimum_lp(*market).welfare, liquid_optimum_bound(*market)
    assert planes.bound >= program * (1 - 1e-7)
    assert planes.welfare <= program * (1 + 1e-7)
    assert planes.bound - planes.welfare <= GAP * planes.bound
    assert not planes.exact


@settings(deadline=None, max_examples=80)
@given(markets(), st.data())
def test_any_multipliers_bound_the_optimum(market: Any, data: Any) -> None:
    size = market[0].shape[1]
    multiplier = data.draw(st.lists(st.floats(0, 1), min_size=size, max_size=size))
    assert liquid_dual(*market, multiplier) >= liquid_optimum(*market).welfare * (1 - 1e-7)


@pytest.mark.parametrize("exposure", [(1.0,), (1.0, 0.8, 0.6)])
@pytest.mark.parametrize("tied", [False, True])
def test_the_bound_of_a_middling_market_is_within_a_thousandth(tied: bool, exposure: Any) -> None:
    value, budget, target = large(1500, 8, tied=tied)
    budget *= sum(exposure)
    program = liquid_optimum_lp(value, budget, target, exposure)
    planes = liquid_optimum_bound(value, budget, target, exposure)
    assert program.welfare <= planes.bound * (1 + 1e-9) <= program.welfare * 1.001
    assert liquid_dual(value, budget, target, exposure, planes.multiplier) == pytest.approx(planes.bound)
    unlimited = liquid_optimum(value, np.full(8, INF), target, exposure).welfare
    assert program.welfare < 0.99 * unlimited  # budgets bind


def test_size_decides_between_program_and_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    market = large(60, 5)
    assert liquid_optimum(*market, (1.0, 0.5)).exact
    monkeypatch.setattr(market_optimum, "EXACT_SIZE", 599)
    assert not liquid_optimum(*market, (1.0, 0.5)).exact
    monkeypatch.setattr(market_optimum, "EXACT_SIZE", 600)
    assert liquid_optimum(*market, (1.0, 0.5)).exact


@pytest.mark.parametrize("solve", [liquid_optimum_lp, liquid_optimum_bound])
def test_without_budgets_the_highest_liquid_values_are_the_optimum(solve: Any) -> None:
    value, _, target = large(100, 6)
    found = solve(value, [INF] * 6, target, [0.9, 0.5])
    assert found.welfare == pytest.approx((-np.sort(-value / target)[:, :2] @ [0.9, 0.5]).sum())
    np.testing.assert_allclose(found.multiplier, 1)


@pytest.mark.parametrize("solve", [liquid_optimum_lp, liquid_optimum_bound])
def test_the_unit_of_money_does_not_matter(solve: Any) -> None:
    value, budget, target = large(100, 6)
    small = solve(1e-9 * value, 1e-9 * budget, target)
    np.testing.assert_allclose(small.welfare, 1e-9 * solve(value, budget, target).welfare, rtol=2e-6)


@pytest.mark.parametrize("solve", [liquid_optimum_lp, liquid_optimum_bound])
def test_nothing_to_sell_or_to_pay_with_is_worth_nothing(solve: Any) -> None:
    assert solve(np.zeros((3, 2)), [1.0, INF], [1.0, 1.0]).bound == 0
    assert solve(np.ones((3, 2)), [0.0, 0.0], [1.0, 1.0]).bound == 0
    assert solve(np.ones((0, 2)), [1.0, 1.0], [1.0, 1.0]).bound == 0
    assert solve(np.ones((3, 2)), [1.0, 1.0], [1.0, 1.0], []).bound == 0


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"value": [[1.0, NAN]]}, "value[0, 1] = nan"),
        ({"value": [1.0, 1.0]}, "value: has shape (2,), must have (any, any)"),
        ({"budget": [1.0]}, "budget: has shape (1,), must have (2)"),
        ({"budget": [1.0, -1.0]}, "budget[1] = -1.0"),
        ({"target_roi": [1.0, INF]}, "target_roi[1] = inf"),
        ({"exposure": [0.5, 0.6]}, "exposure: increases"),
        ({"multiplier": [0.5, 1.1]}, "multiplier: the largest is 1.1"),
    ],
)
def test_inputs_that_mean_nothing_are_refused(changed: Any, words: str) -> None:
    market = {"value": [[1.0, 1.0]], "budget": [1.0, INF], "target_roi": [1.0, 0.0], "exposure": [1.0]}
    with pytest.raises(AdsimError) as caught:
        liquid_dual(**{**market, "multiplier": [1.0, 1.0], **changed})
    assert words in str(caught.value)
