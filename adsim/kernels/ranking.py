"""The best candidates of each opportunity of a tile; ties go to the lower index.

Candidate ``n`` scores ``min(multiplier[n] * base[n, t], cap[n])``; one that scores below ``floor`` does not
compete. Networks of branch-free exchanges, each exact: best two (one slot), best four and best K + 1 by integer
keys (float32), best K + 1 by exchanging score and index (float64).
"""

import numba
import numpy as np
from numba import types
from numba.extending import overload

from adsim.kernels.auction import score_bids
from adsim.kernels.bits import bits_float, float_bits
from adsim.kernels.jit import inline, jit

HALF_WORD = np.int64(32)
INDEX = np.int64(0xFFFFFFFF)
ABSENT = np.float32(-1)
KEYS = 256
"""Opportunities whose keys are sorted together: with eight slots they still fit the first-level cache."""


@inline
def rank_bids(candidates, rule, ranking, start, stop):
    """Rank by bid alone (plain) or by score, bids below the reserve left out."""
    if rule.plain:
        multiplier, cap = candidates.multiplier, candidates.cap
        rank(
            candidates.value,
            multiplier,
            cap,
            rule.reserve,
            rule.below_reserve,
            rule.slots,
            ranking,
            start,
            stop,
        )
    else:
        score_bids(candidates, rule, ranking.scores, start, stop)
        rank_scores(rule, ranking, start, stop)


@inline
def rank_scores(rule, ranking, start, stop):
    """Rank by the tile of scores, negative ones left out."""
    ones, uncapped = ranking.ones, ranking.uncapped
    rank(ranking.scores, ones, uncapped, rule.zero, rule.below_zero, rule.slots, ranking, start, stop)


def rank(base, multiplier, cap, floor, below, slots, ranking, start, stop):
    """Fill the first ``slots`` rows of ``ranking.winner`` and the first ``slots + 1`` of ``ranking.score``."""
    if slots == 1:
        best, second, winner = ranking.score[0], ranking.score[1], ranking.winner[0]
        _best_two(base, multiplier, cap, floor, below, best, second, winner, start, stop)
    elif base.dtype == np.float32 and slots <= 3:
        keys, winner, score = ranking.keys, ranking.winner, ranking.score
        _best_four(base, multiplier, cap, floor, slots, keys, winner, score, start, stop)
    elif base.dtype == np.float32:
        keys, high, low = ranking.keys, ranking.high, ranking.low
        winner, score = ranking.winner, ranking.score
        _best_by_key(base, multiplier, cap, floor, slots, keys, high, low, winner, score, start, stop)
    else:
        _best_by_exchange(base, multiplier, cap, floor, below, slots, ranking, start, stop)


@overload(rank, inline="always")
def _compile_rank(base, multiplier, cap, floor, below, slots, ranking, start, stop):
    def rank_float32(base, multiplier, cap, floor, below, slots, ranking, start, stop):
        if slots == 1:
            best, second, winner = ranking.score[0], ranking.score[1], ranking.winner[0]
            _best_two(base, multiplier, cap, floor, below, best, second, winner, start, stop)
        elif slots <= 3:
            keys, winner, score = ranking.keys, ranking.winner, ranking.score
            _best_four(base, multiplier, cap, floor, slots, keys, winner, score, start, stop)
        else:
            keys, high, low = ranking.keys, ranking.high, ranking.low
            winner, score = ranking.winner, ranking.score
            for block in range(start, stop, KEYS):
                end = min(stop, block + KEYS)
                _best_by_key(base, multiplier, cap, floor, slots, keys, high, low, winner, score, block, end)

    def rank_float64(base, multiplier, cap, floor, below, slots, ranking, start, stop):
        if slots == 1:
            best, second, winner = ranking.score[0], ranking.score[1], ranking.winner[0]
            _best_two(base, multiplier, cap, floor, below, best, second, winner, start, stop)
        else:
            _best_by_exchange(base, multiplier, cap, floor, below, slots, ranking, start, stop)

    return rank_float32 if base.dtype == types.float32 else rank_float64


@jit
def _best_two(base, multiplier, cap, floor, below, best, second, winner, start, stop):
    """Winner, best and second-best score: four candidates a pass, so that the tile is read once."""
    first, last = np.uint64(start), np.uint64(stop)
    for t in range(first, last):
        best[t] = below
        second[t] = floor
        winner[t] = -1
    n = 0
    while n + 4 <= base.shape[0]:
        i = np.int32(n)
        for t in range(first, last):
            a, b, w = best[t], second[t], winner[t]
            for u in range(4):
                score = min(multiplier[n + u] * base[n + u, t], cap[n + u])
                b = max(b, min(a, score))
                w = np.int32(i + u) if score > a else w
                a = max(a, score)
            best[t], second[t], winner[t] = a, b, w
        n += 4
    while n < base.shape[0]:
        i = np.int32(n)
        for t in range(first, last):
            score = min(multiplier[n] * base[n, t], cap[n])
            second[t] = max(second[t], min(best[t], score))
            winner[t] = i if score > best[t] else winner[t]
            best[t] = max(best[t], score)
        n += 1


