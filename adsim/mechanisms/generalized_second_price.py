"""Generalised second price: rank by score, pay the least bid that keeps the slot."""

import numpy as np

from adsim.kernels.jit import inline, jit
from adsim.kernels.pricing import price_of_score, winner_terms
from adsim.kernels.ranking import rank_bids
from adsim.mechanisms.base import Mechanism


@inline
def clear_tile(candidates, rule, ranking, origin, start, stop):
    """Fill winners and prices of opportunities ``start`` to ``stop``."""
    rank_bids(candidates, rule, ranking, start, stop)
    for k in range(rule.slots):
        price, winner, below = ranking.price[k], ranking.winner[k], ranking.score[k + 1]
        if rule.plain:
            for t in range(np.uint64(start), np.uint64(stop)):
                price[t] = below[t] if winner[t] >= 0 else rule.zero
        else:
            winner_terms(candidates, rule, ranking, k, start, stop)
            for t in range(np.uint64(start), np.uint64(stop)):
                price[t] = max(below[t], ranking.entry[t])
            price_of_score(rule, ranking, k, start, stop)
    if not rule.sell_at_reserve:
        _withdraw(rule, ranking, start, stop)


@jit
def _withdraw(rule, ranking, start, stop):
    """Take back the slots whose price is the reserve."""
    for k in range(rule.slots):
        price, winner = ranking.price[k], ranking.winner[k]
        for t in range(np.uint64(start), np.uint64(stop)):
            sold = price[t] > rule.reserve
            winner[t] = winner[t] if sold else np.int32(-1)
            price[t] = price[t] if sold else rule.zero


class GeneralizedSecondPrice(Mechanism):
    """Slot k's winner pays ``(s_(k+1) - beta u_i) / q_i`` (Edelman, Ostrovsky & Schwarz 2007; Varian 2007)."""

    name = "gsp"
    summary = "rank by score, pay the least bid that keeps the slot"
    clear_tile = staticmethod(clear_tile)
    pays_next_score = True
    keeps_at_reserve = True
