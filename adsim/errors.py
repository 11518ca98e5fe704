"""What can go wrong for a user, one exception each; the command line prints them and exits with 2."""

import difflib
from collections.abc import Iterable


class AdsimError(ValueError):
    """A mistake that its message explains and says how to mend."""


class UnknownName(AdsimError):
    """A mechanism, agent, scenario or key that does not exist; the nearest one is named."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        self.what, self.name, self.known = what, name, sorted(known)
        nearest = difflib.get_close_matches(name.lower(), self.known, n=1, cutoff=0.5)
        hint = f" Did you mean '{nearest[0]}'?" if nearest else ""
        super().__init__(f"unknown {what} '{name}'.{hint} Known: {', '.join(self.known) or 'none'}.")

    def __reduce__(self) -> tuple[type["UnknownName"], tuple[str, str, list[str]]]:
        """Cross from a worker process with what it was made of."""
        return UnknownName, (self.what, self.name, self.known)


class ScenarioError(AdsimError):
    """A scenario that cannot be read, or whose values contradict each other."""


class AuctionError(AdsimError):
    """Bids or auction rules that no auction can clear."""


class AgentError(AdsimError):
    """An agent that cannot bid for the campaign it was given."""


class EnvError(AdsimError):
    """An environment asked for what it has not, or stepped when or with what it cannot be."""


class LogError(AdsimError):
    """A bid log that cannot be read; the message names file, line and column."""


class OutputError(AdsimError):
    """Results that cannot be written."""
