"""Bidders that choose for each auction how far to shade their bid, and learn between rounds of auctions.

What AuctionGym compares: O. Jeunen, S. Murphy & B. Allison, "Learning to bid with AuctionGym" (AdKDD 2022) and
"Off-policy learning-to-bid with AuctionGym" (KDD 2023).
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim.types import Floats


class Feedback(NamedTuple):
    """What a bidder learns from a round: the n auctions that it took part in; (n,)."""

    rate: Floats
    """Predicted click rate of the ad."""
    value: Floats
    """Of a click."""
    factor: Floats
    """Bid over predicted value, as the bidder drew it."""
    won: NDArray[np.bool_]
    earned: Floats
    """Value of the click, if there was one, less the price; 0 where lost."""

    @property
    def worth(self) -> Floats:
        """Predicted value of an exposure."""
        return self.rate * self.value

    @property
    def features(self) -> Floats:
        """What factors are chosen by: 1, rate and value; (n, 3)."""
        return features(self.rate, self.value)


class Bidder(ABC):
    """Bids a factor times the predicted value, the factor chosen for each auction."""

    @abstractmethod
    def factor(self, rate: Floats, value: Floats) -> Floats:
        """The factor of each auction, from predicted click rates and click values; (n,)."""

    @abstractmethod
    def learn(self, feedback: Feedback) -> None:
        """See how a round's auctions went."""


class Truthful(Bidder):
    """Bids the predicted value: best where the price does not depend on the bid."""

    def factor(self, rate: Floats, value: Floats) -> Floats:
        """1."""
        return np.ones_like(rate)

    def learn(self, feedback: Feedback) -> None:
        """Nothing."""


def features(rate: Floats, value: Floats) -> Floats:
    """1, rate and value; (n, 3)."""
    return np.column_stack([np.ones_like(rate), rate, value])
