"""The data of one tile of auctions, and the scores by which most mechanisms rank.

Shapes: ``M`` candidates (the campaigns, and last the posted competitor where there is one), ``B`` opportunities,
``K`` slots. Money and scores are float32 in the market; `adsim.clear` also clears float64.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim.kernels.jit import jit

Array = NDArray[np.floating]

UNCAPPED = 1e30
"""The cap of a campaign without a budget: finite, since inf times a rate of 0 is not a number."""
LEFT = -1.0
"""The cap of a campaign that has left: below every bid."""


class Candidates(NamedTuple):
    """Who competes, and what for. The arrays of shape (M, B) are one tile."""

    value: Array
    """Predicted value per exposure; (M, B)."""
    rate: Array
    """Predicted probability of the charging event per exposure; (M, B)."""
    quality: Array
    """Weight of the bid in the score; (M, B), positive."""
    experience: Array
    """User-experience score; (M, B)."""
    liquid: Array
    """What `liquid_rate` multiplies to give the liquid value per exposure; (M, B)."""
    multiplier: Array
    """Bid per unit of value; (M,)."""
    cap: Array
    """The most that one charging event may cost, LEFT for who has left; (M,)."""
    liquid_rate: Array
    """1 / target ROI; (M,)."""


class Rule(NamedTuple):
    """The auction's public parameters; scalars have the dtype of the bids."""

    slots: int
    plain: bool
    """Score = bid: quality 1, no user experience, caps per exposure."""
    reserve: np.floating
    below_reserve: np.floating
    """The next number below the reserve, so that a bid equal to it competes."""
    below_zero: np.floating
    zero: np.floating
    absent: np.floating
    """-1, the score of a candidate that does not compete."""
    beta: np.floating
    exposure: Array
    """Probability that each slot is seen, and a final 0; (K + 1,)."""
    ad_share: float
    """Split traffic: share of slots sold as ads."""
    sell_at_reserve: bool
    """Second prices: whether a slot is sold whose price is the reserve."""


class Ranking(NamedTuple):
    """What a mechanism fills: winners and prices; and its scratch."""

    winner: NDArray[np.int32]
    """Candidate of each rank, -1 where there is none; (K + 1, B). Ranks 0 to K - 1 are the slots."""
    score: Array
    """Score of each rank, the reserve (plain) or 0 where there is none; (K + 1, B)."""
    price: Array
    """Price per exposure of each slot; (K, B)."""
    scores: Array
    """Scores of all candidates, where they aren't the bids; (M, B)."""
    ones: Array
    """Multipliers that turn scores into themselves; (M,)."""
    uncapped: Array
    """Caps that don't bind; (M,)."""
    keys: NDArray[np.int64]
    """(max(4, K + 2), B)"""
    high: NDArray[np.int64]
    """(B,)"""
    low: NDArray[np.int64]
    """(B,)"""
    entry: Array
    """The lowest score with which a slot's winner competes; (B,)."""
    offset: Array
    """Its user-experience part of the score; (B,)."""
    weight: Array
    """Its quality; (B,)."""
    ceiling: Array
    """Its bid; (B,)."""
    held_winner: NDArray[np.int32]
    """(K, B)"""
    held_price: Array
    """(K, B)"""


@jit
def bid_of(candidates, n, t):
    """Bid of candidate ``n`` for opportunity ``t``, capped at what could be charged at worst."""
    return min(candidates.multiplier[n] * candidates.value[n, t], candidates.cap[n] * candidates.rate[n, t])


@jit
def score_bids(candidates, rule, scores, start, stop):
    """Scores ``bid * quality + beta * experience``; absent: a bid below the reserve or a negative score."""
    value, rate = candidates.value, candidates.rate
    quality, experience = candidates.quality, candidates.experience
    first, last = np.uint64(start), np.uint64(stop)
    for n in range(value.shape[0]):
        multiplier, cap = candidates.multiplier[n], candidates.cap[n]
        present = cap >= rule.zero
        for t in range(first, last):
            bid = min(multiplier * value[n, t], cap * rate[n, t])
            score = bid * quality[n, t] + rule.beta * experience[n, t]
            competes = present & (bid >= rule.reserve) & (score >= rule.zero)
            scores[n, t] = score + rule.zero if competes else rule.absent


@jit
def score_liquid(candidates, rule, scores, start, stop):
    """Scores of bids that may be negative; absent: a payment below the reserve or beyond what is left.

    The payment is the liquid value whatever the bid, so a campaign that could not pay it stays away.
    """
    value, rate, liquid = candidates.value, candidates.rate, candidates.liquid
    quality, experience = candidates.quality, candidates.experience
    first, last = np.uint64(start), np.uint64(stop)
    for n in range(value.shape[0]):
        multiplier, cap, liquid_rate = candidates.multiplier[n], candidates.cap[n], candidates.liquid_rate[n]
        present = cap >= rule.zero
        for t in range(first, last):
            payment = liquid_rate * liquid[n, t]
            score = multiplier * value[n, t] * quality[n, t] + rule.beta * experience[n, t]
            affordable = (payment >= rule.reserve) & (payment <= cap * rate[n, t])
            competes = present & affordable & (score >= rule.zero)
            scores[n, t] = score + rule.zero if competes else rule.absent


@jit
def score_experience(candidates, rule, scores, start, stop):
    """User-experience scores of all who have not left; a negative one is absent."""
    experience = candidates.experience
    first, last = np.uint64(start), np.uint64(stop)
    for n in range(experience.shape[0]):
        present = candidates.cap[n] >= rule.zero
        for t in range(first, last):
            score = experience[n, t]
            scores[n, t] = score + rule.zero if present & (score >= rule.zero) else rule.absent
