"""Value-based shading: learn the probability of winning, bid what it makes most of ("direct method")."""

import numpy as np

from adsim.experiments.auctiongym.shading import Bidder, Feedback
from adsim.experiments.auctiongym.win_rate import WinRate
from adsim.types import Floats

GRID = np.linspace(0.1, 1.0, 91)
"""Factors that are compared."""


class ValueBased(Bidder):
    """The factor that maximises ``P(win) (1 - factor) predicted value``, by a win rate learned from the last round.

    A bidder that has not learned yet, or won nothing in the last round, draws factors from N(start, sigma^2), clipped
    to [0, 1].

    Parameters
    ----------
    rng : Generator
    start, sigma : float
    """

    def __init__(self, rng: np.random.Generator, start: float = 1.0, sigma: float = 0.02) -> None:
        self.rng, self.start, self.sigma = rng, start, sigma
        self.win_rate: WinRate | None = None

    def factor(self, rate: Floats, value: Floats) -> Floats:
        """Search the grid."""
        if self.win_rate is None:
            return np.clip(self.rng.normal(self.start, self.sigma, rate.size), 0, 1)
        return GRID[np.argmax(self.win_rate.predict(rate, value, GRID) * (1 - GRID), axis=1)]

    def learn(self, feedback: Feedback) -> None:
        """Fit the win rate."""
        self.win_rate = None
        if feedback.won.any():
            self.win_rate = WinRate()
            self.win_rate.fit(feedback)
