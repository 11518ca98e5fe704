"""Dual mirror descent on many resources: plain Python, linear programmes, and a world drawn by numpy."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from adsim.errors import AdsimError
from adsim.experiments.allocation import network
from adsim.experiments.allocation.allocation import METRICS, sweep
from adsim.experiments.allocation.descent import REFERENCES, Outcome, allocate
from adsim.experiments.allocation.figures import regret
from adsim.experiments.allocation.network import Network
from adsim.types import Floats

SMALL: dict[str, Any] = {"resources": 4, "choices": 3, "seeds": 3, "horizons": (50, 100, 400)}
STEPS = {"euclidean": 1.0, "scaled": 0.2, "entropic": 3.0, "projected": 3.0}


def problem(seed: int, horizon: int, resources: int, choices: int) -> tuple[Floats, Floats, Floats]:
    """Random requests, half of them for whole units, and amounts that last for a part of them."""
    rng = np.random.default_rng(seed)
    used = rng.uniform(0, 2, (horizon, resources, choices))
    used[::2] = used[::2].round()
    return rng.normal(1, 1, (horizon, choices)), used, rng.uniform(0.1, 1, resources)


def plain(reward: Floats, used: Floats, rho: Floats, reference: str, step: float, highest: float) -> Outcome:
    """Algorithm 1, as in a textbook."""
    horizon, m, eta = len(reward), rho.size, step / len(reward) ** 0.5
    start = {"entropic": np.ones(m) / m**0.5, "projected": rho / m**0.5}
    mu, left, earned, duals = start.get(reference, np.zeros(m)), rho * horizon, 0.0, []
    for r, b in zip(reward, used, strict=True):
        duals.append(mu)
        best = int(np.argmax(r - mu @ b))
        wanted = r[best] - mu @ b[:, best] > 0
        taken = b[:, best] * wanted
        if wanted and (taken <= left).all():
            left, earned = left - taken, earned + r[best]
        g = rho - taken
        if reference in ("euclidean", "scaled"):
            mu = np.maximum(mu - eta * g / (rho**2 if reference == "scaled" else 1), 0)
        else:
            w = rho * mu * np.exp(-eta * g)
            mu = w / rho * (min(1, highest / w.sum()) if reference == "projected" else 1)
    mean = np.mean(duals, axis=0)
    bound = horizon * rho @ mean + np.maximum((reward - np.einsum("j,tja->ta", mean, used)).max(axis=1), 0).sum()
    return Outcome(earned, float(bound), mean, left)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32), st.integers(1, 60), st.integers(1, 12), st.integers(1, 11), st.sampled_from([*REFERENCES])
)
def test_every_reference_does_what_plain_python_does(
    seed: int, horizon: int, resources: int, choices: int, reference: str
) -> None:
    reward, used, rho = problem(seed, horizon, resources, choices)
    found = allocate(reward, used, rho, reference=reference, step=STEPS[reference])
    expected = plain(reward, used, rho, reference, STEPS[reference], max(reward.max(), 0))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


@settings(deadline=None, max_examples=30)
@given(
    st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 5), st.integers(1, 4), st.sampled_from([*REFERENCES])
)
def test_the_optimum_of_hindsight_lies_between_reward_and_bound(
    seed: int, horizon: int, resources: int, choices: int, reference: str
) -> None:
    reward, used, rho = problem(seed, horizon, resources, choices)
    found = allocate(reward, used, rho, reference=reference, step=STEPS[reference])
    one_each = np.kron(np.eye(horizon), np.ones(choices))
    limits = np.vstack([used.transpose(1, 0, 2).reshape(resources, -1), one_each])
    optimum = linprog(-reward.ravel(), limits, [*(rho * horizon), *np.ones(horizon)], method="highs")
    slack = 1e-7 * (1 + abs(optimum.fun))
    assert found.reward <= -optimum.fun + slack <= found.bound + 2 * slack
    assert (found.left >= 0).all()


def test_the_bound_is_close_to_the_optimum_where_the_average_dual_has_converged() -> None:
    reward, used, rho = problem(0, 3000, 2, 3)
    one_each = np.kron(np.eye(300), np.ones(3))
    limits = np.vstack([used[:300].transpose(1, 0, 2).reshape(2, -1), one_each])
    optimum = -linprog(-reward[:300].ravel(), limits, [*(rho * 300), *np.ones(300)], method="highs").fun
    assert allocate(reward[:300], used[:300], rho).bound == pytest.approx(optimum, rel=0.05)
    assert allocate(reward, used, rho).regret < 0.05 * 10 * optimum


@pytest.mark.parametrize("reference", REFERENCES)
def test_a_resource_is_never_overdrawn_and_what_is_left_is_what_nobody_took(reference: str) -> None:
    """One unit per request of one resource, rewards 1: the units granted are the reward."""
    found = allocate(np.ones((500, 1)), np.ones((500, 1, 1)), [0.3], reference=reference)
    assert 0 < found.reward <= 150
    assert found.left[0] == 150 - found.reward


def test_scaled_descent_with_one_unit_per_request_is_euclidean() -> None:
    reward, used, _ = problem(1, 80, 5, 3)
    scaled, euclidean = (allocate(reward, used, np.ones(5), reference=name) for name in ("scaled", "euclidean"))
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(scaled, euclidean, strict=True))


def test_projected_descent_with_one_unit_per_request_is_entropic_until_it_is_capped() -> None:
    reward, used, _ = problem(2, 80, 5, 3)
    reward[0, 0] = 1e3
    projected, entropic = (allocate(reward, used, np.ones(5), reference=name) for name in ("projected", "entropic"))
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(projected, entropic, strict=True))
    reward[0, 0] = 0.1
    reward = np.minimum(reward, 0.1)
    capped = allocate(reward, used + 3, np.ones(5), reference="projected", step=20)
    assert capped.dual.sum() <= 5**0.5 / 80 + 0.1
    assert allocate(reward, used + 3, np.ones(5), reference="entropic", step=20).dual.sum() > capped.dual.sum()


def test_a_dual_of_what_is_plentiful_stays_zero() -> None:
    assert allocate([[1.0]] * 9, [[[0.5]]] * 9, [0.6]).dual.tolist() == [0.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1.0]], [[1.0]], [1.0]), r"must be \(T, d\), \(T, m, d\) and \(m,\)"),
        (([[1.0]], [[[1.0]]], [1.0, 1.0]), r"must be \(T, d\), \(T, m, d\) and \(m,\)"),
        ((np.empty((0, 1)), np.empty((0, 1, 1)), [1.0]), r"must be \(T, d\)"),
        (([[1.0]], [[[-1.0]]], [1.0]), "consumption not negative"),
        (([[np.nan]], [[[1.0]]], [1.0]), "must be finite"),
        (([[1.0]], [[[1.0]]], [0.0]), "a positive amount of each resource"),
    ],
)
def test_impossible_requests_are_refused(arguments: tuple[Any, Any, Any], message: str) -> None:
    with pytest.raises(AdsimError, match=message):
        allocate(*arguments)


def test_duals_that_overflow_are_complained_of() -> None:
    reward, used, rho = problem(3, 50, 2, 2)
    with pytest.raises(AdsimError, match=r"'entropic' overflow\. Take a smaller one"):
        allocate(reward, used, rho, reference="entropic", step=1e6)


def drawn(world: Network, horizon: int) -> tuple[Floats, Floats]:
    """All requests of a world at once."""
    blocks = [(reward.copy(), units.astype(float)) for reward, units in world.requests(horizon)]
    return np.concatenate([reward for reward, _ in blocks]), np.concatenate([units for _, units in blocks])


def test_requests_of_a_network_have_the_distributions_of_the_paper() -> None:
    world = Network(resources=40, choices=5, seed=1)
    reward, units = drawn(world, 4000)
    assert set(np.unique(units)) == {0.0, 1.0}
    np.testing.assert_allclose(units.mean(axis=(0, 2)), world.rates, atol=4 * 0.5 / 20_000**0.5)
    correlations = np.corrcoef(units.transpose(1, 0, 2).reshape(40, -1)) - np.eye(40)
    assert np.abs(correlations).max() < 5 / 20_000**0.5
    exact = np.einsum("j,tja->ta", world.weights, units)
    inside = (reward > 0) & (reward < 10)
    noise = (reward - exact)[np.abs(exact - 5) < 1.2]
    assert noise.mean() == pytest.approx(0, abs=0.05)
    assert noise.std() == pytest.approx(1, abs=0.05)
    assert inside.mean() > 0.9
    assert 0 <= reward.min() < reward.max() <= 10
    wide = Network(resources=4000, choices=1, seed=2)
    assert (2 * wide.rates - 1).mean() == pytest.approx(3 / 4, abs=0.02)  # Beta(3, 1)
    share = wide.rho / wide.rates
    assert 0.25 <= share.min() < share.max() <= 0.75
    assert share.mean() == pytest.approx(0.5, abs=0.01)
    assert np.linalg.norm(wide.weights) == pytest.approx(1)
    assert wide.weights.mean() == pytest.approx((2 / np.pi / 4000) ** 0.5, rel=0.05)


def test_requests_do_not_depend_on_the_horizon_or_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Network(resources=3, choices=2, seed=5)
    reward, units = drawn(world, 700)
    monkeypatch.setattr(network, "BLOCK", 9)
    again = drawn(world, 40)
    np.testing.assert_array_equal(again[0], reward[:40])
    np.testing.assert_array_equal(again[1], units[:40])


def test_a_sweep_is_the_descent_on_the_requests_of_its_worlds() -> None:
    found = sweep(references=["projected"], steps=[2], horizons=[300], resources=3, choices=2, seeds=1, first_seed=4)
    world = Network(3, 2, 4)
    reward, units = drawn(world, 300)
    expected = plain(reward, units, world.rho, "projected", 2, highest=10)
    row = found.runs.iloc[0]
    assert row["reward"] == pytest.approx(expected.reward)
    assert row["bound"] == pytest.approx(expected.bound)
    assert row["leftover"] == pytest.approx(np.mean(expected.left / (300 * world.rho)))


def test_regret_is_that_of_a_world_drawn_by_numpy() -> None:
    """Means of regret / sqrt(T) over worlds that share nothing with ours but the paper."""
    ours = sweep(references=["entropic"], steps=[10], horizons=[250], resources=20, seeds=30).runs["root_regret"]
    theirs = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        rates = (1 + rng.beta(3, 1, 20)) / 2
        weights = np.abs(rng.normal(size=20))
        units = (rng.random((250, 20, 10)) < rates[:, None]).astype(float)
        means = np.einsum("j,tja->ta", weights / np.linalg.norm(weights), units)
        reward = np.clip(means + rng.normal(size=(250, 10)), 0, 10)
        rho = rng.uniform(0.25, 0.75, 20) * rates
        theirs.append(allocate(reward, units, rho, reference="entropic", step=10).regret / 250**0.5)
    error = np.hypot(np.std(theirs), np.std(ours)) / 30**0.5
    assert abs(np.mean(theirs) - ours.mean()) < 4 * error < 0.2 * ours.mean()


def test_results_do_not_depend_on_workers_or_on_what_else_is_run() -> None:
    found, again = sweep(**SMALL), sweep(**SMALL, workers=2)
    for name in ("runs", "table", "exponents"):
        pd.testing.assert_frame_equal(getattr(found, name), getattr(again, name))
    alone = sweep(**{**SMALL, "horizons": [400]}, references=["projected"], steps=[10]).runs
    same = found.runs.query("reference == 'projected' and step == 10 and horizon == 400")
    pd.testing.assert_frame_equal(alone, same.reset_index(drop=True))


def test_tables_are_tidy_and_agree_with_the_runs() -> None:
    found = sweep(**SMALL, references=["scaled", "euclidean"], steps=[1, 0.3], first_seed=7)
    runs = found.runs
    assert len(runs) == 2 * 2 * 3 * 3
    assert runs["reference"].iloc[0] == "scaled"
    assert found.seeds == sorted(set(runs["seed"])) == [7, 8, 9]
    np.testing.assert_allclose(runs["regret"], runs["bound"] - runs["reward"])
    np.testing.assert_allclose(runs["relative_regret"], runs["regret"] / runs["bound"])
    np.testing.assert_allclose(runs["root_regret"] ** 2 * runs["horizon"], runs["regret"] ** 2)
    assert ((runs["leftover"] >= 0) & (runs["leftover"] <= 1)).all()
    assert len(found.table) == 2 * 2 * 3 * len(METRICS)
    means = runs.groupby(["reference", "step", "horizon"])["regret"].mean()
    rows = found.table.query("metric == 'regret'").set_index(["reference", "step", "horizon"])
    np.testing.assert_allclose(rows["mean"].loc[means.index], means)
    fitted = found.exponents.set_index(["reference", "step"])["value"]["euclidean", 1]
    assert fitted == pytest.approx(np.polyfit(np.log([50, 100, 400]), np.log(means["euclidean", 1]), 1)[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"references": ["euclid"]}, "Did you mean 'euclidean'"),
        ({"references": []}, "references: name one at least"),
        ({"steps": [0.0]}, "step = 0.0: must be positive"),
        ({"horizons": [0]}, "horizon = 0: must be a whole number, 1 or more"),
        ({"resources": 0}, "resources = 0"),
        ({"seeds": 0}, "seeds = 0"),
        ({"first_seed": -1}, "seed = -1"),
    ],
)
def test_impossible_sweeps_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AdsimError, match=message):
        sweep(**{**SMALL, **changes})


def test_the_figure_has_a_column_for_each_reference_and_names_the_exponents() -> None:
    found = sweep(**SMALL, steps=[1, 3])
    figure = regret(found)
    assert [axes.get_title(loc="left") for axes in figure.axes[:3]] == ["euclidean", "entropic", "projected"]
    labels = [text.get_text() for text in figure.axes[0].texts]
    powers = found.exponents.query("reference == 'euclidean'")["value"]
    assert labels == [f"step {step}: $T^{{{power:.2f}}}$" for step, power in zip((1, 3), powers, strict=True)]


def test_the_figure_of_a_single_run_without_regret_can_be_drawn() -> None:
    found = sweep(references=["euclidean"], steps=[1], horizons=[1], resources=1, choices=1, seeds=1)
    assert found.exponents.empty
    regret(found).draw_without_rendering()
