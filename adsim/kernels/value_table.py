"""Value of the opportunities left with the budget left, against random whole market prices, by dynamic programming.

Cai et al., "Real-Time Bidding by Reinforcement Learning in Display Advertising" (WSDM 2017, arXiv 1701.02490): with
m(d) the probability of market price d and v the average value of an opportunity,

V(n, b) = V(n-1, b) + sum over d = 0..a of m(d) (v + V(n-1, b-d) - V(n-1, b)),

where a, the best bid at the average value, is the highest whole price up to b at which the bracket is not negative.
V(n, 0) = 0, as in their experiments, though an opportunity of price 0 could be won with nothing.

A tile of budgets shares the loop over prices, so that each addition is a vector's; the sum of one budget still runs
from the lowest price up, with the bits of a scalar loop.
"""

import numpy as np
from numpy.typing import NDArray

from adsim.kernels.jit import jit
from adsim.types import Floats

TILE = 512
SATURATED = 1e-10
"""A value so near to that of winning all opportunities stands for it, for this and every larger budget."""


@jit
def fill_values(share: Floats, value: float, bid: NDArray[np.int64], values: Floats, first: int) -> None:
    """Fill a value table.

    Parameters
    ----------
    share : ndarray of float64, shape (P + 1,)
        Probability of each market price from 0 to P, the highest that can be bid.
    value : float
        Average value of an opportunity, positive.
    bid : ndarray of int64, shape (B + 1,)
        Room for the best bids of a row.
    values : ndarray of float64, shape (N, B + 1)
        Row 0 holds the expected value of ``first`` opportunities with budget ``b`` (columns), each a whole number
        from 0 on; the rows below are filled with those of one opportunity more each.
    first : int
        0 for a table from its beginning, whose row 0 is zeros.
    """
    one = 0.0
    for d in range(share.size):
        one += share[d] * value
    for n in range(1, values.shape[0]):
        _best_bids(values[n - 1], value, share.size - 1, bid)
        _fill_row(values[n - 1], bid, share, value, (first + n) * one, values[n])


@jit
def _best_bids(later, value, highest, bid):
    """Bids at the average value: what is left after a win never falls as the budget rises, so one pass finds all."""
    left = later.size - 1
    for b in range(later.size - 1, -1, -1):
        while left >= 0 and later[left] - later[b] + value >= 0:
            left -= 1
        bid[b] = min(highest, b - left - 1)


@jit
def _fill_row(later, bid, share, value, most, row):
    """One more opportunity; ``most`` is the value of winning all."""
    row[0] = 0.0
    for start in range(1, later.size, TILE):
        stop = min(start + TILE, later.size)
        low = high = bid[start]
        for b in range(start, stop):
            row[b] = later[b]
            low, high = min(low, bid[b]), max(high, bid[b])
        for d in range(low + 1):
            _add(row[start:stop], later[start:stop], later[start - d : stop - d], share[d], value, stop - start)
        for d in range(low + 1, high + 1):
            first = max(start, d)
            rest = later[first - d : stop - d]
            _add_some(row[first:stop], later[first:stop], rest, bid[first:stop], d, share[d], value, stop - first)
        for b in range(start, stop):
            if abs(row[b] - most) < SATURATED:
                for above in range(b + 1, row.size):
                    row[above] = most
                return


@jit
def _add(row, later, after_win, share, value, count):
    for i in range(np.uint64(count)):
        row[i] += share * (value + (after_win[i] - later[i]))


@jit
def _add_some(row, later, after_win, bid, price, share, value, count):
    """Where the bid reaches the price."""
    for i in range(np.uint64(count)):
        gain = share * (value + (after_win[i] - later[i]))
        row[i] = row[i] + gain if bid[i] >= price else row[i]
