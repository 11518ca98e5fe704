"""Second-price auctions against logged market prices, under a budget that holds to the last unit.

The rule of Cai et al., "Real-Time Bidding by Reinforcement Learning in Display Advertising" (WSDM 2017): bids
are whole numbers, never above the budget left; a bid that ties with the market price wins and pays it.
"""

import numpy as np
from numpy.typing import NDArray

from adsim.kernels.jit import jit
from adsim.types import Floats


@jit
def replay(
    bid: Floats,
    value: Floats,
    price: NDArray[np.int64],
    click: NDArray[np.bool_],
    budget: int,
    max_bid: int,
) -> tuple[int, int, int, float]:
    """Bid for consecutive impressions: an episode, or any part of one with the budget it has left.

    Parameters
    ----------
    bid : ndarray of float64, shape (T,)
        Not negative; rounded down to a whole number, then capped by ``max_bid`` and the budget left.
    value : ndarray of float64, shape (T,)
        Predicted value of each impression.
    price : ndarray of int64, shape (T,)
        Market price; won at this price if the bid reaches it.
    click : ndarray of bool, shape (T,)
    budget : int
        Money at the first impression, in the unit of the prices.
    max_bid : int

    Returns
    -------
    impressions, clicks, cost : int
        Of the auctions won; cost never exceeds the budget.
    predicted : float
        Sum of the values won.
    """
    impressions, clicks, cost, predicted = 0, 0, 0, 0.0
    for t in range(len(bid)):
        if min(np.int64(min(bid[t], max_bid)), budget - cost) >= price[t]:
            impressions += 1
            clicks += click[t]
            cost += price[t]
            predicted += value[t]
    return impressions, clicks, cost, predicted
