"""Intervals of means: the bootstrap of scipy, and cases known by hand; exponents: exact power laws and polyfit."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from adsim.experiments.statistics import RESAMPLES, difference, estimate, exponent, interval


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


HORIZONS = np.array([250, 500, 1000, 4000])


@given(st.floats(-2, 2), st.floats(0.01, 100))
def test_exponent_of_an_exact_power_law_is_its_power(power: float, scale: float) -> None:
    samples = np.outer([scale, 2 * scale, 5 * scale], HORIZONS**power)
    np.testing.assert_allclose(exponent(samples, HORIZONS), [power] * 3, atol=1e-9)


def test_exponent_and_its_interval_are_those_of_polyfit_on_resampled_seeds() -> None:
    samples = np.random.default_rng(0).lognormal(sigma=0.3, size=(8, 4)) * HORIZONS**0.5
    found, logs = exponent(samples, HORIZONS, seed=3), np.log(HORIZONS)
    assert found.value == pytest.approx(np.polyfit(logs, np.log(samples.mean(axis=0)), 1)[0])
    picks = np.random.default_rng(4).integers(8, size=(20_000, 8))
    slopes = np.polyfit(logs, np.log(samples[picks].mean(axis=1)).T, 1)[0]
    np.testing.assert_allclose(found[1:], np.quantile(slopes, (0.025, 0.975)), atol=0.01)
    assert found == exponent(samples, HORIZONS, seed=3) != exponent(samples, HORIZONS, seed=4)


def test_horizons_of_one_seed_are_resampled_together() -> None:
    """Seeds differ by a factor of their own alone, which no exponent depends on."""
    found = exponent(np.outer(np.random.default_rng(1).lognormal(size=9), HORIZONS**0.7), HORIZONS)
    assert found.high - found.low < 1e-9


def test_there_is_no_exponent_where_a_mean_is_not_positive() -> None:
    assert np.isnan(exponent([[1.0, -1.0], [1.0, 1.0]], [1, 2])).all()
    some = exponent([[1.0, -1.0], [1.0, 5.0]], [1, 2])
    assert some.value == pytest.approx(1.0)
    assert np.isnan(some[1:]).all()


def test_one_seed_has_an_exponent_without_an_interval() -> None:
    found = exponent([[1.0, 2.0]], [10, 40])
    assert found.value == pytest.approx(0.5)
    assert np.isnan(found[1:]).all()
    assert np.isnan(exponent(np.empty((0, 2)), [10, 40])).all()


@pytest.mark.parametrize(
    ("shape", "horizons"), [((3, 2), [1, 2, 3]), ((2,), [1, 2]), ((3, 2), [5, 5]), ((3, 2), [0, 1])]
)
def test_horizons_that_no_line_goes_through_are_refused(shape: tuple[int, ...], horizons: list[int]) -> None:
    with pytest.raises(ValueError, match="horizons"):
        exponent(np.ones(shape), horizons)
