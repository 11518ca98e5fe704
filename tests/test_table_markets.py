"""Value tables in live markets: the bids are those of a plain program of what was heard, and keep to the terms."""

from typing import Any

import numpy as np
import pytest

import adsim
from adsim.agents.value_table import CompactTable
from adsim.errors import AgentError
from adsim.market.market import Market
from adsim.market.result import Result
from adsim.types import History


def rtb(agent: str, seed: int = 0, **changes: Any) -> Market:
    terms = {"market.opportunities": 4000, "market.ticks": 2, "campaigns.0.budget": 32.0, "traffic.curve": "flat"}
    return Market(adsim.load_scenario("display_rtb").replace(terms | changes | {"campaigns.0.agent": agent}), seed)


def binned(numbers: np.ndarray) -> list[tuple[float, int]]:
    """Mean and size of the bins of a sixteenth of a factor of two, rising."""
    bins: dict[int, list[float]] = {}
    for number in numbers.tolist():
        bins.setdefault(int(np.floor(16 * np.log2(number))), []).append(number)
    return [(float(np.mean(held)), len(held)) for _, held in sorted(bins.items())]


def heard(price: np.ndarray, value: np.ndarray) -> tuple[History, float]:
    """What a campaign knows after some opportunities, and its whole price."""
    prices, values = binned(price), binned(value)
    reached = np.cumsum([count for _, count in prices])
    unit = prices[int(np.argmax(reached >= 0.99 * reached[-1]))][0] / 100
    shares = np.ones(101)
    for mean, count in prices:
        whole, rest = int(mean / unit), mean / unit % 1
        for place, weight in ((whole, 1 - rest), (whole + 1, rest)):
            if place <= 100:
                shares[place] += weight * count
    spread = np.array([[mean for mean, _ in values], [count / len(value) for _, count in values]])
    return History(float(value.mean()), np.nan, shares / (len(price) + 101), spread), unit


def price_of(table: CompactTable, later: int, left: float, value: float) -> float:
    """The whole prices that are worth it, and the affordable part of the next."""
    points, gains = table.table.points, table.table.gains
    most, bid = min(100.0, left), 0.0
    while later and bid < most:
        place = min(max(gains.shape[1] * np.sqrt(max(left - bid - 0.5, 0) / later / 100), 0.5), gains.shape[1] - 0.5)
        rows = [np.interp(place, np.arange(gains.shape[1]) + 0.5, row) for row in gains]
        gain = np.interp(1 / np.sqrt(later), points[::-1], rows[::-1])
        if value < gain:
            return min(bid + value / gain, most)
        value, bid = value - gain, bid + 1
    return most


@pytest.mark.parametrize("agent", ["rlb", "rlb:values=spread", "ss_mdp"])
def test_the_second_tick_is_that_of_a_plain_program(agent: str) -> None:
    market = rtb(agent, **{"campaigns.0.target_roi": 4.0})  # which sets the start alone
    result, truth = market.run(events=True), market.hindsight()
    left = 32.0 - result.history[1][0, 6]
    history, unit = heard(truth.price[:2000], truth.predicted_value[:2000])
    table = CompactTable(history, 2000, int(left / unit), 100, "spread" if "spread" in agent else "average")
    won = np.zeros(2000, bool)
    for t in range(2000):
        price, value = float(truth.price[2000 + t]), float(truth.predicted_value[2000 + t])
        worth = history.average_value if agent == "ss_mdp" else value
        won[t] = unit * price_of(table, 1999 - t, left / unit, worth) >= price
        left -= price * won[t]
    assert 50 < won.sum() < 1900
    np.testing.assert_array_equal(
        result.events["opportunity"][result.events["opportunity"] >= 2000] - 2000, won.nonzero()[0]
    )


def test_before_anything_is_heard_it_bids_as_others_start() -> None:
    first = [rtb(agent, **{"market.ticks": 8}).run() for agent in ("rlb", "online_lp")]
    np.testing.assert_array_equal(first[0].history[1], first[1].history[1])


def spent_well(result: Result) -> float:
    return float(result.totals.predicted_value[0])


@pytest.mark.parametrize("c0", [1 / 10, 1 / 3])
def test_it_earns_nearly_what_the_oracle_does(c0: float) -> None:
    terms = {"market.opportunities": 20_000, "market.ticks": 24, "campaigns.0.budget": 0.064 * 20_000 * c0}
    best, *others = (spent_well(rtb(agent, 1, **terms).run()) for agent in ("oracle", "rlb", "rlb:values=spread"))
    assert min(others) > 0.93 * best
    assert others[1] > 0.97 * best


def test_a_utility_maximizer_never_pays_more_than_the_value() -> None:
    terms = {"campaigns.0.objective": "utility", "campaigns.0.budget": 1e6}
    result = rtb("rlb", **terms).run(events=True)
    truth = rtb("rlb", **terms).hindsight()
    won = result.events["opportunity"]
    assert (truth.price[won] <= truth.predicted_value[won] * (1 + 1e-6)).all()
    assert won.size > 100


def test_a_live_campaign_needs_a_budget() -> None:
    scenario = adsim.load_scenario("target_cpa").replace({"campaigns.0.agent": "rlb", "market.opportunities": 100})
    with pytest.raises(AgentError, match=r"campaign 'advertiser-1': .*that of a budget"):
        Market(scenario.replace({"campaigns.0.budget": None})).run()
