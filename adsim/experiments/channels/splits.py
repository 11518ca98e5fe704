"""Splits of a budget over channels that never learn, played on the periods of those that do."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from adsim.experiments.channels.channels import Bought, Channel
from adsim.experiments.channels.sgd_ucb import Run, period_seeds
from adsim.types import Floats

BATCH = 2048
"""Periods side by side: they don't depend on each other."""
LEAST = 1e-9
"""Probabilities below are none."""


def play_mixture(
    channels: Sequence[Channel],
    levels: Sequence[Floats],
    weights: Sequence[Floats],
    periods: int,
    seeds: ArrayLike,
) -> Run:
    """Draw each channel's budget anew in every period, and take the expectation over the draws.

    Parameters
    ----------
    channels : sequence of Channel
    levels, weights : sequence of array (A,)
        For each channel, budgets and their probabilities.
    periods : int
    seeds : sequence of int
        One per run; the periods are those of `sgd_ucb` with these seeds.

    Returns
    -------
    Run
    """
    keys = period_seeds(seeds, periods, len(channels))
    record = Run(*np.zeros((3, *keys.shape)))
    for j, channel in enumerate(channels):
        own = np.ascontiguousarray(keys[..., j]).ravel()
        for level, weight in zip(levels[j], weights[j], strict=True):
            if weight > LEAST:
                bought = _play(channel, float(level), own)
                for each, amount in zip(record, (np.full(own.size, level), *bought), strict=True):
                    each[..., j] += weight * amount.reshape(keys.shape[:2])
    return record


def play_split(channels: Sequence[Channel], split: ArrayLike, periods: int, seeds: ArrayLike) -> Run:
    """Set the same budgets in every period; split (M,), else as in `play_mixture`."""
    levels = [np.array([budget]) for budget in np.asarray(split, np.float64)]
    return play_mixture(channels, levels, [np.ones(1)] * len(levels), periods, seeds)


def _play(channel: Channel, budget: float, seeds: np.ndarray) -> Bought:
    """All periods of one channel with one budget."""
    parts = np.array_split(seeds, -(-seeds.size // BATCH))
    bought = [channel.buy(np.full(part.size, budget), np.zeros(part.size), part) for part in parts]
    return Bought(np.concatenate([each.value for each in bought]), np.concatenate([each.spend for each in bought]))
