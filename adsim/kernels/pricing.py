"""What the price formulas of all mechanisms are made of: the winner's own terms, slot by slot."""

import numpy as np

from adsim.kernels.auction import bid_of
from adsim.kernels.jit import inline, jit


@inline
def winner_terms(candidates, rule, ranking, k, start, stop):
    """Fill `entry`, `offset`, `weight` and `ceiling` of the winners of slot ``k``.

    The entry score ``max(0, quality * reserve + beta * experience)`` is the lowest with which the winner would
    compete, and so the least that its price may rest on. The ceiling is its bid.
    """
    if rule.plain:
        _plain_terms(rule, ranking, ranking.score[k], start, stop)
    else:
        _scored_terms(candidates, rule, ranking, ranking.winner[k], start, stop)


@jit
def _plain_terms(rule, ranking, score, start, stop):
    for t in range(np.uint64(start), np.uint64(stop)):
        ranking.ceiling[t] = score[t]
        ranking.weight[t] = 1
        ranking.offset[t] = 0
        ranking.entry[t] = rule.reserve


@jit
def _scored_terms(candidates, rule, ranking, winner, start, stop):
    for t in range(np.uint64(start), np.uint64(stop)):
        n = winner[t]
        if n >= 0:
            ranking.ceiling[t] = bid_of(candidates, n, t)
            ranking.weight[t] = candidates.quality[n, t]
            ranking.offset[t] = rule.beta * candidates.experience[n, t]
            ranking.entry[t] = max(rule.zero, ranking.weight[t] * rule.reserve + ranking.offset[t])


@inline
def price_of_score(rule, ranking, k, start, stop):
    """Turn `price[k]`, so far the score to be matched, into money: at least the reserve, at most the bid."""
    terms = ranking.offset, ranking.weight, ranking.ceiling
    _to_money(ranking.price[k], ranking.winner[k], *terms, rule.reserve, rule.zero, start, stop)


@jit
def _to_money(price, winner, offset, weight, ceiling, reserve, zero, start, stop):
    for t in range(np.uint64(start), np.uint64(stop)):
        money = (price[t] - offset[t]) / weight[t]
        money = min(max(money, reserve), ceiling[t])
        price[t] = money if winner[t] >= 0 else zero
