"""Aggregates over tasks: their published definitions, written out, and cases known by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from adsim.experiments import aggregates as over


def scores(seed: int = 0, shape: tuple[int, ...] = (3, 20, 2)) -> np.ndarray:
    return np.random.default_rng(seed).lognormal(size=shape)


def of(statistic: over.Statistic, samples: np.ndarray) -> float:
    return float(statistic(samples[None])[0])


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.integers(1, 4), st.integers(1, 9), st.integers(1, 3))
def test_aggregates_are_those_of_agarwal_et_al(seed: int, strata: int, runs: int, cells: int) -> None:
    samples = scores(seed, (strata, runs, cells))
    tasks = samples.transpose(1, 0, 2).reshape(runs, -1)  # a row per run, as rliable has it
    assert of(over.mean, samples) == pytest.approx(tasks.mean(axis=0).mean())
    assert of(over.median, samples) == pytest.approx(np.median(tasks.mean(axis=0)))
    assert of(over.interquartile_mean, samples) == pytest.approx(stats.trim_mean(tasks, 0.25, axis=None))
    assert of(over.optimality_gap, samples) == pytest.approx(1 - np.minimum(tasks, 1).mean())


def test_the_interquartile_mean_is_that_of_the_middle_half() -> None:
    assert of(over.interquartile_mean, np.array([[[-1e9], [2.0], [3.0], [7.0]]])) == 2.5


def test_improvement_is_mann_and_whitneys_u_over_all_pairs() -> None:
    ours, theirs = np.round(scores(1), 1), np.round(scores(2), 1)
    expected = [
        stats.mannwhitneyu(ours[s, :, c], theirs[s, :, c]).statistic / 400 for s in range(3) for c in range(2)
    ]
    assert of(over.improvement, np.stack([ours, theirs], axis=-1)) == pytest.approx(np.mean(expected))


def test_nobody_improves_on_itself() -> None:
    same = over.stratified(np.stack([scores()] * 2, axis=-1), over.improvement)
    assert same.mean == pytest.approx(0.5)


def test_the_profile_is_the_share_of_runs_above() -> None:
    samples, thresholds = scores(), np.array([0.0, 0.5, 1.0, 1e9])
    share, low, high = over.profile(samples, thresholds)
    np.testing.assert_allclose(share, [(samples > each).mean() for each in thresholds])
    assert (low <= share).all()
    assert (share <= high).all()
    assert (share[0], share[-1], high[-1]) == (1.0, 0.0, 0.0)


def test_one_stratum_of_single_cells_has_scipys_percentile_interval() -> None:
    samples = scores(shape=(1, 30, 1))
    found = over.stratified(samples, over.mean, seed=3)
    expected = stats.bootstrap(
        (samples.ravel(),), np.mean, n_resamples=over.RESAMPLES, method="percentile", rng=np.random.default_rng(3)
    ).confidence_interval
    np.testing.assert_allclose(found[1:], expected, rtol=1e-12)


def test_strata_that_differ_do_not_widen_the_interval() -> None:
    """Seats of rich and of poor campaigns: each is drawn again as often as it was played."""
    samples = scores(shape=(2, 20, 1)) * 0.01 + np.array([1.0, 100.0])[:, None, None]
    found = over.stratified(samples, over.mean)
    assert found.high - found.low < 0.05


def test_cells_of_one_run_are_drawn_together() -> None:
    """Copies of a cell bring no certainty."""
    samples = scores(shape=(2, 15, 1))
    once, often = (over.stratified(np.repeat(samples, times, axis=2), over.mean) for times in (1, 8))
    np.testing.assert_allclose(once, often)


def test_about_95_percent_of_intervals_cover_the_mean() -> None:
    draws = np.random.default_rng(1).normal(size=(300, 4, 10, 1))
    found = [over.stratified(each, over.mean) for each in draws]
    assert 0.88 < np.mean([each.low < 0 < each.high for each in found]) < 0.98


def test_a_profile_of_single_runs_has_no_interval() -> None:
    share, low, high = over.profile(np.ones((2, 1, 3)), np.array([0.5]))
    assert share == 1
    assert np.isnan([low, high]).all()


@pytest.mark.parametrize("samples", [np.ones((2, 1, 3)), np.full((2, 4, 1), np.nan)])
def test_no_interval_of_single_runs_or_of_nan(samples: np.ndarray) -> None:
    assert np.isnan(over.stratified(samples, over.mean)[1:]).all()
