"""The value of an opportunity as a random number: a histogram of an earlier log's predicted click rates.

Bins are an eighth of a factor of two wide and stand for the mean of what fell into them.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from adsim.logs.base import Impressions
from adsim.types import Floats

OCTAVE = 8
"""Bins per factor of two."""
BINS = 40 * OCTAVE
"""From 1 down; the last one also holds what is lower."""


def no_values() -> Floats:
    """An empty histogram: how many values each bin holds, and their sum; (2, BINS)."""
    return np.zeros((2, BINS))


def binned(chunks: Iterable[Impressions], histogram: Floats) -> Iterator[Impressions]:
    """Pass a log on, counting its predictions."""
    for chunk in chunks:
        if chunk.pctr is not None:
            octaves = -np.log2(chunk.pctr.clip(2.0 ** -(OCTAVE**2), 1))
            place = np.minimum(OCTAVE * octaves, BINS - 1).astype(np.int64)
            histogram += [np.bincount(place, weights, BINS) for weights in (None, chunk.pctr)]
        yield chunk


def value_shares(histogram: Floats) -> Floats | None:
    """What an opportunity is worth, rising, and how probable that is, (2, K); None for an empty histogram."""
    count, total = histogram[:, ::-1][:, histogram[0, ::-1] > 0]
    return np.array([total / count, count / count.sum()]) if count.size else None
