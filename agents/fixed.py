"""A multiplier that never moves."""

from adsim.agents.base import require_positive
from adsim.agents.rule import FIXED, Rule, row
from adsim.kernels.jit import inline
from adsim.types import Floats, PublicFacts

MULTIPLIER = 0
"""Parameter of the rule."""


@inline
def decide(seen, n, parameters, memory):
    """The same multiplier in every tick."""
    return parameters[MULTIPLIER]


class Fixed(Rule):
    """Bid ``multiplier`` times predicted value.

    Parameters
    ----------
    multiplier : float
        Bid per unit of predicted value.
    """

    number = FIXED

    def __init__(self, multiplier: float = 1.0) -> None:
        self.multiplier = require_positive("multiplier", multiplier)

    def parameters(self, market: PublicFacts) -> Floats:
        """See `Rule.parameters`."""
        return row({MULTIPLIER: self.multiplier})
