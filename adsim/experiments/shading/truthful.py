"""No shading."""

import numpy as np

from adsim.experiments.shading.base import Bidder, Feedback
from adsim.types import Floats


class Truthful(Bidder):
    """Bids the predicted value: best where the price does not depend on the bid."""

    def factor(self, rate: Floats, value: Floats) -> Floats:
        """1."""
        return np.ones_like(rate)

    def learn(self, feedback: Feedback) -> None:
        """Nothing."""
