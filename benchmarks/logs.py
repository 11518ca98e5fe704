"""A bid log replayed auction by auction, and RLB's value table, against Python loops as RLB-DP's are."""

from typing import Any

import numpy as np

from adsim.experiments.replay.replay import replay
from adsim.kernels.value_table import fill_values
from adsim.logs.base import Impressions
from benchmarks.timing import best, once

AUCTIONS, EPISODE, HIGHEST = 200_000, 1000, 300
TABLE, FEW = (1000, 1969), 20
"""Opportunities and budget of a table; rows of it that Python makes."""
HEADER = ["work", "adsim, ns", "Python loop, ns", "ratio", "whole job, s"]


def rows() -> list[list[str]]:
    """A row per bidder, per auction; and one of the table, per number in it."""
    log = _log()
    table = []
    for bidder in ("ecpc", "linear:b0=60", "rlb"):
        seconds = best(lambda bidder=bidder: replay(log, [bidder], c0=[1 / 32]), least=1)
        table.append(
            [f"replay, {bidder}", *_ratio(seconds / AUCTIONS, _python_replay(log, bidder)), f"{seconds:.2f}"]
        )
    share = np.bincount(log.price, minlength=HIGHEST + 1)[: HIGHEST + 1] + 1.0
    share /= share.sum()
    values, bids = np.empty((TABLE[0], TABLE[1] + 1)), np.empty(TABLE[1] + 1, np.int64)
    seconds = best(lambda: fill_values(share, 0.004, bids, values), least=1)
    theirs = once(lambda: python_values(share.tolist(), 0.004, FEW, TABLE[1])) / (FEW * TABLE[1])
    table.append(["value table", *_ratio(seconds / values.size, theirs), f"{seconds:.2f}"])
    return table


def _ratio(ours: float, theirs: float) -> list[str]:
    return [f"{1e9 * ours:.1f}", f"{1e9 * theirs:.0f}", f"{theirs / ours:.0f}x"]


def _log() -> Impressions:
    rng = np.random.default_rng(0)
    pctr = np.minimum(rng.lognormal(-5.5, 0.6, AUCTIONS), 1)
    price = np.minimum(rng.lognormal(4, 0.6, AUCTIONS), 10 * HIGHEST).astype(np.int64)
    return Impressions(rng.random(AUCTIONS) < pctr, price, pctr)


def _python_replay(log: Impressions, bidder: str) -> float:
    """Seconds of an auction in a loop over lists."""
    few = 20_000
    theta, price, click = (column[:few].tolist() for column in (log.pctr, log.price, log.click))
    average, cpc = float(log.click.mean()), float(log.price.sum() / log.click.sum())
    budget = int(log.price.mean() / 32 * EPISODE)
    values = []
    if bidder == "rlb":  # three rows in turn: a bid's scan takes as long as on a whole table
        values = python_values([1 / (HIGHEST + 1)] * (HIGHEST + 1), average, 3, budget) * (EPISODE // 3 + 1)

    def bid(later: int, left: int, pctr: float) -> int:
        if bidder == "ecpc":
            return min(int(pctr * cpc), HIGHEST, left)
        if bidder != "rlb":
            return min(int(pctr * 60 / average), HIGHEST, left)
        row, found = values[later], 0
        while found < min(left, HIGHEST) and pctr + (row[left - found - 1] - row[left]) >= 0:
            found += 1
        return found

    return once(lambda: python_replay(theta, price, click, bid, budget)) / few


def python_replay(theta: list[float], price: list[int], click: list[bool], bid: Any, budget: int) -> tuple[int, ...]:
    """Impressions, clicks and cost of episodes, an auction at a time."""
    impressions = clicks = cost = left = 0
    for t in range(len(price)):
        if t % EPISODE == 0:
            left = budget
        if bid(EPISODE - 1 - t % EPISODE, left, theta[t]) >= price[t]:
            impressions += 1
            clicks += click[t]
            cost += price[t]
            left -= price[t]
    return impressions, clicks, cost


def python_values(share: list[float], value: float, opportunities: int, budget: int) -> list[list[float]]:
    """The first rows of a value table, a number at a time."""
    table = [[0.0] * (budget + 1)]
    for _ in range(1, opportunities):
        later, row, after = table[-1], [0.0] * (budget + 1), budget
        bids = [0] * (budget + 1)
        for b in range(budget, 0, -1):
            while after >= 0 and later[after] - later[b] + value >= 0:
                after -= 1
            bids[b] = min(len(share) - 1, b - after - 1)
        for b in range(1, budget + 1):
            worth = later[b]
            for d in range(bids[b] + 1):
                worth += share[d] * (value + (later[b - d] - later[b]))
            row[b] = worth
        table.append(row)
    return table
