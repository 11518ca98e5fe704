"""A multiplier that never moves."""

import numpy as np

from adsim.agents.base import Agent, require_positive
from adsim.types import Floats, Observation


class Fixed(Agent):
    """Bid ``multiplier`` times predicted value.

    Parameters
    ----------
    multiplier : float
        Bid per unit of predicted value.
    """

    def __init__(self, multiplier: float = 1.0) -> None:
        self.multiplier = require_positive("multiplier", multiplier)

    def act(self, observation: Observation) -> Floats:
        """The same multiplier in every tick."""
        return np.full(observation.budget_left.size, self.multiplier)
