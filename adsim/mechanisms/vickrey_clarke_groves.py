"""Vickrey-Clarke-Groves: rank by score, pay the welfare that others lose by your presence."""

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
        winner_terms(candidates, rule, ranking, k, start, stop)
        price, entry = ranking.price[k], ranking.entry
        _externality(rule.exposure, k, ranking.score, entry, price, start, stop)
        price_of_score(rule, ranking, k, start, stop)


@jit
def _externality(exposure, k, score, entry, price, start, stop):
    """Put into ``price`` what those below would gain by moving up one slot, per exposure of slot ``k``."""
    first, last = np.uint64(start), np.uint64(stop)
    for t in range(first, last):
        price[t] = 0
    for j in range(k, exposure.size - 1):
        gain = (exposure[j] - exposure[j + 1]) / exposure[k]
        displaced = score[j + 1]
        for t in range(first, last):
            price[t] += gain * max(displaced[t], entry[t])


class VickreyClarkeGroves(Mechanism):
    """Truthful for utility maximizers (Clarke 1971; position auctions: Varian & Harris 2014).

    Slot k's winner pays ``[sum_{l>=k} (e_l - e_{l+1}) max(s_(l+1), entry_i) / e_k - beta u_i] / q_i``. The winner's
    own entry score ``max(0, q_i r + beta u_i)`` takes the place of lower scores: with it the price is Myerson's
    threshold payment also under a reserve r, which a reserve applied to the sum afterwards would not give.
    """

    name = "vcg"
    summary = "rank by score, pay the externality; truthful"
    clear_tile = staticmethod(clear_tile)
    pays_next_score = True