@jit
def _best_four(base, multiplier, cap, floor, slots, keys, winner, score, start, stop):
    """The best four by key (see `_best_by_key`), all in registers.

    Four candidates are sorted, then the better of the best-so-far and the newcomers in reverse are the best four of
    both, as a bitonic sequence that two exchanges sort (Batcher 1968).
    """
    first, last = np.uint64(start), np.uint64(stop)
    count = base.shape[0]
    zero = floor - floor
    empty = np.int64(float_bits(floor)) << HALF_WORD
    k0, k1, k2, k3 = keys[0], keys[1], keys[2], keys[3]
    for t in range(first, last):
        k0[t], k1[t], k2[t], k3[t] = empty, empty, empty, empty
    for n in range(0, count, 4):
        n1, n2, n3 = min(n + 1, count - 1), min(n + 2, count - 1), min(n + 3, count - 1)
        r0, r1, r2, r3 = base[n], base[n1], base[n2], base[n3]
        m0, m1, m2, m3 = multiplier[n], multiplier[n1], multiplier[n2], multiplier[n3]
        c0 = cap[n]
        c1 = cap[n1] if n + 1 < count else ABSENT
        c2 = cap[n2] if n + 2 < count else ABSENT
        c3 = cap[n3] if n + 3 < count else ABSENT
        i0, i1, i2, i3 = np.int64(count - n), np.int64(count - n1), np.int64(count - n2), np.int64(count - n3)
        for t in range(first, last):
            a = (np.int64(float_bits(min(m0 * r0[t], c0) + zero)) << HALF_WORD) | i0
            b = (np.int64(float_bits(min(m1 * r1[t], c1) + zero)) << HALF_WORD) | i1
            c = (np.int64(float_bits(min(m2 * r2[t], c2) + zero)) << HALF_WORD) | i2
            d = (np.int64(float_bits(min(m3 * r3[t], c3) + zero)) << HALF_WORD) | i3
            a, b = max(a, b), min(a, b)
            c, d = max(c, d), min(c, d)
            a, c = max(a, c), min(a, c)
            b, d = max(b, d), min(b, d)
            b, c = max(b, c), min(b, c)
            a, b, c, d = max(k0[t], d), max(k1[t], c), max(k2[t], b), max(k3[t], a)
            a, c = max(a, c), min(a, c)
            b, d = max(b, d), min(b, d)
            k0[t], k1[t], k2[t], k3[t] = max(a, b), min(a, b), max(c, d), min(c, d)
    _read_keys(keys, count, slots, winner, score, first, last)


@jit
def _read_keys(keys, count, slots, winner, score, first, last):
    """Candidates and scores of sorted keys."""
    for k in range(slots + 1):
        for t in range(first, last):
            key = keys[k, t]
            index = np.int32(count) - np.int32(key & INDEX)
            winner[k, t] = index if index < count else np.int32(-1)
            score[k, t] = bits_float(np.int32(key >> HALF_WORD))


@jit
def _best_by_key(base, multiplier, cap, floor, slots, keys, high, low, winner, score, start, stop):
    """Sort by one integer: the bits of the score above, counted down from the index below.

    Bits of non-negative floats order as the floats do; those of negative ones lie below every key. Two candidates
    pass two ranks at a time, to keep the keys in registers.
    """
    first, last = np.uint64(start), np.uint64(stop)
    count = base.shape[0]
    zero = floor - floor
    empty = np.int64(float_bits(floor)) << HALF_WORD
    ranks = slots + 1 + (slots + 1) % 2
    for k in range(ranks):
        for t in range(first, last):
            keys[k, t] = empty
    for n in range(0, count, 2):
        m = min(n + 1, count - 1)
        i, j = np.int64(count - n), np.int64(count - m)
        for t in range(first, last):
            x = min(multiplier[n] * base[n, t], cap[n]) + zero
            y = min(multiplier[m] * base[m, t], cap[m]) + zero
            a = (np.int64(float_bits(x)) << HALF_WORD) | i
            b = (np.int64(float_bits(y)) << HALF_WORD) | j if m > n else empty
            high[t], low[t] = max(a, b), min(a, b)
        for k in range(0, min(ranks, n + 2), 2):
            upper, lower = keys[k], keys[k + 1]
            for t in range(first, last):
                a, b = high[t], low[t]
                rest = min(upper[t], a)
                upper[t] = max(upper[t], a)
                a, b = max(rest, b), min(rest, b)
                rest = min(lower[t], a)
                lower[t] = max(lower[t], a)
                high[t], low[t] = max(rest, b), min(rest, b)
    _read_keys(keys, count, slots, winner, score, first, last)


@jit
def _best_by_exchange(base, multiplier, cap, floor, below, slots, ranking, start, stop):
    """Insert each candidate into the sorted ranks; what it displaces goes on down, before its equals."""
    score, winner, moving = ranking.score, ranking.winner, ranking.ceiling
    first, last = np.uint64(start), np.uint64(stop)
    for k in range(slots + 1):
        for t in range(first, last):
            score[k, t] = below
            winner[k, t] = -1
    for n in range(base.shape[0]):
        for t in range(first, last):
            moving[t] = min(multiplier[n] * base[n, t], cap[n])
            ranking.high[t] = n
        for k in range(min(slots + 1, n + 1)):
            for t in range(first, last):
                a, b, i, j = score[k, t], moving[t], winner[k, t], np.int32(ranking.high[t])
                above = (b > a) | ((b == a) & (j < i))
                score[k, t] = b if above else a
                winner[k, t] = j if above else i
                moving[t] = a if above else b
                ranking.high[t] = i if above else j
    for k in range(slots + 1):
        for t in range(first, last):
            score[k, t] = max(score[k, t], floor)


if numba.config.DISABLE_JIT:
    del _compile_rank
