"""Means with bootstrap intervals, and paired differences."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

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
