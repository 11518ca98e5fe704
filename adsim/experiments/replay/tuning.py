"""The bid of linear bidding at the average value, as a training log would have had it.

The protocol of Cai et al., "Real-Time Bidding by Reinforcement Learning in Display Advertising" (WSDM 2017): most
clicks on the same budget, over a grid of 5, 10, ..., 300.
"""

import numpy as np

from adsim.kernels.replay import replay
from adsim.logs.auctions import Auctions

GRID = range(5, 301, 5)


def tuned_b0(training: Auctions, average: float, budget: int, episode: int, max_bid: int) -> int:
    """The b0 with most clicks in the whole episodes of a training log; the highest where several have.

    Parameters
    ----------
    training : Auctions
        The log; one that is shorter than an episode is taken as one.
    average : float
        Average value, see `adsim.agents.linear.Linear`.
    budget : int
        Of an episode, in the unit of the prices.
    episode : int
        Impressions of an episode.
    max_bid : int
        Higher bids are lowered to it.
    """
    last = max(len(training.price) // episode, 1) * episode
    parts = [training.part(start, start + episode) for start in range(0, last, episode)]
    clicks = [sum(replay(part.value * b0 / average, *part, budget, max_bid)[1] for part in parts) for b0 in GRID]
    return GRID[len(GRID) - 1 - int(np.argmax(clicks[::-1]))]
