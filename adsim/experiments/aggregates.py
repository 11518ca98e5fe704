"""One number for many tasks, and how sure it is: what Agarwal et al. (2021) advise for few runs of each task.

"Deep Reinforcement Learning at the Edge of the Statistical Precipice", arXiv 2108.13264, as their library rliable has
it. Samples are arrays (S, R, C): S strata, R runs of each, and the C cells that a run brings: a task is a stratum and
a cell. Runs are drawn again within their stratum, with all their cells: those of one market depend on each other,
which rliable, where each task has runs of its own, need not mind.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from adsim.experiments.statistics import LEVELS, Estimate
from adsim.types import Floats

RESAMPLES = 2000
MOST = 4e6
"""Comparisons of resampled runs that are held at once."""
TRIMMED = 0.25
"""Share of the scores that the interquartile mean leaves out at either end."""
LAST = (-3, -2, -1)

Statistic = Callable[[Floats], Floats]
"""Samples (B, S, R, ...) to one number each, (B,)."""


def mean(samples: Floats) -> Floats:
    """Mean over all; (B,)."""
    return samples.mean(axis=LAST)


def median(samples: Floats) -> Floats:
    """Median over the tasks of their means; (B,)."""
    return np.median(samples.mean(axis=-2), axis=(-2, -1))


def interquartile_mean(samples: Floats) -> Floats:
    """Mean of the middle half of all runs of all tasks; (B,)."""
    return np.asarray(stats.trim_mean(samples.reshape(*samples.shape[:-3], -1), TRIMMED, axis=-1))


def optimality_gap(samples: Floats) -> Floats:
    """Mean of what scores fall short of 1, those above counting 0; (B,)."""
    return 1 - mean(np.minimum(samples, 1.0))


def improvement(pairs: Floats) -> Floats:
    """Probability that a run of X scores higher than one of Y on the same task, ties counting half; mean over tasks.

    Mann and Whitney's U of every task over its number of pairs.

    Parameters
    ----------
    pairs : array (B, S, R, C, 2)
        Scores of X and of Y.
    """
    ours, theirs = pairs[..., :, :, None, :, 0], pairs[..., :, None, :, :, 1]
    wins = (ours > theirs) + 0.5 * (ours == theirs)
    return wins.mean(axis=(-4, -3, -2, -1))


def stratified(samples: ArrayLike, statistic: Statistic, seed: int = 0) -> Estimate:
    """A statistic and its 95 % interval by the stratified percentile bootstrap.

    Parameters
    ----------
    samples : array (S, R, C) or (S, R, C, 2)
        What the statistic takes.
    statistic : callable
        One of this module, or likewise.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Estimate
        Whose ``mean`` is the statistic; the interval is NaN for fewer than two runs of each stratum, or a NaN.

    Examples
    --------
    >>> found = stratified([[[1.0], [2.0], [3.0], [6.0]]], interquartile_mean)
    >>> found.mean, bool(1 <= found.low < 2.5 < found.high <= 6)
    (2.5, True)
    """
    values = np.asarray(samples, np.float64)
    found = float(statistic(values[None])[0])
    low, high = _interval(values, statistic, seed)
    return Estimate(found, float(low), float(high))


def profile(samples: ArrayLike, thresholds: Floats, seed: int = 0) -> tuple[Floats, Floats, Floats]:
    """Performance profile: share of the runs whose score exceeds each threshold, and its 95 % interval.

    Parameters
    ----------
    samples : array (S, R, C)
    thresholds : array (P,)
    seed : int
        Of the bootstrap.

    Returns
    -------
    tuple of arrays (P,)
        Share, low and high; see `stratified`.
    """
    values = np.asarray(samples, np.float64)
    above = (values[..., None] > thresholds).mean(axis=2)  # of each run's cells: (S, R, P)
    return above.mean(axis=(0, 1)), *_interval(above, lambda drawn: drawn.mean(axis=(1, 2)), seed)


def _interval(values: Floats, statistic: Statistic, seed: int) -> tuple[Floats, Floats]:
    """Quantiles of a statistic, (B, S, R, ...) to (B, ...), over runs drawn again within their strata."""
    strata, runs = values.shape[:2]
    if runs < 2 or np.isnan(values).any():
        unknown = np.full_like(statistic(values[None])[0], np.nan)
        return unknown, unknown
    picks = np.random.default_rng(seed).integers(runs, size=(RESAMPLES, strata, runs))
    parts = np.array_split(picks, min(RESAMPLES, int(np.ceil(RESAMPLES * values.size * runs / MOST))))
    own = np.arange(strata)[:, None]
    drawn = np.concatenate([statistic(values[own, part]) for part in parts])
    low, high = np.quantile(drawn, LEVELS, axis=0)
    return low, high
