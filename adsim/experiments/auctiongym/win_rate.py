"""A learned probability of winning, given the factor of the bid."""

import numpy as np
from scipy.special import expit

from adsim.experiments.auctiongym.logistic import laplace
from adsim.experiments.auctiongym.shading import Feedback, features
from adsim.types import Floats

PRECISION = 0.1
"""Of the prior of its coefficients: enough to keep them finite where every auction was won."""


class WinRate:
    """P(win) = sigmoid(a + b rate + c value + d factor).

    To the auctions seen, as many are added that were lost with a factor of 0, so that the model knows the effect of
    factors that were never tried (as AuctionGym does).
    """

    def __init__(self) -> None:
        self.coefficients = np.zeros(4)

    def fit(self, seen: Feedback) -> None:
        """Learn from a round alone: the others' bids change from round to round."""
        tried = np.column_stack([seen.features, np.clip(seen.factor, 0, None)])
        rows = np.vstack([tried, np.column_stack([seen.features, np.zeros(len(tried))])])
        won = np.concatenate([seen.won, np.zeros(len(tried), np.bool_)])
        self.coefficients, _ = laplace(rows, won, np.zeros(4), np.full(4, PRECISION))

    def predict(self, rate: Floats, value: Floats, factor: Floats) -> Floats:
        """P(win) for each auction (n,) and factor (n, k) or (k,); (n, k)."""
        known = features(rate, value) @ self.coefficients[:3]
        return np.asarray(expit(known[:, None] + self.coefficients[3] * factor))
