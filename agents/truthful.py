"""Bid what an exposure is predicted to be worth."""

from adsim.agents.rule import TRUTHFUL, Rule, row
from adsim.kernels.jit import inline
from adsim.types import Floats, PublicFacts


@inline
def decide(seen, n, parameters, memory):
    """One."""
    return 1.0


class Truthful(Rule):
    """Multiplier 1: dominant for a utility maximizer without constraints under second price and VCG."""

    number = TRUTHFUL

    def parameters(self, market: PublicFacts) -> Floats:
        """None; see `Rule.parameters`."""
        return row({})
