"""Intervals of means: the bootstrap of scipy, and cases known by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from adsim.experiments.statistics import RESAMPLES, difference, estimate, interval


@pytest.mark.parametrize("size", [2, 5, 20, 300])
def test_interval_is_scipys_percentile_bootstrap(size: int) -> None:
    samples = np.random.default_rng(size).lognormal(size=size)
    found = stats.bootstrap(
        (samples,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=np.random.default_rng(7)
    ).confidence_interval
    np.testing.assert_allclose(interval(samples, seed=7), found, rtol=1e-12)


def test_interval_of_many_normal_samples_is_that_of_the_normal_distribution() -> None:
    samples = np.random.default_rng(0).normal(3.0, 2.0, size=2000)
    half = 1.96 * samples.std() / math.sqrt(samples.size)
    np.testing.assert_allclose(interval(samples), [samples.mean() - half, samples.mean() + half], atol=0.01)


def test_about_95_percent_of_intervals_cover_the_mean() -> None:
    draws = np.random.default_rng(1).normal(size=(400, 40))
    covered = [low < 0 < high for low, high in map(interval, draws)]
    assert 0.90 < np.mean(covered) < 0.98


@settings(deadline=None, max_examples=30)
@given(arrays.arrays(float, st.integers(2, 30), elements=st.floats(-1e6, 1e6)), st.integers(0, 5))
def test_interval_is_repeatable_ordered_and_within_the_samples(samples, seed: int) -> None:
    low, high = interval(samples, seed)
    assert (low, high) == interval(samples.copy(), seed)
    slack = 1e-9 * (1 + np.abs(samples).max())
    assert samples.min() - slack <= low <= high <= samples.max() + slack


@pytest.mark.parametrize("samples", [[], [1.0], [1.0, math.nan, 2.0]])
def test_no_interval_of_too_few_samples_or_of_nan(samples: list[float]) -> None:
    assert all(math.isnan(end) for end in interval(samples))


def test_equal_samples_have_an_interval_without_length() -> None:
    low, high = interval([0.1] * 7)
    assert low == high == pytest.approx(0.1)


def test_estimate_of_one_sample_is_that_sample() -> None:
    found = estimate([4.0])
    assert found.mean == 4.0
    assert math.isnan(found.low)
    assert not found.excludes_zero


def test_paired_differences_cancel_what_the_seeds_share() -> None:
    seeds = np.random.default_rng(2).normal(scale=100.0, size=20)
    ours = seeds + 1 + np.random.default_rng(3).normal(scale=0.1, size=20)
    found = difference(ours, seeds)
    assert found.excludes_zero
    assert 0.8 < found.low < found.mean < found.high < 1.2
    assert difference(seeds, seeds) == (0.0, 0.0, 0.0)
    assert not difference(seeds, seeds).excludes_zero


def test_samples_that_cannot_be_paired_are_refused() -> None:
    with pytest.raises(ValueError, match="3 samples cannot be paired with 2"):
        difference([1.0, 2.0, 3.0], [1.0, 2.0])
