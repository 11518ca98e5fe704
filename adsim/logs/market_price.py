"""The market price as a random whole number: a histogram of an earlier log, smoothed.

Laplace smoothing, as in Cai et al., "Real-Time Bidding by Reinforcement Learning in Display Advertising" (WSDM 2017):
every price counts once more than it was seen.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from adsim.logs.base import Impressions
from adsim.types import Floats

Histogram = Mapping[int, int]
"""How often each market price was seen."""


def price_shares(histogram: Histogram, max_bid: int) -> Floats:
    """Probability of each price from 0 to ``max_bid``, shape (max_bid + 1,).

    (count + 1) / (all + max_bid + 1): what is missing to 1 are higher prices, that no bid reaches.
    """
    count = np.zeros(max_bid + 1)
    for price, seen in histogram.items():
        if price <= max_bid:
            count[price] = seen
    return (count + 1) / (sum(histogram.values()) + max_bid + 1)


def counted(chunks: Iterable[Impressions], histogram: Counter[int]) -> Iterator[Impressions]:
    """Pass a log on, counting its prices."""
    for chunk in chunks:
        price, count = np.unique(chunk.price, return_counts=True)
        histogram.update(dict(zip(price.tolist(), count.tolist(), strict=True)))
        yield chunk
