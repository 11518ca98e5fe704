"""Doubly robust shading: a learned win rate predicts what a policy earns, importance weights correct it ("DR")."""

import numpy as np

from adsim.experiments.auctiongym.policy_based_shading import PolicyBased, cautious
from adsim.experiments.auctiongym.shading import Feedback
from adsim.experiments.auctiongym.win_rate import WinRate
from adsim.types import Floats

NODES, MASSES = np.polynomial.hermite_e.hermegauss(5)
"""For expectations over a normal draw; masses do not sum to 1."""


class DoublyRobust(PolicyBased):
    """As `PolicyBased`, by ``sum E[q(new factor)] + w (earned - q(factor))``, ``q = P(win) (1 - factor) value``.

    Unbiased (but for clipping) where either the win rate or the densities are right, and of less variance than
    importance weights alone (Dudik, Langford & Li, "Doubly Robust Policy Evaluation and Learning", ICML 2011).
    """

    def learn(self, feedback: Feedback) -> None:
        """Fit the win rate, then climb."""
        self.win_rate = WinRate()
        self.win_rate.fit(feedback)
        self.residual = feedback.earned - self.predicted(feedback, feedback.factor[:, None])[:, 0]
        super().learn(feedback)

    def objective(self, policy: Floats, seen: Feedback) -> float:
        """What a policy, (3,), earns per auction, estimated cautiously."""
        drawn = (seen.features @ policy)[:, None] + self.sigma * NODES
        expected = self.predicted(seen, drawn) @ MASSES / MASSES.sum()
        return cautious(expected + self.weights(policy, seen) * self.residual)

    def predicted(self, seen: Feedback, factor: Floats) -> Floats:
        """Earnings by the win rate; factors (n, k), (n, k)."""
        bid = np.clip(factor, 0, None)
        return self.win_rate.predict(seen.rate, seen.value, bid) * (1 - bid) * seen.worth[:, None]
