"""Bids from a value table, and the replay of a log by them: what is left after each auction sets the next bid.

Cai et al., "Real-Time Bidding by Reinforcement Learning in Display Advertising" (WSDM 2017, arXiv 1701.02490). Beyond
the table the bid is that of the state with the same budget per opportunity in its last row, as they map actions.
"""

import numpy as np
from numpy.typing import NDArray

from adsim.kernels.jit import jit
from adsim.types import Floats


@jit
def table_bid(values: Floats, highest: int, later: int, left: int, value: float) -> int:
    """The highest whole price at which winning, and all prices below, is worth what it costs later.

    Parameters
    ----------
    values : ndarray of float64, shape (N, B + 1)
        See `adsim.kernels.value_table`.
    highest : int
        The highest bid.
    later : int
        Opportunities after this one.
    left : int
        Budget left, in the unit of the prices.
    value : float
        Of this opportunity.
    """
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
def table_bids(
    values: Floats,
    highest: int,
    later: NDArray[np.int64],
    left: NDArray[np.int64],
    value: Floats,
    bid: NDArray[np.int64],
) -> None:
    """Fill ``bid`` with those of E states, arrays of shape (E,); see `table_bid`."""
    for i in range(bid.size):
        bid[i] = table_bid(values, highest, later[i], left[i], value[i])


@jit
def replay_by_table(
    values: Floats,
    highest: int,
    value: Floats,
    price: NDArray[np.int64],
    click: NDArray[np.bool_],
    budget: int,
    opportunities: int,
) -> tuple[int, int, int]:
    """Bid for the impressions of an episode, by the rule of `adsim.kernels.replay.replay`.

    Parameters
    ----------
    values, highest
        See `table_bid`.
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
        if table_bid(values, highest, opportunities - t - 1, budget - cost, value[t]) >= price[t]:
            impressions += 1
            clicks += click[t]
            cost += price[t]
    return impressions, clicks, cost
