"""Policy-based shading: move the distribution of factors towards those that earned most ("IPS")."""

import numpy as np
from scipy.optimize import minimize

from adsim.experiments.auctiongym.shading import Bidder, Feedback, features
from adsim.types import Floats

HIGHEST_WEIGHT = 50.0
"""Importance weights are clipped to [1 / HIGHEST_WEIGHT, HIGHEST_WEIGHT]."""
REACH = 4.0
"""Standard deviations of the factor by which a mean moves at most, at a feature a deviation from its own mean."""

NARROWEST = 1e-3
"""A feature that varies less counts as varying so much: one that never varies cannot turn the policy."""


class PolicyBased(Bidder):
    """Factors are normal, their mean linear in predicted rate and value; learned off-policy from the last round.

    The new mean maximises the importance-weighted earnings, ``mean(w earned)`` less their standard error, where ``w =
    new density / old density`` of the factor that was drawn, clipped (Swaminathan & Joachims, "Counterfactual Risk
    Minimization", ICML 2015: without the penalty a policy is chosen for a few heavy weights). It stays within `REACH`
    of the old one, beyond which clipped weights say nothing.

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
        known = feedback.features[:, 1:]
        centre, spread = known.mean(axis=0), np.maximum(known.std(axis=0), NARROWEST)
        basis = np.eye(3)
        basis[1:, 1:] /= spread
        basis[0, 1:] = -centre / spread

        def loss(move: Floats) -> float:
            return -self.objective(self.policy + basis @ move, feedback)

        reach = REACH * self.sigma
        found = minimize(loss, np.zeros(3), method="L-BFGS-B", bounds=[(-reach, reach)] * 3)
        self.policy = self.policy + basis @ found.x

    def objective(self, policy: Floats, seen: Feedback) -> float:
        """What a policy, (3,), earns per auction, estimated cautiously."""
        return cautious(self.weights(policy, seen) * seen.earned)

    def weights(self, policy: Floats, seen: Feedback) -> Floats:
        """Importance weights of the auctions seen; (n,)."""
        new, old = (seen.factor - seen.features @ mean for mean in (policy, self.policy))
        most = np.log(HIGHEST_WEIGHT)
        return np.asarray(np.exp(np.clip((old**2 - new**2) / (2 * self.sigma**2), -most, most)))


def cautious(samples: Floats) -> float:
    """Their mean less its standard error."""
    return float(samples.mean() - samples.std() / np.sqrt(samples.size))
