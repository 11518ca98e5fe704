"""Split traffic: some slots are ads sold by bid alone, the rest organic, free and ranked by experience."""

import numpy as np

from adsim.kernels.auction import bid_of, score_experience
from adsim.kernels.jit import inline, jit
from adsim.kernels.ranking import rank, rank_scores
from adsim.mechanisms.base import Mechanism


@jit
def is_ad(rule, opportunity, k):
    """Whether slot ``k`` is an ad: ads are spread evenly over the endless feed of all slots."""
    slot = opportunity * rule.slots + k
    return np.floor((slot + 1) * rule.ad_share) > np.floor(slot * rule.ad_share)


@inline
def clear_tile(candidates, rule, ranking, origin, start, stop):
    """Fill winners and prices of opportunities ``start`` to ``stop``."""
    _cap_bids(candidates, ranking.scores, start, stop)
    ones, uncapped = ranking.ones, ranking.uncapped
    rank(ranking.scores, ones, uncapped, rule.reserve, rule.below_reserve, rule.slots, ranking, start, stop)
    score_experience(candidates, rule, ranking.scores, start, stop)
    _sell_ads(rule, ranking, origin, start, stop)
    rank_scores(rule, ranking, start, stop)
    _merge(rule, ranking, origin, start, stop)


@jit
def _cap_bids(candidates, scores, start, stop):
    """Bids of all candidates; -1 for who has left."""
    for n in range(scores.shape[0]):
        left = candidates.cap[n] < 0
        for t in range(np.uint64(start), np.uint64(stop)):
            scores[n, t] = candidates.cap[n] if left else bid_of(candidates, n, t)


@jit
def _sell_ads(rule, ranking, origin, start, stop):
    """Hold the ad slots' winners and prices, and take them out of the organic ranking."""
    for t in range(start, stop):
        ads = 0
        for k in range(rule.slots):
            ranking.held_winner[k, t] = -1
            ranking.held_price[k, t] = rule.zero
            if is_ad(rule, origin + t, k):
                n = ranking.winner[ads, t]
                if n >= 0:
                    ranking.held_winner[k, t] = n
                    ranking.held_price[k, t] = ranking.score[ads + 1, t]
                    ranking.scores[n, t] = rule.absent
                ads += 1


@jit
def _merge(rule, ranking, origin, start, stop):
    """Lay ads and organic results into the slots, from the last slot up so that ranks are read before use."""
    for t in range(start, stop):
        organic = 0
        for k in range(rule.slots):
            organic += not is_ad(rule, origin + t, k)
        for k in range(rule.slots - 1, -1, -1):
            if is_ad(rule, origin + t, k):
                ranking.winner[k, t] = ranking.held_winner[k, t]
                ranking.price[k, t] = ranking.held_price[k, t]
            else:
                organic -= 1
                ranking.winner[k, t] = ranking.winner[organic, t]
                ranking.price[k, t] = rule.zero


class SplitTraffic(Mechanism):
    """Today's practice that platform-wide marketing replaces.

    Slot number ``j K + k`` of the feed is an ad where ``floor((number + 1) share) > floor(number share)``. The ads of
    a page go to its highest bids, each at the next bid (at least the reserve); its other slots go, free, to the
    highest user-experience scores among those not shown yet.
    """

    name = "split"
    summary = "ad slots by bid at the next bid, organic slots by experience for free"
    clear_tile = staticmethod(clear_tile)
    needs_experience = True
    scored = True
