"""Value of the opportunities left with the budget left where later values are random too, by dynamic programming.

Cai et al. (WSDM 2017, arXiv 1701.02490) state V(n, b) as an expectation over market prices and over what an
opportunity is worth, and compute it with the average worth in place of the latter; see `adsim.kernels.value_table`.
This one keeps the expectation, derived by us: with m(d) the probability of price d, and q_k that of value v_k,
independent of the price,

V(n, b) = V(n-1, b) + sum over d = 0..b of m(d) sum over k of q_k max(0, v_k - V(n-1, b) + V(n-1, b-d)).

With a single value this is their table. A tile of budgets loses nearly the same at a price, so that most values win
or lose for all of it: those that win are summed before, those that lose end the sum, few are looked at one by one.
"""

import numpy as np
from numpy.typing import NDArray

from adsim.kernels.jit import jit
from adsim.kernels.value_table import SATURATED, TILE
from adsim.types import Floats


@jit
def fill_spread(
    share: Floats,
    value: Floats,
    value_bits: NDArray[np.int64],
    value_share: Floats,
    above: Floats,
    loss: Floats,
    bits: NDArray[np.int64],
    values: Floats,
    first: int,
) -> None:
    """Fill a value table.

    Parameters
    ----------
    share : ndarray of float64, shape (P + 1,)
        Probability of each market price from 0 to P, the highest that can be bid.
    value, value_share : ndarray of float64, shape (K,)
        What opportunities are worth, rising, and how probable that is.
    above : ndarray of float64, shape (2, K + 1)
        Sums over the values from each on: of their probabilities, and of these times the values.
    loss : ndarray of float64, shape (TILE,)
        Room for what a tile of budgets loses by paying a price.
    value_bits, bits : ndarray of int64
        The same memory as ``value`` and ``loss``: numbers that are not negative have the order of their bits, whose
        least is found by vectors.
    values : ndarray of float64, shape (N, B + 1)
        Row 0 holds the expected value of ``first`` opportunities with budget ``b`` (columns), each a whole number
        from 0 on; the rows below are filled with those of one opportunity more each.
    first : int
        0 for a table from its beginning, whose row 0 is zeros.
    """
    one = 0.0
    for d in range(share.size):
        one += share[d] * above[1, 0]
    for n in range(1, values.shape[0]):
        most = (first + n) * one
        _fill_row(values[n - 1], share, value, value_bits, value_share, above, loss, bits, most, values[n])


@jit
def _fill_row(later, share, value, value_bits, value_share, above, loss, bits, most, row):
    """One more opportunity; ``most`` is the value of winning all."""
    row[0] = 0.0
    for start in range(1, later.size, TILE):
        stop = min(start + TILE, later.size)
        for b in range(start, stop):
            row[b] = later[b]
        some = every = 0  # the first value that wins at one budget of the tile, and at all
        for d in range(min(share.size, stop)):
            first = max(start, d)
            count = stop - first
            low, high = _losses(later[first:stop], later[first - d : stop - d], loss, bits, count)
            while some < value.size and value_bits[some] < low:
                some += 1
            while every < value.size and value_bits[every] < high:
                every += 1
            if some == value.size:
                break
            _add(row[first:stop], loss, share[d], above[0, every], above[1, every], count)
            for k in range(some, every):
                _add_some(row[first:stop], loss, share[d] * value_share[k], value[k], count)
        for b in range(start, stop):
            if abs(row[b] - most) < SATURATED:
                for higher in range(b + 1, row.size):
                    row[higher] = most
                return


@jit
def _losses(later, after_win, loss, bits, count):
    """Fill ``loss``; returns the bits of the least and the largest."""
    for i in range(np.uint64(count)):
        loss[i] = max(later[i] - after_win[i], 0.0)
    low, high = bits[0], bits[0]
    for i in range(np.uint64(count)):
        low, high = min(low, bits[i]), max(high, bits[i])
    return low, high


@jit
def _add(row, loss, share, chance, worth, count):
    """Values that win at all budgets."""
    for i in range(np.uint64(count)):
        row[i] += share * (worth - chance * loss[i])


@jit
def _add_some(row, loss, share, value, count):
    """A value that wins where it is above the loss."""
    for i in range(np.uint64(count)):
        row[i] += share * max(0.0, value - loss[i])
