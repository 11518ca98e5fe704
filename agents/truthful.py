"""Bid what an exposure is predicted to be worth."""

import numpy as np

from adsim.agents.base import Agent
from adsim.types import Floats, Observation


class Truthful(Agent):
    """Multiplier 1: dominant for a utility maximizer without constraints under second price and VCG."""

    def act(self, observation: Observation) -> Floats:
        """Ones."""
        return np.ones(observation.budget_left.size)
