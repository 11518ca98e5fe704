"""A recorded log as a bidder lives through it: episodes of consecutive impressions, each on the same budget.

The protocol of `adsim.experiments.replay.replay`, from which the last, shorter episode comes too.
"""

from pathlib import Path
from typing import Any, NamedTuple

from adsim.logs.auctions import MAX_BID, Auctions, budget_of, check_counts, read_auctions
from adsim.logs.base import Impressions
from adsim.types import History

RULES = ("episode", "c0", "max_bid", "info", "train", "format", "clicks")
"""What `read_tape` takes besides the log."""


class Tape(NamedTuple):
    """A log of T impressions."""

    auctions: Auctions
    history: History
    """What bidders know: average click rate, and prices where the statistics hold them."""
    budget: int
    """Of an episode, in the unit of the prices."""
    episode: int
    """Impressions of an episode (N)."""
    max_bid: int

    @property
    def episodes(self) -> int:
        """How many, the last of which may be shorter."""
        return -(-len(self.auctions.price) // self.episode)

    @property
    def whole(self) -> int:
        """How many a seed can choose from: those of full length, or the only one there is."""
        return max(len(self.auctions.price) // self.episode, 1)

    def length(self, episode: int) -> int:
        """Impressions of one episode."""
        return min(self.episode, len(self.auctions.price) - episode * self.episode)


def read_tape(
    log: str | Path | Impressions,
    *,
    episode: int = 1000,
    c0: float = 1 / 32,
    max_bid: int = MAX_BID,
    **source: Any,
) -> Tape:
    """Read a log.

    Parameters
    ----------
    log, episode, c0, max_bid
        See `adsim.envs.impression.ImpressionEnv`.
    **source
        See `adsim.logs.auctions.read_auctions`.

    Raises
    ------
    AdsimError
        When a setting is impossible.
    LogError
        When a log or the statistics cannot be used.
    """
    check_counts(episode=episode, max_bid=max_bid)
    found = read_auctions(log, **source)
    budget = budget_of(found.statistics.cpm, c0, episode)
    return Tape(found.auctions, found.history(int(max_bid)), budget, int(episode), int(max_bid))
