"""What every bidder does: reset with its campaigns, observe, act."""

from abc import ABC, abstractmethod
from typing import ClassVar

from adsim.errors import AgentError
from adsim.types import Constraints, Floats, Hindsight, Observation, PublicFacts


class Agent(ABC):
    """A rule that sets, once a tick, the multipliers of ``n`` campaigns, each from its own data alone.

    Attributes
    ----------
    privileged : bool
        True for an oracle, which is shown the future by `reveal`; no other agent is.
    """

    privileged: ClassVar[bool] = False
    constraints: Constraints
    market: PublicFacts

    def reset(self, constraints: Constraints, market: PublicFacts) -> None:
        """Begin a period with campaigns whose constraints are arrays of shape (n,).

        Raises
        ------
        AgentError
            When a campaign lacks what the rule needs.
        """
        self.constraints = constraints
        self.market = market

    @abstractmethod
    def act(self, observation: Observation) -> Floats:
        """Multipliers for the coming tick, shape (n,): bid = multiplier x predicted value."""

    def reveal(self, hindsight: Hindsight) -> None:
        """Look at the truth (oracles only)."""
        raise AgentError(f"{type(self).__name__} is not an oracle and may not see the truth.")

    def bids(self, value: Floats, multiplier: float) -> Floats:
        """Bids of one campaign for opportunities of predicted ``value``, shape (T,), in log replay."""
        return multiplier * value


def require_positive(name: str, value: float) -> float:
    """Pass a parameter through, or say what is wrong with it.

    Raises
    ------
    AgentError
        When it is not a positive, finite number.
    """
    if not (_is_number(value) and 0 < value < float("inf")):
        raise AgentError(f"{name} = {value!r}: must be a positive number.")
    return value


def require_not_negative(name: str, value: float) -> float:
    """Pass a parameter through, if it is 0 or positive, and finite; see `require_positive`."""
    if not (_is_number(value) and 0 <= value < float("inf")):
        raise AgentError(f"{name} = {value!r}: must be a number of at least 0.")
    return value


def require_count(name: str, value: int) -> int:
    """Pass a parameter through, if it is a whole number of at least 1; see `require_positive`."""
    if not (_is_number(value) and 1 <= value < float("inf") and value == int(value)):
        raise AgentError(f"{name} = {value!r}: must be a whole number of at least 1.")
    return int(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value
