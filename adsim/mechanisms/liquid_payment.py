"""Liquid Payment Auction (LPA): rank by paced liquid value and user experience, pay your own liquid value.

Our derivation from the abstract of "LPA" (Li et al. 2025, arXiv 2507.02931), consistent with it; whether it is
the paper's rule to the letter could not be checked.
"""

import numpy as np

from adsim.kernels.auction import score_liquid
from adsim.kernels.jit import inline
from adsim.kernels.ranking import rank_scores
from adsim.mechanisms.base import Mechanism


@inline
def clear_tile(candidates, rule, ranking, origin, start, stop):
    """Fill winners and prices of opportunities ``start`` to ``stop``."""
    score_liquid(candidates, rule, ranking.scores, start, stop)
    rank_scores(rule, ranking, start, stop)
    for k in range(rule.slots):
        price, winner = ranking.price[k], ranking.winner[k]
        for t in range(np.uint64(start), np.uint64(stop)):
            n = winner[t]
            price[t] = candidates.liquid_rate[n] * candidates.liquid[n, t] if n >= 0 else rule.zero


class LiquidPayment(Mechanism):
    """Score ``(1/target - stock dual) v q + beta u``; the winner pays ``v / target`` per exposure.

    Payment is sales / target whatever the others bid, so a seller's return is its target exactly and revenue is
    liquid welfare; the stock dual decides who wins, not what it costs. Charged on a conversion, the payment is the
    sale / target, so the return is the target whatever the predictions; charged on an exposure or a click, the seller
    pays for the predicted sale and bears its error.
    """

    name = "lpa"
    summary = "rank by paced liquid value plus experience, pay the liquid value (our derivation)"
    clear_tile = staticmethod(clear_tile)
    bids_may_be_negative = True
    pays_liquid_value = True
    scored = True
    default_agent = "stock_dual"
