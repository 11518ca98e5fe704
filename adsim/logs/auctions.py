"""What a bidder meets in a log: its auctions, what it may know of the market, and its budget."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim.errors import AdsimError
from adsim.logs.base import Impressions, Statistics
from adsim.logs.market_price import Histogram, counted, price_shares
from adsim.logs.sniff import open_log
from adsim.logs.theta import read_info
from adsim.logs.value_share import binned, no_values, value_shares
from adsim.types import Floats, History

MAX_BID = 300
HIGHEST_PRICED = 1_000_000
"""Beyond this highest bid, bidders are told no probabilities of prices."""
LARGEST = 2**53
"""Budgets stay below: whole numbers that a double holds exactly."""


class Auctions(NamedTuple):
    """Impressions to bid for; arrays of shape (T,)."""

    value: Floats
    """Predicted click probability, the average click rate where the log has none."""
    price: NDArray[np.int64]
    click: NDArray[np.bool_]

    def part(self, start: int, stop: int) -> "Auctions":
        """Some consecutive ones."""
        return Auctions(self.value[start:stop], self.price[start:stop], self.click[start:stop])


class Replayed(NamedTuple):
    """A log to bid on."""

    auctions: Auctions
    statistics: Statistics
    """What bidders know of the market."""
    statistics_from: str
    """"info", "train" or the "log" itself."""
    values_from: str
    """"pctr" or "average click rate"."""
    prices: Histogram
    """Market prices where the statistics are from; empty where they don't tell."""
    values: Floats
    """Predictions where the statistics are from, see `adsim.logs.value_share`; empty where they don't tell."""

    def history(self, max_bid: int) -> History:
        """What bidders know: averages and, where they can be told, the probabilities of prices and values."""
        priced = self.prices and max_bid <= HIGHEST_PRICED
        return self.statistics.history._replace(
            price_share=price_shares(self.prices, max_bid) if priced else None,
            value_share=value_shares(self.values),
        )


def read_auctions(
    log: str | Path | Impressions,
    *,
    info: str | Path | None = None,
    train: str | Path | None = None,
    format: str | None = None,
    clicks: str | Path | None = None,
) -> Replayed:
    """Read a log; see `adsim.experiments.replay.replay.replay` for the parameters.

    Raises
    ------
    AdsimError
        When the statistics are given twice.
    LogError
        When a log or the statistics cannot be used.
    """
    if info is not None and train is not None:
        raise AdsimError("info and train both give the statistics of the market. Leave one of them out.")
    name = "log" if isinstance(log, Impressions) else log
    if not isinstance(log, Impressions):
        log = open_log(log, format, **({} if clicks is None else {"clicks": clicks})).read()
    prices, values = Counter[int](), no_values()
    if info is not None:
        (statistics, prices), source = read_info(info), "info"
    elif train is not None:
        statistics, source = (
            Statistics.of(counted(binned(open_log(train).impressions(), values), prices), train),
            "train",
        )
    else:
        statistics, source = Statistics.of(counted(binned([log], values), prices), name), "log"
    average = statistics.history.average_value
    auctions = Auctions(
        np.ascontiguousarray(np.full(len(log.price), average) if log.pctr is None else log.pctr, np.float64),
        np.ascontiguousarray(log.price, np.int64),
        np.ascontiguousarray(log.click, np.bool_),
    )
    return Replayed(
        auctions, statistics, source, "average click rate" if log.pctr is None else "pctr", prices, values
    )


def check_counts(**counts: int) -> None:
    """Complain of a setting that counts nothing.

    Raises
    ------
    AdsimError
        Unless all are whole numbers from 1 to 2^53.
    """
    for name, number in counts.items():
        if not (isinstance(number, int | np.integer) and 1 <= number < LARGEST):
            raise AdsimError(f"{name} = {number!r}: must be a whole number, 1 or more.")


def budget_of(cpm: float, c0: float, episode: int) -> int:
    """Budget of an episode in the unit of the prices: a share ``c0`` of what it costs at average prices.

    Raises
    ------
    AdsimError
        Unless it is a whole number from 1 to 2^53.
    """
    if not 0 < c0 < float("inf"):
        raise AdsimError(f"c0 = {c0!r}: must be a positive number.")
    budget = cpm * c0 * episode
    if not 1 <= budget < LARGEST:
        raise AdsimError(
            f"c0 = {c0}: an episode's budget, {cpm:g} on average x c0 x {episode} impressions = {budget:g}, "
            f"must be between 1 and 2^53. {'Raise' if budget < 1 else 'Lower'} c0."
        )
    return int(budget)
