"""Slow, obvious twin of observations and rewards, from what a period left behind and the documented meanings.

One campaign's numbers go in; nothing here knows of kernels or of the environment.
"""

from itertools import pairwise
from math import inf, isfinite, log
from typing import NamedTuple

import numpy as np
from laid_out import lay_out

from adsim.market.market import Market
from adsim.market.result import Result
from adsim.types import Totals

RECENT = 3
EXHAUSTED = 1e-6


class View(NamedTuple):
    """What a campaign may know of a period; lists have a number for each tick."""

    budget: float
    target: float
    stock: float
    stock_unit: float
    value: float
    maximizes_value: bool
    gains: list[Totals]
    """What each tick brought."""
    to_beat: list[float]
    """Mean over a tick's opportunities."""
    offered: list[float]
    """Predicted value of all a tick's opportunities."""
    opportunities: list[int]
    share: list[float]
    levels: list[float]
    """Position of the multiplier between the ends of its range, -1 to 1."""

    @property
    def reference(self) -> float:
        return 1 / self.target if self.target > 0 else 1.0


def offered(result: Result, seed: int) -> np.ndarray:
    """Predicted value of every opportunity to every campaign, from the market's own traffic; (N, T)."""
    size, count = result.scenario.size, result.scenario.market.opportunities
    traffic = lay_out(Market(result.scenario, seed))
    width = traffic.candidates.value.shape[1]
    found = np.empty((size, count))
    for first in range(0, count, width):
        part = min(width, count - first)
        traffic.fill(first, part)
        found[:, first : first + part] = traffic.candidates.value[:size, :part]
    return found


def look(result: Result, seed: int, n: int, actions: list[float]) -> View:
    """The view of campaign ``n`` on a period."""
    bounds = np.rint(np.concatenate([[0], np.cumsum(result.traffic_share)]) * result.scenario.market.opportunities)
    value = offered(result, seed)[n]
    edges = [int(bound) for bound in bounds]
    own = result.constraints
    return View(
        budget=float(own.budget[n]),
        target=float(own.target_roi[n]),
        stock=float(own.stock[n]),
        stock_unit=float(own.stock_unit[n]),
        value=float(own.value_per_conversion[n]),
        maximizes_value=bool(own.maximizes_value[n]),
        gains=[Totals(*map(float, row)) for row in np.diff(result.history[:, n], axis=0)],
        to_beat=result.score_to_beat[:, n].tolist(),
        offered=[float(value[a:b].sum()) for a, b in pairwise(edges)],
        opportunities=[b - a for a, b in pairwise(edges)],
        share=result.traffic_share.tolist(),
        levels=walk(actions),
    )


def walk(actions: list[float]) -> list[float]:
    """Where actions lead from 0, no further than 1 either way."""
    levels, level = [], 0.0
    for action in actions:
        level = min(max(level + min(max(action, -1.0), 1.0), -1.0), 1.0)
        levels.append(level)
    return levels


def log_ratio(x: float, y: float, bound: float) -> float:
    """0 where nothing is known, the bound where one side is nothing."""
    if x <= 0 and y <= 0:
        return 0.0
    if x <= 0 or y <= 0:
        return bound if x > 0 else -bound
    return min(max(log(x / y), -bound), bound)


def share_of(x: float, y: float) -> float:
    return min(x / y, 1.0) if y > 0 else 0.0


def features(view: View, tick: int) -> dict[str, float]:
    """The observation before a tick."""
    return {
        **_traffic(view, tick),
        **_budget(view, tick),
        **_stock(view, tick),
        **_target(view, tick),
        **_wins(view, tick),
        **_prices(view, tick),
        **_levels(view, tick),
    }


def _sum(view: View, name: str, ticks: range) -> float:
    return sum(getattr(view.gains[t], name) for t in ticks)


def _left(view: View, tick: int) -> tuple[float, float]:
    """Budget and stock left before a tick."""
    past = range(tick)
    return view.budget - _sum(view, "spend", past), view.stock - _sold(view, past)


def _sold(view: View, ticks: range) -> float:
    """Units of stock: conversions, or what they were worth."""
    return _sum(view, "value", ticks) / view.stock_unit if view.stock_unit else _sum(view, "conversions", ticks)


def _traffic_left(view: View, tick: int) -> float:
    return sum(view.opportunities[tick:]) / sum(view.opportunities)


def _share_of_rest(view: View, tick: int) -> float:
    return view.share[tick] / sum(view.share[tick:])


def _windows(tick: int) -> dict[str, range]:
    """Ticks so far, the last three and the last."""
    return {"": range(tick), "_recent": range(max(tick - RECENT, 0), tick), "_last": range(max(tick - 1, 0), tick)}


def _traffic(view: View, tick: int) -> dict[str, float]:
    ticks, total = len(view.share), sum(view.opportunities)
    coming = view.opportunities[tick] / (total / ticks) if tick < ticks else 0.0
    return {
        "time_left": (ticks - tick) / ticks,
        "traffic_left": _traffic_left(view, tick),
        "traffic_next": min(coming, 5.0),
    }


