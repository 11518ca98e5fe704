"""The slow, obvious twins of what is done with AuctionNet logs: plain Python, row by row."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from adsim.kernels.counter import draw, normal_pair, uniform_double


def clear(bids: np.ndarray, slots: int, reserve: np.float32) -> tuple[list[int], list[float], float]:
    """Winners, GSP prices (0 where unsold) and the highest bid that won nothing, of one auction."""
    ranked = sorted((-bid, n) for n, bid in enumerate(bids) if bid >= reserve)
    scores = [-bid for bid, _ in ranked] + [reserve] * (slots + 1)
    winners = [n for _, n in ranked[:slots]] + [-1] * (slots - len(ranked))
    return winners, [scores[k + 1] if winners[k] >= 0 else 0.0 for k in range(slots)], scores[slots]


def states(rows: Iterable[dict[str, Any]], ticks: int) -> list[dict[str, Any]]:
    """The table of one advertiser's period, by its definition."""
    by_tick: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        by_tick.setdefault(row["timeStepIndex"], []).append(row)
    means: dict[str, list[float]] = {
        name: [] for name in ("bid", "leastWinningCost", "pValue", "conversionAction", "xi")
    }
    volumes: list[int] = []
    found = []

    def mean(values: Sequence[float]) -> float:
        return sum(values) / len(values) if values else 0.0

    for tick in sorted(by_tick):
        here = by_tick[tick]
        state = (
            (ticks - tick) / ticks,
            here[0]["remainingBudget"] / here[0]["budget"],
            mean(means["bid"]),
            mean(means["bid"][-3:]),
            mean(means["leastWinningCost"]),
            mean(means["pValue"]),
            mean(means["conversionAction"]),
            mean(means["xi"]),
            mean(means["leastWinningCost"][-3:]),
            mean(means["pValue"][-3:]),
            mean(means["conversionAction"][-3:]),
            mean(means["xi"][-3:]),
            mean([row["pValue"] for row in here]),
            len(here),
            sum(volumes[-3:]),
            sum(volumes),
        )
        worth = sum(row["pValue"] for row in here)
        found.append(
            {
                "timeStepIndex": tick,
                "state": state,
                "action": sum(row["bid"] for row in here) / worth if worth else 0.0,
                "reward": sum(row["conversionAction"] for row in here),
                "reward_continuous": sum(row["pValue"] for row in here if row["isExposed"]),
                "done": int(tick == ticks - 1 or here[0]["remainingBudget"] < 0.1),
                "realAllCost": sum(row["cost"] * row["isExposed"] for tick in by_tick.values() for row in tick),
                "realAllConversion": sum(row["conversionAction"] for tick in by_tick.values() for row in tick),
            }
        )
        for name, values in means.items():
            values.append(mean([row[name] for row in here]))
        volumes.append(len(here))
    return found


def bid_for(
    bids: Sequence[float],
    values: Sequence[float],
    sigmas: Sequence[float],
    least: Sequence[float],
    first: int,
    left: float,
    keys: np.ndarray,
) -> tuple[int, int, float, float]:
    """An advertiser's consecutive opportunities against the lowest winning bids."""
    wins, conversions, predicted = 0, 0, 0.0
    for t, (bid, value, sigma, price) in enumerate(zip(bids, values, sigmas, least, strict=True)):
        if bid == 0 or bid < price or price > left:
            continue
        left -= price
        wins += 1
        predicted += value
        words = [np.uint64(draw(key, np.uint64(first + t))) for key in keys]
        probability = min(max(value + sigma * float(normal_pair(words[0])[0]), 0.0), 1.0)
        conversions += uniform_double(words[1]) < probability
    return wins, conversions, predicted, left
