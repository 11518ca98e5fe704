"""Policy-based shading: change the distribution of factors towards those that earned most ("IPS")."""

import numpy as np
from scipy.optimize import minimize

from adsim.experiments.shading.base import Bidder, Feedback, features
from adsim.types import Floats

HIGHEST_WEIGHT = 50.0
"""Importance weights are clipped to [1 / HIGHEST_WEIGHT, HIGHEST_WEIGHT]."""


class PolicyBased(Bidder):
    """Factors are normal, their mean linear in predicted rate and value; off-policy gradient on the last round.

    The new mean maximises the importance-weighted earnings ``sum w earned``, ``w = new density / old density`` of the
    factor that was drawn, clipped: the policy is only asked about factors near those tried.

    Parameters
    ----------
    rng : Generator
    start : float
        First mean.
    sigma : float
        Standard deviation: how widely factors are tried.
    """

    def __init__(self, rng: np.random.Generator, start: float = 1.0, sigma: float = 0.1) -> None:
        self.rng, self.sigma = rng, sigma
        self.policy = np.array([start, 0.0, 0.0])

    def factor(self, rate: Floats, value: Floats) -> Floats:
        """Draw from the policy."""
        return self.rng.normal(features(rate, value) @ self.policy, self.sigma)

    def learn(self, feedback: Feedback) -> None:
        """Climb to the best policy by the last round."""
        found = minimize(lambda policy: -self.objective(policy, feedback), self.policy, method="L-BFGS-B")
        self.policy = found.x

    def objective(self, policy: Floats, seen: Feedback) -> float:
        """Estimated earnings of a policy, (3,), per auction."""
        return float(np.mean(self.weights(policy, seen) * seen.earned))

    def weights(self, policy: Floats, seen: Feedback) -> Floats:
        """Importance weights of the auctions seen; (n,)."""
        new, old = (seen.factor - seen.features @ mean for mean in (policy, self.policy))
        most = np.log(HIGHEST_WEIGHT)
        return np.asarray(np.exp(np.clip((old**2 - new**2) / (2 * self.sigma**2), -most, most)))
