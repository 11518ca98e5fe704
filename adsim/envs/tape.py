"""A recorded log as a bidder lives through it: episodes of consecutive impressions, each on the same budget.

The protocol of `adsim.experiments.replay`, from which the last, shorter episode comes too.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim.errors import EnvError
from adsim.logs.base import Impressions, Statistics
from adsim.logs.sniff import open_log
from adsim.logs.theta import read_info
from adsim.types import Floats

MAX_BID = 300
RULES = ("episode", "c0", "max_bid", "info", "train", "format", "clicks")
"""What `read_tape` takes besides the log."""
LARGEST = 2**53
"""Budgets stay below: whole numbers that a double holds exactly."""


class Tape(NamedTuple):
    """A log of T impressions."""

    value: Floats
    """Predicted click probability, the average click rate where the log has none; (T,)."""
    price: NDArray[np.int64]
    """(T,)"""
    click: NDArray[np.bool_]
    """(T,)"""
    average: float
    """Average click rate, known to bidders."""
    budget: int
    """Of an episode, in the unit of the prices."""
    episode: int
    """Impressions of an episode (N)."""
    max_bid: int

    @property
    def episodes(self) -> int:
        """How many, the last of which may be shorter."""
        return -(-len(self.price) // self.episode)

    @property
    def whole(self) -> int:
        """How many a seed can choose from: those of full length, or the only one there is."""
        return max(len(self.price) // self.episode, 1)

    def length(self, episode: int) -> int:
        """Impressions of one episode."""
        return min(self.episode, len(self.price) - episode * self.episode)


def read_tape(
    log: str | Path | Impressions,
    *,
    episode: int = 1000,
    c0: float = 1 / 32,
    max_bid: int = MAX_BID,
    info: str | Path | None = None,
    train: str | Path | None = None,
    format: str | None = None,
    clicks: str | Path | None = None,
) -> Tape:
    """Read a log; see `adsim.envs.impression.ImpressionEnv` for the parameters.

    Raises
    ------
    EnvError
        When a setting is impossible.
    LogError
        When a log or the statistics cannot be used.
    """
    for name, number in (("episode", episode), ("max_bid", max_bid)):
        if not (isinstance(number, int | np.integer) and 1 <= number < LARGEST):
            raise EnvError(f"{name} = {number!r}: must be a whole number, 1 or more.")
    if info is not None and train is not None:
        raise EnvError("info and train both give the statistics of the market. Leave one of them out.")
    read = log
    if not isinstance(read, Impressions):
        read = open_log(read, format, **({} if clicks is None else {"clicks": clicks})).read()
    if info is not None:
        statistics = read_info(info)
    elif train is not None:
        statistics = Statistics.of(open_log(train).impressions(), train)
    else:
        statistics = Statistics.of([read], "log" if isinstance(log, Impressions) else log)
    average = statistics.history.average_value
    value = np.full(len(read.price), average) if read.pctr is None else read.pctr
    return Tape(
        np.ascontiguousarray(value, np.float64),
        np.ascontiguousarray(read.price, np.int64),
        np.ascontiguousarray(read.click, np.bool_),
        average,
        _budget(statistics.cpm, c0, episode),
        int(episode),
        int(max_bid),
    )


def _budget(cpm: float, c0: float, episode: int) -> int:
    """Budget of an episode: a share ``c0`` of what it costs at average prices."""
    if not 0 < c0 < float("inf"):
        raise EnvError(f"c0 = {c0!r}: must be a positive number.")
    budget = cpm * c0 * episode
    if not 1 <= budget < LARGEST:
        raise EnvError(
            f"c0 = {c0}: an episode's budget, {cpm:g} on average x c0 x {episode} impressions = {budget:g}, "
            f"must be between 1 and 2^53. {'Raise' if budget < 1 else 'Lower'} c0."
        )
    return int(budget)
