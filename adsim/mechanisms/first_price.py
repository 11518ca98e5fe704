"""First price: rank by score, pay your bid."""

import numpy as np

from adsim.kernels.jit import inline
from adsim.kernels.pricing import winner_terms
from adsim.kernels.ranking import rank_bids
from adsim.mechanisms.base import Mechanism


@inline
def clear_tile(candidates, rule, ranking, origin, start, stop):
    """Fill winners and prices of opportunities ``start`` to ``stop``."""
    rank_bids(candidates, rule, ranking, start, stop)
    for k in range(rule.slots):
        if rule.plain:
            bid = ranking.score[k]
        else:
            winner_terms(candidates, rule, ranking, k, start, stop)
            bid = ranking.ceiling
        price, winner = ranking.price[k], ranking.winner[k]
        for t in range(np.uint64(start), np.uint64(stop)):
            price[t] = bid[t] if winner[t] >= 0 else rule.zero


class FirstPrice(Mechanism):
    """Slot k's winner pays its bid. A bidder that wants a surplus must shade."""

    name = "first_price"
    summary = "rank by score, pay the bid"
    clear_tile = staticmethod(clear_tile)
