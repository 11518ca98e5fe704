"""Bids from a value table, and the replay of a log by them: what is left after each auction sets the next bid.

Cai et al., "Real-Time Bidding by Reinforcement Learning in Display Advertising" (WSDM 2017, arXiv 1701.02490). Beyond
the table the bid is that of the state with the same budget per opportunity in its last row, as they map actions.

A compact table holds D(n, b) = V(n, b + 1) - V(n, b), what another unit of money brings, at few n and b / n. They fit
a network to it; here it is linear between the points, in sqrt(b / n) and 1 / sqrt(n), and so on to infinite n. Both
roots are ours: D moves as fast as prices spread over n opportunities, and most where money is scarce.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim.kernels.jit import inline, jit
from adsim.types import Floats


class Table(NamedTuple):
    """A table to bid by: one of the two is without rows."""

    highest: int
    """The highest bid (P)."""
    values: Floats
    """V, see `adsim.kernels.value_table`; (N, B + 1)."""
    points: Floats
    """1 / sqrt(n) of the rows of D, falling from 1 to 0; (R,)."""
    gains: Floats
    """D in the middle of cells whose ends are at b / n = P (j / C)^2; (R, C)."""


@inline
def table_bid(table, later, left, value):
    """The highest whole price at which winning, and all prices below, is worth what it costs later.

    Parameters
    ----------
    table : Table
    later : int
        Opportunities after this one.
    left : int
        Budget left, in the unit of the prices.
    value : float
        Of this opportunity.
    """
    if table.gains.shape[0] > 0:
        bid = int(compact_price(table.points, table.gains, table.highest, later, np.float64(left), value))
    else:
        bid = _exact_bid(table.values, table.highest, later, left, value)
    return bid


@jit
def _exact_bid(values, highest, later, left, value):
    rows = values.shape[0]
    if later >= rows:
        left = left * (rows - 1) // later
        later = rows - 1
    left = min(left, values.shape[1] - 1)
    row = values[later]
    highest = min(highest, left)
    bid = 0
    while bid < highest and value + (row[left - bid - 1] - row[left]) >= 0:
        bid += 1
    return bid


@jit
def compact_price(points, gains, highest, later, left, value):
    """As `table_bid`, with the fraction of a unit that is affordable beyond whole prices; ``left`` may have one."""
    most, bid = min(np.float64(highest), left), 0.0
    if later == 0:
        return most
    point, row = 1 / np.sqrt(later), 0
    while row < points.size - 2 and points[row + 1] >= point:
        row += 1
    weight = (points[row] - point) / (points[row] - points[row + 1])
    scale = gains.shape[1] * point / np.sqrt(highest)
    while bid < most:
        gain = _gain(gains[row], gains[row + 1], weight, scale * np.sqrt(max(left - bid - 0.5, 0.0)))
        if value < gain:
            return min(bid + value / gain, most)
        value -= gain
        bid += 1
    return most


@inline
def _gain(before, after, weight, place):
    """Between two rows, ``weight`` of the way to the second, and between the middles of two cells."""
    j = min(max(int(place - 0.5), 0), before.size - 2)
    part = min(max(place - 0.5 - j, 0.0), 1.0)
    first = before[j] + weight * (after[j] - before[j])
    second = before[j + 1] + weight * (after[j + 1] - before[j + 1])
    return first + part * (second - first)


@jit
def table_bids(
    table: Table, later: NDArray[np.int64], left: NDArray[np.int64], value: Floats, bid: NDArray[np.int64]
) -> None:
    """Fill ``bid`` with those of E states, arrays of shape (E,); see `table_bid`."""
    for i in range(bid.size):
        bid[i] = table_bid(table, later[i], left[i], value[i])


@jit
def replay_by_table(
    table: Table, value: Floats, price: NDArray[np.int64], click: NDArray[np.bool_], budget: int, opportunities: int
) -> tuple[int, int, int]:
    """Bid for the impressions of an episode, by the rule of `adsim.kernels.replay.replay`.

    Parameters
    ----------
    table : Table
    value : ndarray of float64, shape (T,)
        What the bidder takes each impression to be worth.
    price : ndarray of int64, shape (T,)
        Market price; won at this price if the bid reaches it.
    click : ndarray of bool, shape (T,)
    budget : int
        Of the episode, in the unit of the prices.
    opportunities : int
        That the bidder expects; T at least.

    Returns
    -------
    impressions, clicks, cost : int
        Of the auctions won.
    """
    impressions, clicks, cost = 0, 0, 0
    for t in range(len(price)):
        if table_bid(table, opportunities - t - 1, budget - cost, value[t]) >= price[t]:
            impressions += 1
            clicks += click[t]
            cost += price[t]
    return impressions, clicks, cost
