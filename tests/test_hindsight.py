"""The hindsight optimum of one bidder: its threshold form against HiGHS, and its Lagrangian bound."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import optimize

from adsim.errors import AdsimError
from adsim.experiments.regret.hindsight import Optimum, dual_bound, linear_program, optimum

INF, NAN = float("inf"), float("nan")


@st.composite
def problems(draw: st.DrawFn) -> tuple[tuple[Any, ...], bool]:
    """Up to 12 opportunities, on a coarse grid with many ties and zeros or of any size, under any constraints."""
    size = draw(st.integers(0, 12))
    grid = st.integers(0, 4).map(lambda n: n / 2)
    amount = draw(st.sampled_from([grid, st.one_of(st.just(0.0), st.floats(1e-3, 1e3))]))
    value = np.array(draw(st.lists(amount, min_size=size, max_size=size)))
    cost = np.array(draw(st.lists(amount, min_size=size, max_size=size)))
    budget = draw(st.sampled_from([INF, 0.0, 0.3, 0.7, 2.0])) * max(cost.sum(), 1.0)
    target = draw(st.sampled_from([0.0, 0.5, 1.0, 1.3, 3.0]))
    return (value, cost, budget, target), draw(st.booleans())


def keeps_constraints(found: Optimum, budget: float, target: float) -> bool:
    return found.spend <= budget and found.value - target * found.spend >= -1e-9 * found.value


@settings(deadline=None, max_examples=200)
@given(problems())
def test_threshold_form_is_the_linear_programs_optimum(problem: Any) -> None:
    arguments, maximizes_value = problem
    ours = optimum(*arguments, maximizes_value=maximizes_value)
    theirs = linear_program(*arguments, maximizes_value=maximizes_value)
    scale = 1e-6 * arguments[0].sum() + 1e-12
    assert ours.objective == pytest.approx(theirs.objective, rel=1e-6, abs=scale)
    assert keeps_constraints(ours, *arguments[2:])
    assert ours.objective == pytest.approx(ours.value - (0 if maximizes_value else ours.spend), abs=1e-12)


@settings(deadline=None, max_examples=100)
@given(problems())
def test_the_best_outcome_of_a_value_maximizer_is_unique(problem: Any) -> None:
    (value, cost, *constraints), _ = problem
    value = value + 0.25  # worthless opportunities may be bought or left
    ours, theirs = optimum(value, cost, *constraints), linear_program(value, cost, *constraints)
    scale = 1e-6 * (1 + value.sum() + cost.sum())
    assert (ours.value, ours.spend) == pytest.approx((theirs.value, theirs.spend), abs=scale)


@settings(deadline=None, max_examples=100)
@given(problems())
def test_bids_of_threshold_times_value_win_all_that_is_bought(problem: Any) -> None:
    (value, cost, *constraints), maximizes_value = problem
    found = optimum(value, cost, *constraints, maximizes_value=maximizes_value)
    won = (value > 0) & (cost <= found.threshold * value * (1 + 1e-12))
    below = won & (cost < found.threshold * value * (1 - 1e-12))
    assert value[below].sum() <= found.value * (1 + 1e-9)
    assert found.value <= value[won].sum() * (1 + 1e-9)


@settings(deadline=None, max_examples=200)
@given(problems(), st.floats(0, 10), st.floats(0, 10))
def test_no_duals_bound_the_objective_below_the_optimum(problem: Any, mu: float, lam: float) -> None:
    arguments, maximizes_value = problem
    found = optimum(*arguments, maximizes_value=maximizes_value).objective
    assert dual_bound(*arguments, mu, lam, maximizes_value=maximizes_value) >= found * (1 - 1e-9)


@settings(deadline=None, max_examples=100)
@given(problems())
def test_the_bound_is_tight_at_the_duals_of_the_threshold(problem: Any) -> None:
    (value, cost, budget, target), maximizes_value = problem
    found = optimum(value, cost, budget, target, maximizes_value=maximizes_value)
    everything = optimum(value, cost, maximizes_value=maximizes_value)
    theta = found.threshold
    if found.objective == everything.objective:
        mu = lam = 0.0
    elif found.spend == pytest.approx(budget):  # the multiplier 1 / mu, or 1 / (1 + mu), is the threshold
        assume(theta > 0)  # a budget of 0 needs an infinite dual
        mu, lam = 1 / theta - (not maximizes_value), 0.0
    else:  # so is (1 + lam) / (lam tau), or (1 + lam) / (1 + lam tau)
        assume(theta * target > 1)  # a target that only free opportunities meet needs an infinite dual
        mu, lam = 0.0, (1 if maximizes_value else 1 - theta) / (theta * target - 1)
    bound = dual_bound(value, cost, budget, target, mu, lam, maximizes_value=maximizes_value)
    assert bound == pytest.approx(found.objective, rel=1e-6, abs=1e-9)


def test_minimising_the_bound_over_both_duals_finds_the_optimum() -> None:
    rng = np.random.default_rng(0)
    value, cost = rng.random(500), rng.lognormal(-0.5, 0.7, 500)
    for budget, target in [(40.0, 0.5), (500.0, 1.2), (90.0, 1.6)]:
        best = optimize.minimize(
            lambda duals, b=budget, t=target: dual_bound(value, cost, b, t, *np.abs(duals)),
            [1.0, 1.0],
            method="Nelder-Mead",
            options={"xatol": 1e-9, "fatol": 1e-9},
        ).fun
        assert best == pytest.approx(optimum(value, cost, budget, target).objective, rel=1e-4)


@settings(deadline=None, max_examples=100)
@given(problems(), st.floats(0.01, 100))
def test_the_unit_of_money_does_not_matter(problem: Any, unit: float) -> None:
    (value, cost, budget, target), _ = problem
    found = optimum(value, cost, budget, target)
    scaled = optimum(value, unit * cost, unit * budget, target / unit)
    assert (scaled.value, scaled.spend) == pytest.approx((found.value, unit * found.spend), rel=1e-6, abs=1e-9)


def test_a_target_met_with_equality_is_not_lost_to_rounding() -> None:
    assert optimum([0.3] * 10, [0.1] * 10, target_roi=3.0).value == pytest.approx(3.0)  # 0.3 - 3 x 0.1 < 0 in float64


def test_known_optima() -> None:
    assert optimum([], []) == (0, 0, 0, 0)
    assert optimum([1.0, 2.0], [0.0, 0.0], budget=0.0) == (3, 3, 0, 0)
    assert optimum([1.0], [2.0], target_roi=1.0) == (0, 0, 0, 0)
    assert optimum([0.0, 0.0], [1.0, 0.0]) == (0, 0, 0, 0)
    assert optimum([3.0, 1.0], [1.0, 2.0]) == (4, 4, 3, 2)
    assert optimum([3.0, 1.0], [1.0, 2.0], maximizes_value=False) == (2, 3, 1, 1 / 3)
    assert optimum([3.0, 1.0], [1.0, 2.0], budget=2.0) == (3.5, 3.5, 2, 2)
    assert optimum([3.0, 1.0], [1.0, 3.0], target_roi=1.5) == (3 + 3 / 7, 3 + 3 / 7, 1 + 9 / 7, 3)


@pytest.mark.parametrize("solve", [optimum, linear_program])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([1.0, NAN], [1.0, 1.0]), "value[1] = nan"),
        (([1.0, INF], [1.0, 1.0]), "value[1] = inf"),
        (([1.0, 1.0], [-1.0, 1.0]), "cost[0] = -1.0"),
        (([1.0, 1.0], [1.0]), "cost: has shape (1,), must have (2)"),
        (([[1.0]], [[1.0]]), "value: has shape (1, 1), must have (any)"),
        (([1.0], [1.0], NAN), "budget = nan"),
        (([1.0], [1.0], -1.0), "budget = -1.0"),
        (([1.0], [1.0], 1.0, INF), "target_roi = inf"),
    ],
)
def test_inputs_that_mean_nothing_are_refused(solve: Any, arguments: Any, words: str) -> None:
    with pytest.raises(AdsimError) as caught:
        solve(*arguments)
    assert words in str(caught.value)


def test_duals_below_zero_are_refused_and_one_without_a_budget_bounds_nothing() -> None:
    with pytest.raises(AdsimError, match="lam = -1"):
        dual_bound([1.0], [1.0], 1.0, 1.0, 0.0, -1.0)
    assert dual_bound([1.0], [1.0], INF, 0.0, 0.1, 0.0) == INF
    assert dual_bound([1.0], [1.0], INF, 0.0, 0.0, 0.0) == 1.0


def test_an_opportunity_that_just_returns_the_target_is_bought_in_part_despite_rounding() -> None:
    unit = 60.412530501028854
    found = optimum([9.0], [9.0 * unit], 2.7 * unit, 1 / unit)
    assert found.value == pytest.approx(2.7)
