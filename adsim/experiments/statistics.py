"""Means with bootstrap intervals, paired differences, and exponents of growth."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from adsim.types import Floats

RESAMPLES = 9999
LEVELS = (0.025, 0.975)


class Estimate(NamedTuple):
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of 0."""
        return self.low > 0 or self.high < 0


class Exponent(NamedTuple):
    """The power of the horizon that a quantity grows with, and its 95 % interval."""

    value: float
    low: float
    high: float


def interval(samples: ArrayLike, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the mean: percentiles of the means of samples drawn from the samples.

    Parameters
    ----------
    samples : array (n,)
        Independent of each other.
    seed : int
        Of the bootstrap.

    Returns
    -------
    tuple of float
        Low and high; NaN for fewer than two samples, or where one is NaN.

    Examples
    --------
    >>> low, high = interval([1.0, 2.0, 3.0, 4.0])
    >>> 1 <= low < 2.5 < high <= 4
    True
    """
    values = np.asarray(samples, np.float64)
    if values.size < 2 or np.isnan(values).any():
        return float("nan"), float("nan")
    picks = np.random.default_rng(seed).integers(values.size, size=(RESAMPLES, values.size))
    low, high = np.quantile(values[picks].mean(axis=1), LEVELS)
    return float(low), float(high)


def estimate(samples: ArrayLike, seed: int = 0) -> Estimate:
    """Mean of the samples and its `interval`."""
    values = np.asarray(samples, np.float64)
    return Estimate(float(values.mean()) if values.size else float("nan"), *interval(values, seed))


def difference(samples: ArrayLike, baseline: ArrayLike, seed: int = 0) -> Estimate:
    """Mean of ``samples - baseline``, paired: what two variants made of the same seeds.

    Raises
    ------
    ValueError
        When there are not as many samples of the one as of the other.
    """
    ours, theirs = np.asarray(samples, np.float64), np.asarray(baseline, np.float64)
    if ours.shape != theirs.shape:
        raise ValueError(f"{ours.size} samples cannot be paired with {theirs.size}.")
    return estimate(ours - theirs, seed)


def exponent(samples: ArrayLike, horizons: ArrayLike, seed: int = 0) -> Exponent:
    """The ``a`` of ``mean ~ horizon**a``: least-squares slope of the logarithm of means over that of horizons.

    The interval is that of the percentile bootstrap over seeds: a seed is drawn with all its horizons.

    Parameters
    ----------
    samples : array (seeds, horizons)
        Of one quantity, such as regret.
    horizons : array (horizons,)
        Positive, two different ones at least.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Exponent
        NaN where a mean is not positive; the interval also for fewer than two seeds, or where one of the resampled
        means is not positive.

    Raises
    ------
    ValueError
        When horizons do not fit the samples, are not positive, or are all the same.

    Examples
    --------
    >>> found = exponent([[10.0, 20.0, 40.0], [30.0, 60.0, 120.0]], [100, 400, 1600])
    >>> round(found.value, 9), round(found.low, 9), round(found.high, 9)
    (0.5, 0.5, 0.5)
    """
    values, spans = np.asarray(samples, np.float64), np.asarray(horizons, np.float64)
    if values.ndim != 2 or spans.shape != values.shape[1:]:
        raise ValueError(f"samples of shape {values.shape} do not have a column for each of {spans.size} horizons.")
    if np.unique(spans).size < 2 or not (spans > 0).all():
        raise ValueError("an exponent takes two different horizons at least, all positive.")
    value = float(_slopes(values.mean(axis=0), spans)) if len(values) else float("nan")
    if len(values) < 2:
        return Exponent(value, float("nan"), float("nan"))
    picks = np.random.default_rng(seed).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(_slopes(values[picks].mean(axis=1), spans), LEVELS)
    return Exponent(value, float(low), float(high))


def _slopes(means: Floats, horizons: Floats) -> Floats:
    """Slopes of ``log(means)`` along the last axis over ``log(horizons)``; NaN where a mean is not positive."""
    centred = np.log(horizons) - np.log(horizons).mean()
    logs = np.log(means, where=means > 0, out=np.full(means.shape, np.nan))
    return logs @ centred / (centred @ centred)