def _budget(view: View, tick: int) -> dict[str, float]:
    if not isfinite(view.budget):
        return {"budget_left": 1.0, "budget_ahead": 0.0, "budget_reach": 0.0, "spend_pace": 0.0}
    money, _ = _left(view, tick)
    left, reach, pace = max(money / view.budget, 0.0), 0.0, 0.0
    if sum(view.offered[:tick]) > 0:
        mean = sum(view.offered[:tick]) / sum(view.opportunities[:tick])
        rest = view.reference * mean * sum(view.opportunities[tick:])
        reach = log_ratio(max(money, 0.0), rest, 4 * log(10)) / log(10)
    if tick > 0:
        pace = log_ratio(view.gains[tick - 1].spend, _left(view, tick - 1)[0] * _share_of_rest(view, tick - 1), 2.0)
    ahead = left - _traffic_left(view, tick)
    return {"budget_left": left, "budget_ahead": ahead, "budget_reach": reach, "spend_pace": pace}


def _stock(view: View, tick: int) -> dict[str, float]:
    if not isfinite(view.stock):
        return {"stock_left": 1.0, "stock_ahead": 0.0, "stock_pace": 0.0}
    left, pace = max(_left(view, tick)[1] / view.stock, 0.0), 0.0
    if tick > 0:
        sales = view.gains[tick - 1].predicted_value / view.value
        pace = log_ratio(sales, _left(view, tick - 1)[1] * _share_of_rest(view, tick - 1), 2.0)
    return {"stock_left": left, "stock_ahead": left - _traffic_left(view, tick), "stock_pace": pace}


def _target(view: View, tick: int) -> dict[str, float]:
    past = range(tick)
    won, predicted = _sum(view, "value", past), _sum(view, "predicted_value", past)
    found = {"calibration": log_ratio(won + 10 * view.value, predicted + 10 * view.value, 2.0)}
    names = {"": "predicted_roi", "_recent": "predicted_roi_recent", "_last": "predicted_roi_last"}
    if view.target == 0:
        return found | dict.fromkeys(["roi", *names.values()], 0.0)
    for window, ticks in _windows(tick).items():
        prior = view.value if window == "" else 0.0
        spend = view.target * _sum(view, "spend", ticks) + prior
        found[names[window]] = log_ratio(_sum(view, "predicted_value", ticks) + prior, spend, 2.0)
    due = view.target * _sum(view, "spend", past) + view.value
    return found | {"roi": log_ratio(_sum(view, "value", past) + view.value, due, 2.0)}


def _wins(view: View, tick: int) -> dict[str, float]:
    found = {}
    for window, ticks in _windows(tick).items():
        seen = sum(view.opportunities[t] for t in ticks)
        found[f"win_rate{window}"] = share_of(_sum(view, "wins", ticks), seen)
        if window != "_last":
            conversions = _sum(view, "conversions", ticks)
            found[f"conversion_rate{window}"] = share_of(conversions, _sum(view, "wins", ticks))
    return found


def _prices(view: View, tick: int) -> dict[str, float]:
    def mean_value(ticks: range) -> float:
        return sum(view.offered[t] for t in ticks) / seen(ticks)

    def seen(ticks: range) -> int:
        return sum(view.opportunities[t] for t in ticks)

    found = {}
    for window, ticks in _windows(tick).items():
        beaten = sum(view.to_beat[t] * view.opportunities[t] for t in ticks if view.opportunities[t])
        worth = view.reference * sum(view.offered[t] for t in ticks)
        found[f"price_to_beat{window}"] = log_ratio(beaten, worth, 4.0)
        if window:
            known = seen(ticks) > 0
            found[f"value{window}"] = log_ratio(mean_value(ticks), mean_value(range(tick)), 2.0) if known else 0.0
    return found


def _levels(view: View, tick: int) -> dict[str, float]:
    return {
        f"multiplier{window}": sum(view.levels[t] for t in ticks) / len(ticks) if ticks else 0.0
        for window, ticks in _windows(tick).items()
    }


def score(view: View, ticks: range) -> float:
    """What a period is worth: sales within the stock, scaled down where the target is missed."""
    value, spend, sold = _sum(view, "value", ticks), _sum(view, "spend", ticks), _sold(view, ticks)
    if sold > view.stock:
        value *= view.stock / sold
    kept = 1.0
    if view.target > 0 and spend > 0:
        kept = min(1.0, (value / spend / view.target) ** 2)
    return value * kept - (0.0 if view.maximizes_value else spend)


def violation(view: View, ticks: range) -> float:
    """How far the target is missed, and how much was sold beyond the stock."""
    value, spend = _sum(view, "value", ticks), _sum(view, "spend", ticks)
    missed = 1 - value / (view.target * spend) if view.target > 0 and spend > 0 else 0.0
    beyond = _sold(view, ticks) / view.stock - 1 if view.stock < inf else 0.0
    return max(missed, 0.0) + max(beyond, 0.0)


def leaves(view: View) -> int:
    """The tick in which a campaign's money or stock runs out, or the last."""
    for tick in range(len(view.share)):
        money, stock = _left(view, tick + 1)
        if money < EXHAUSTED * view.budget or stock <= 0:
            return tick
    return len(view.share) - 1


def rewards(view: View) -> list[float]:
    """What each tick brings, and in the tick of leaving what makes the return the score."""
    last = leaves(view)
    plain = [gain.value - (0.0 if view.maximizes_value else gain.spend) for gain in view.gains]
    plain[last] += score(view, range(last + 1)) - sum(plain[: last + 1])
    return plain
