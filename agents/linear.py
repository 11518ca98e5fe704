"""Linear bidding: proportional to the predicted value; the parameter is the bid at the average value.

Perlich et al., "Bid Optimizing and Inventory Scoring in Targeted Online Advertising" (KDD 2012); called
Lin-Bid in log replays, where the value is the predicted click probability.
"""

from adsim.agents.base import require_positive
from adsim.agents.rule import LINEAR, Rule, row
from adsim.errors import AgentError
from adsim.kernels.jit import inline
from adsim.types import Constraints, Floats, PublicFacts

B0, AVERAGE = range(2)
"""Parameters of the rule."""


@inline
def decide(seen, n, parameters, memory):
    """The same multiplier for all campaigns, always."""
    return parameters[B0] / parameters[AVERAGE]


class Linear(Rule):
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

    number = LINEAR

    def __init__(self, b0: float, average: float | None = None) -> None:
        self.b0 = require_positive("b0", b0)
        self.average = None if average is None else require_positive("average", average)

    def check(self, constraints: Constraints, market: PublicFacts) -> None:
        """Refuse a market without an average value."""
        self._average_value(market)

    def parameters(self, market: PublicFacts) -> Floats:
        """See `Rule.parameters`."""
        return row({B0: self.b0, AVERAGE: self._average_value(market)})

    def bids(self, value: Floats, multiplier: float) -> Floats:
        """Bids for a log, multiplied before divided: bids rounded down are those of published replays."""
        return (value * self.b0) / self._average_value(self.market)

    def _average_value(self, market: PublicFacts) -> float:
        if self.average is not None:
            return self.average
        if market.history is None:
            raise AgentError("linear: the average value is not known here. Give it (average=...).")
        return market.history.average_value
