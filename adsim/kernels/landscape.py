"""What a campaign's opportunities were worth to it, and what they would have cost, by the bid that wins them."""

import numpy as np

from adsim.kernels.jit import inline, jit

OCTAVE = 8
"""Bins per factor of two."""
LOWEST = -16
"""The first bin begins at a price of 2**LOWEST per predicted value."""
BINS = 256
"""Up to 2**16 per predicted value."""
WORTH, PRICE = range(2)
"""Columns: sums of predicted values, and of prices."""


@jit
def enter(landscape, value, price):
    """Book one opportunity of predicted ``value`` that a bid of ``price`` would have won; (BINS, 2)."""
    if value > 0:
        octaves = np.log2(max(price / value, 1e-30)) - LOWEST
        b = min(max(int(np.floor(octaves * OCTAVE)), 0), BINS - 1)
        landscape[b, WORTH] += value
        landscape[b, PRICE] += price


@jit
def highest_ratio(b):
    """The price per predicted value at which bin ``b`` ends."""
    return 2.0 ** (LOWEST + (b + 1) / OCTAVE)


@inline
def price_to_beat(ranking, rule, n, t):
    """The score that wins the last slot of an auction against all but ``n``.

    It is at least the reserve, where scores are bids whatever they are charged for.
    """
    slots, floor = rule.slots, rule.reserve
    last = slots - 1
    to_beat = ranking.score[last, t] if ranking.winner[last, t] >= 0 else floor
    for k in range(slots):
        if ranking.winner[k, t] == n:
            to_beat = max(ranking.score[slots, t], floor)
    return to_beat


@jit
def listen(listeners, ranking, candidates, rule, landscape, start, stop):
    """Enter auctions ``start`` to ``stop`` of a tile.

    ``listeners`` (L,) are the campaigns that listen; ``landscape`` (N, BINS, 2).
    """
    for i in range(listeners.size):
        n = listeners[i]
        for t in range(start, stop):
            to_beat = price_to_beat(ranking, rule, n, t)
            enter(landscape[n], np.float64(candidates.value[n, t]), np.float64(to_beat))
