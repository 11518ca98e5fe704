"""Linear bidding: proportional to the predicted value; the parameter is the bid at the average value.

Perlich et al., "Bid Optimizing and Inventory Scoring in Targeted Online Advertising" (KDD 2012); called
Lin-Bid in log replays, where the value is the predicted click probability.
"""

import numpy as np

from adsim.agents.base import Agent, require_positive
from adsim.errors import AgentError
from adsim.types import Constraints, Floats, Observation, PublicFacts


class Linear(Agent):
    """bid = value x b0 / average.

    Parameters
    ----------
    b0 : float
        Bid for an opportunity of average value, in the unit of the market's prices.
    average : float, optional
        Mean predicted value; that of the market's history unless given.

    Raises
    ------
    AgentError
        When a parameter is not positive or, on reset, no average is known.
    """

    def __init__(self, b0: float, average: float | None = None) -> None:
        self.b0 = require_positive("b0", b0)
        self.average = None if average is None else require_positive("average", average)

    def reset(self, constraints: Constraints, market: PublicFacts) -> None:
        """See `Agent.reset`."""
        super().reset(constraints, market)
        self._average_value()

    def act(self, observation: Observation) -> Floats:
        """The same multiplier for all campaigns, always; shape (n,)."""
        return np.full(len(self.constraints.budget), self.b0 / self._average_value())

    def bids(self, value: Floats, multiplier: float) -> Floats:
        """Bids for a log, multiplied before divided: bids rounded down are those of published replays."""
        return (value * self.b0) / self._average_value()

    def _average_value(self) -> float:
        if self.average is not None:
            return self.average
        if self.market.history is None:
            raise AgentError("linear: the average value is not known here. Give it (average=...).")
        return self.market.history.average_value
