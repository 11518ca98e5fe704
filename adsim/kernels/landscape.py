"""What a campaign's opportunities were worth to it, and what they would have cost, by the bid that wins them.

A bid that rises past the k-th highest of the others, ``s_k``, moves up from slot k + 1 to slot k: its value grows by
``(e_k - e_(k+1)) v``, e being the probability that a slot is seen, and what GSP charges in expectation from
``e_(k+1) s_(k+1)`` to ``e_k s_k`` (our derivation). Sums of these steps up to a bid are its value and its cost.
"""

import numpy as np

from adsim.kernels.bits import float_bits
from adsim.kernels.jit import inline, jit

OCTAVE = 8
"""Bins per factor of two."""
LOWEST = -16
"""The first bin begins at a price of 2**LOWEST per predicted value."""
BINS = 256
"""Up to 2**16 per predicted value."""
MANTISSA_BITS, EXPONENT = np.int64(23), np.int64(127)
MANTISSA = np.int64(2**23 - 1)
ROOTS = tuple(int(np.ceil((2 ** (k / OCTAVE) - 1) * 2**23)) for k in range(1, OCTAVE))
"""Mantissas from which on a number lies in the next bin of its octave."""
WORTH, PRICE, GAIN, COST = range(4)
"""Columns: sums of predicted values and of prices, of the last slot alone; and of steps in value and cost, of all."""
COLUMNS = 4


@jit
def bin_of(ratio):
    """The bin of a price per predicted value: 8 times its binary logarithm, from the bits of a float32."""
    bits = np.int64(float_bits(np.float32(min(max(ratio, 1e-30), 1e30))))
    mantissa, place = bits & MANTISSA, ((bits >> MANTISSA_BITS) - EXPONENT - LOWEST) * OCTAVE
    for k in range(OCTAVE - 1):
        place += mantissa >= ROOTS[k]
    return min(max(place, 0), BINS - 1)


@jit
def enter(landscape, value, price):
    """Book an opportunity of predicted ``value``, the last slot of which a bid of ``price`` would have won."""
    if value > 0:
        b = bin_of(price / value)
        landscape[b, WORTH] += value
        landscape[b, PRICE] += price


@jit
def enter_step(landscape, value, price, gain, cost):
    """Book what a bid that rises past ``price`` gains, and more it costs; predicted ``value`` is per exposure."""
    if value > 0:
        b = bin_of(price / value)
        landscape[b, GAIN] += gain
        landscape[b, COST] += cost


@jit
def highest_ratio(b):
    """The price per predicted value at which bin ``b`` ends."""
    return 2.0 ** (LOWEST + (b + 1) / OCTAVE)


@inline
def place_of(ranking, slots, n, t):
    """The slot that ``n`` wins, ``slots`` without one."""
    place = slots
    for k in range(slots):
        if ranking.winner[k, t] == n:
            place = k
    return place


@inline
def price_to_beat(ranking, rule, place, k, t):
    """The score that wins slot ``k`` against all but who is at ``place``.

    It is at least the reserve, where scores are bids whatever they are charged for.
    """
    rank = k if k < place else k + 1
    to_beat = rule.reserve  # whoever comes behind the slots has a score, and not always a name
    if rank == rule.slots or ranking.winner[rank, t] >= 0:
        to_beat = max(ranking.score[rank, t], rule.reserve)
    return np.float64(to_beat)


@jit
def listen(listeners, ranking, candidates, rule, landscape, start, stop):
    """Enter auctions ``start`` to ``stop`` of a tile, at the scores that win the slots against the others.

    ``listeners`` (L,) are the campaigns that listen; ``landscape`` (N, BINS, COLUMNS).
    """
    slots = rule.slots
    for i in range(listeners.size):
        n = listeners[i]
        for t in range(start, stop):
            value = np.float64(candidates.value[n, t])
            place = place_of(ranking, slots, n, t)
            below = 0.0
            for k in range(slots - 1, -1, -1):
                to_beat = price_to_beat(ranking, rule, place, k, t)
                if k == slots - 1:
                    enter(landscape[n], value, to_beat)
                seen, next_seen = np.float64(rule.exposure[k]), np.float64(rule.exposure[k + 1])
                enter_step(landscape[n], value, to_beat, (seen - next_seen) * value, seen * to_beat - below)
                below = seen * to_beat
