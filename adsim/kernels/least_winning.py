"""Auctions against logged lowest winning bids, conversions drawn anew: AuctionNet's offline evaluation."""

import numpy as np
from numpy.typing import NDArray

from adsim.kernels.counter import draw, mix, normal_pair, stream, uniform_double
from adsim.kernels.jit import jit
from adsim.types import Floats


@jit
def fill_outcome_keys(seed, period, advertiser, keys):
    """Keys of what is uncertain about an advertiser's period, its values and its conversions; keys (2,)."""
    own = stream(stream(mix(seed), period), advertiser)
    keys[0], keys[1] = stream(own, 0), stream(own, 1)


@jit
def bid_for(
    bid: Floats, value: Floats, sigma: Floats, least: Floats, first: int, left: float, keys: NDArray[np.uint64]
) -> tuple[int, int, float, float]:
    """Bid for consecutive opportunities, one after the other.

    A bid above 0 that reaches the lowest winning one wins and pays it, if the money left does too. What is won is
    shown, and converts with a probability drawn around the predicted one.

    Parameters
    ----------
    bid, value, sigma, least : ndarray of float64, shape (T,)
        Money per exposure; predicted conversion probability and its standard deviation; lowest winning bid.
    first : int
        Number of the first opportunity among the advertiser's of the period, by which outcomes are drawn: whoever
        wins it, at whatever bid, gets the same.
    left : float
        Money.
    keys : ndarray of uint64, shape (2,)
        See `fill_outcome_keys`.

    Returns
    -------
    wins, conversions : int
    predicted : float
        Sum of the values won.
    left : float
        Never below 0.
    """
    wins, conversions, predicted = 0, 0, 0.0
    for t in range(len(bid)):
        if bid[t] > 0 and min(bid[t], left) >= least[t]:
            index = np.uint64(first + t)
            z, _ = normal_pair(draw(keys[0], index))
            probability = value[t] + sigma[t] * np.float64(z)
            wins += 1
            conversions += uniform_double(draw(keys[1], index)) < probability
            predicted += value[t]
            left -= least[t]
    return wins, conversions, predicted, left
