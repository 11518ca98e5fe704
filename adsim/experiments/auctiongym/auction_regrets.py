"""Where advertisers lose money in single-slot auctions: AuctionGym's four regrets, per auction.

O. Jeunen, S. Murphy & B. Allison, "Learning to bid with AuctionGym" (AdKDD 2022); `underbid_regret` is theirs under
first price and our reading of it elsewhere.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim.types import Floats


class Sale(NamedTuple):
    """T single-slot auctions of P participants, the campaigns in each numbered by their seats; money per exposure."""

    best: Floats
    """Highest true expected value among a participant's ads; (T, P)."""
    value: Floats
    """True expected value of the ad that it bid with; (T, P)."""
    predicted: Floats
    """What it took that value for; (T, P)."""
    bid: Floats
    """(T, P)"""
    winner: NDArray[np.int64]
    """Seat, -1 where nobody reached the reserve; (T,)."""
    price: Floats
    """0 where unsold; (T,)."""

    @property
    def won(self) -> NDArray[np.bool_]:
        """Who won; (T, P)."""
        return np.asarray(np.arange(self.bid.shape[1]) == self.winner[:, None])


def welfare(sale: Sale) -> float:
    """True expected value of what was shown."""
    return _per_auction(sale, sale.value, sale.won)


def revenue(sale: Sale) -> float:
    """What was paid."""
    return float(sale.price.mean())


def surplus(sale: Sale) -> float:
    """Welfare less revenue: what is left to the advertisers."""
    return welfare(sale) - revenue(sale)


def allocation_regret(sale: Sale) -> float:
    """``best value - value``, over all participants: lost by bidding with another than the best ad."""
    return _per_auction(sale, sale.best - sale.value)


def estimation_regret(sale: Sale) -> float:
    """``predicted value - value``, over all participants: how far values are over-estimated.

    Signed: negative where they are under-estimated, and errors of both signs cancel.
    """
    return _per_auction(sale, sale.predicted - sale.value)


def overbid_regret(sale: Sale) -> float:
    """``price - second bid`` of the winners: what they could have shaded. 0 under second price without a reserve."""
    return _per_auction(sale, sale.price[:, None] - _to_beat(sale), sale.won)


def underbid_regret(sale: Sale) -> float:
    """``bid to beat - bid`` of losers whose value is higher than the bid to beat: a profit left to others.

    The bid to beat is the winner's: what a loser would have had to bid and, under first and second price alike, to
    pay. AuctionGym takes the winner's price for it, which under second price is what the best loser bid itself.
    """
    to_beat = _to_beat(sale)
    missed = (sale.winner >= 0)[:, None] & ~sale.won & (sale.value > to_beat)
    return _per_auction(sale, to_beat - sale.bid, missed)


METRICS = {
    "welfare": welfare,
    "surplus": surplus,
    "revenue": revenue,
    "allocation_regret": allocation_regret,
    "estimation_regret": estimation_regret,
    "overbid_regret": overbid_regret,
    "underbid_regret": underbid_regret,
}


def _per_auction(sale: Sale, amounts: Floats, where: NDArray[np.bool_] | None = None) -> float:
    """Sum over participants, mean over auctions."""
    return float((amounts if where is None else np.where(where, amounts, 0)).sum() / len(amounts))


def _to_beat(sale: Sale) -> Floats:
    """The highest bid of the others, 0 without others; (T, P)."""
    if sale.bid.shape[1] == 1:
        return np.zeros_like(sale.bid)
    second, first = np.sort(sale.bid, axis=1)[:, -2:].T
    alone = np.argmax(sale.bid, axis=1)
    return np.where(np.arange(sale.bid.shape[1]) == alone[:, None], second[:, None], first[:, None])
