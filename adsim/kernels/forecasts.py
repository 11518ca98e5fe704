"""Traffic in AuctionNet's manner: predicted values come first, and what really converts lies around them."""

import numpy as np

from adsim.kernels.counter import draw, normal_pair, stream
from adsim.kernels.jit import jit

F = np.float32
MOST_UNCERTAIN = F(0.3)
"""Largest standard deviation of what converts over its prediction."""


@jit
def draw_forecasts(key, first, cuts, mean, spread, uncertainty, lean, true, predicted, width):
    """Predicted and true conversion rates of opportunities ``first`` to ``first + width``.

    A prediction is ``mean + spread z`` within [0, 1], the truth ``prediction * (1 + u * lean)``, ``u`` being the
    relative uncertainty of `uncertainty_of`.

    Parameters
    ----------
    cuts : array (ticks + 1,)
        First opportunity of each tick.
    mean, spread : array (N, ticks)
    uncertainty, lean : array (N,)
    """
    tick = _tick_of(cuts, first)
    while tick < mean.shape[1] and cuts[tick] < first + width:
        start, stop = max(cuts[tick] - first, 0), min(cuts[tick + 1] - first, width)
        for n in range(mean.shape[0]):
            m, s, u, b = mean[n, tick], spread[n, tick], uncertainty[n], lean[n]
            _draw_row(stream(key, n), first, m, s, u, b, true[n], predicted[n], start, stop)
        tick += 1


@jit
def _draw_row(key, first, mean, spread, uncertainty, lean, true, predicted, start, stop):
    origin = np.uint64(first)
    for t in range(np.uint64(start), np.uint64(stop)):
        x, y = normal_pair(draw(key, origin + t))
        p = min(max(mean + spread * x, F(0)), F(1))
        predicted[t] = p
        true[t] = min(p * (F(1) + uncertainty_of(uncertainty, y) * lean), F(1))


@jit
def uncertainty_of(mean, y):
    """Relative uncertainty: normal of the given mean and half of it as deviation, its amount at most 0.3."""
    return min(abs(mean + F(0.5) * mean * y), MOST_UNCERTAIN)


@jit
def draw_uncertainties(key, first, uncertainty, rows, width):
    """Relative uncertainties that `draw_forecasts` has; ``rows`` (N, B)."""
    origin = np.uint64(first)
    for n in range(uncertainty.size):
        key_n, row, u = stream(key, n), rows[n], uncertainty[n]
        for t in range(np.uint64(width)):
            _, y = normal_pair(draw(key_n, origin + t))
            row[t] = uncertainty_of(u, y)


@jit
def _tick_of(cuts, first):
    """The last tick that begins at or before opportunity ``first``, of those that have any."""
    low, high = 0, cuts.size - 1
    while high - low > 1:
        middle = (low + high) // 2
        if cuts[middle] <= first:
            low = middle
        else:
            high = middle
    return low
