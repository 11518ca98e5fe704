"""The replay of a log: published figures digit for digit, and a plain-Python twin."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import naive_replay
import numpy as np
import pandas as pd
import pytest
from data_path import shared_data
from hypothesis import given, settings
from hypothesis import strategies as st

from adsim import registry
from adsim.agents.base import Agent
from adsim.agents.ecpc import ExpectedCostPerClick
from adsim.agents.linear import Linear
from adsim.errors import AdsimError, AgentError, LogError, UnknownName
from adsim.experiments.replay.replay import replay
from adsim.kernels.replay import replay as kernel
from adsim.types import Constraints, History, Observation, PublicFacts, Totals

PUBLISHED = [
    (1 / 32, 1969, 10, (14752, 48, 307751), (32208, 71, 203610)),
    (1 / 16, 3938, 15, (29034, 82, 614884), (38978, 77, 270386)),
    (1 / 8, 7877, 20, (57564, 144, 1228618), (45924, 93, 363934)),
    (1 / 4, 15754, 85, (96292, 244, 2102858), (83979, 242, 2451952)),
    (1 / 2, 31508, 130, (98718, 254, 2168396), (121167, 377, 4808009)),
]
"""c0, budget, b0, and impressions, clicks, cost of Mcpc and Lin-Bid on campaign 2997."""

auctions = st.lists(
    st.tuples(
        st.one_of(st.floats(0, 400), st.integers(0, 400).map(float), st.just(float("inf"))),
        st.floats(0, 1),
        st.integers(0, 320),
        st.booleans(),
    ),
    min_size=1,
)
budgets, caps = st.integers(0, 2000), st.integers(0, 300)


def columns(rows: list[tuple[float, float, int, bool]]) -> list[Any]:
    kinds = (np.float64, np.float64, np.int64, np.bool_)
    return [np.array(column, kind) for column, kind in zip(zip(*rows, strict=True), kinds, strict=True)]


@settings(deadline=None)
@given(auctions, budgets, caps)
def test_kernel_is_its_twin(rows, budget: int, max_bid: int) -> None:
    assert kernel(*columns(rows), budget, max_bid) == naive_replay.replay(*zip(*rows, strict=True), budget, max_bid)


@settings(deadline=None)
@given(auctions, budgets, caps, st.data())
def test_parts_with_a_running_budget_are_the_whole(rows, budget: int, max_bid: int, data) -> None:
    cut = data.draw(st.integers(0, len(rows)))
    whole = kernel(*columns(rows), budget, max_bid)
    arrays = columns(rows)
    first = kernel(*(array[:cut] for array in arrays), budget, max_bid)
    second = kernel(*(array[cut:] for array in arrays), budget - first[2], max_bid)
    assert tuple(a + b for a, b in zip(first[:3], second[:3], strict=True)) == whole[:3]
    assert whole[2] <= budget


def write_theta(path: Path, rows: list[tuple[int, int, float]]) -> Path:
    path.write_text("".join(f"{click} {price} {pctr!r}\n" for click, price, pctr in rows))
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    pctr = rng.beta(2, 60, 2345)
    rows = zip((rng.random(2345) < pctr).astype(int), rng.integers(0, 200, 2345), pctr.tolist(), strict=True)
    return write_theta(tmp_path / "log", [(int(c), int(p), v) for c, p, v in rows])


@pytest.mark.parametrize(("c0", "budget", "b0", "mcpc", "linear"), PUBLISHED)
def test_published_figures(c0: float, budget: int, b0: int, mcpc, linear) -> None:
    found = replay(
        shared_data("ipinyou-2997/test.theta.txt.gz"),
        ["ecpc", f"linear:b0={b0}"],
        info=shared_data("ipinyou-2997/info.json"),
        c0=[c0],
    )
    table = found.bidders
    assert table["budget"].tolist() == [budget] * 2
    assert [tuple(row) for row in table[["impressions", "clicks", "cost"]].to_numpy().tolist()] == [
        mcpc,
        linear,
    ]
    assert (table["auctions"] == 156_063).all()
    assert found.episodes.groupby("bidder").size().tolist() == [157, 157]
    assert found.episodes["cost"].max() <= budget


def test_check_values_of_2997() -> None:
    statistics = replay(
        shared_data("ipinyou-2997/test.theta.txt.gz"), ["ecpc"], info=shared_data("ipinyou-2997/info.json")
    ).summary()["statistics"]
    assert statistics["cpm"] == 63.01773477533071
    assert statistics["cost_per_conversion"] == 14205.679653679654
    assert statistics["average_value"] == 0.004436094316614229


def test_campaign_2259_learns_from_its_training_log() -> None:
    train = shared_data("ipinyou-2259-log/train.log.txt")
    test = shared_data("ipinyou-2259-log/test.log.txt")
    summary = replay(test, ["ecpc"], train=train).summary()
    assert summary["statistics_from"] == "train"
    assert summary["values_from"] == "average click rate"
    assert summary["statistics"]["clicks"] == 5
    with pytest.raises(LogError, match="the sum of clicks is 0"):
        replay(test, ["ecpc"])


@pytest.mark.parametrize("ticks", [1, 7, 1000])
def test_against_the_twin(log: Path, ticks: int) -> None:
    found = replay(log, ["ecpc:cost=900", "linear:b0=60"], episode=300, c0=[0.1, 0.5], ticks=ticks)
    rows = [line.split() for line in log.read_text().splitlines()]
    click, price = [bool(int(row[0])) for row in rows], [int(row[1]) for row in rows]
    average, cpm = sum(click) / len(rows), sum(price) / len(rows)
    for c0 in (0.1, 0.5):
        budget = int(cpm * c0 * 300)
        ecpc = [float(row[2]) * 900 for row in rows]
        linear = [float(row[2]) * 60 / average for row in rows]
        for bidder, bids in [("ecpc", ecpc), ("linear", linear)]:
            table = found.episodes
            table = table[(table["bidder"] == bidder) & (table["c0"] == c0)]
            expected = naive_replay.episodes(bids, price, click, 300, budget, 300)
            assert table[["impressions", "clicks", "cost"]].to_numpy().tolist() == [list(e) for e in expected]


def test_tables(log: Path) -> None:
    calls = []
    found = replay(log, ["ecpc", "linear:b0=9"], c0=[1, 1 / 4], progress=lambda done, of: calls.append((done, of)))
    table = found.bidders
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert table["c0"].tolist() == [1, 1, 1 / 4, 1 / 4]
    assert table["parameters"].tolist() == ["", "b0=9"] * 2
    assert table["clicks_difference"].tolist() == [
        0,
        table["clicks"][1] - table["clicks"][0],
        0,
        table["clicks"][3] - table["clicks"][2],
    ]
    assert (table["clicks_low"] <= table["clicks"]).all()
    assert (table["clicks"] <= table["clicks_high"]).all()
    np.testing.assert_allclose(table["cpm"], table["cost"] / table["impressions"])
    np.testing.assert_allclose(table["win_rate"], table["impressions"] / 2345)
    pd.testing.assert_frame_equal(table, replay(log, ["ecpc", "linear:b0=9"], c0=[1, 1 / 4]).bidders)
    landscape = found.landscape
    assert landscape["price"].is_monotonic_increasing
    assert landscape["share_of_auctions"].iloc[-1] == landscape["share_of_clicks"].iloc[-1] == 1
    assert landscape["average_cost"].iloc[-1] == found.facts["cost"] / 2345


def test_summary_is_plain(log: Path) -> None:
    summary = replay(log, ["ecpc", "linear:b0=0.0001"]).summary()
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["statistics_from"] == "log"
    assert summary["values_from"] == "pctr"
    for row in summary["bidders"]:
        assert {type(row[name]) for name in ("impressions", "clicks", "cost", "budget")} == {int}
    assert summary["bidders"][1]["ecpc"] is None


def test_bootstrap_covers_the_variance_of_the_sum() -> None:
    from adsim.experiments.replay.replay import _interval_of_sum

    counts = np.random.default_rng(3).poisson(2, 400).astype(np.int64)
    low, high = _interval_of_sum(counts, seed=0)
    half_width = 1.96 * np.sqrt(400 * counts.var())
    assert low == pytest.approx(counts.sum() - half_width, abs=6)
    assert high == pytest.approx(counts.sum() + half_width, abs=6)
    assert (low, high) == _interval_of_sum(counts, seed=0)
    assert np.isnan(_interval_of_sum(counts[:1], seed=0)).all()


def test_agents_see_only_their_own_past(log: Path, monkeypatch) -> None:
    seen = []

    class Watcher(Agent):
        def act(self, observation):
            seen.append(observation)
            return np.full(1, 3000.0 * (1 + observation.tick % 2))

    load = registry.load
    monkeypatch.setattr(registry, "load", lambda kind, name: Watcher if name == "watcher" else load(kind, name))
    found = replay(log, ["watcher"], episode=1000, ticks=4, c0=[0.5])
    assert [observation.tick for observation in seen] == [0, 1, 2, 3] * 3
    budget = found.bidders["budget"][0]
    for before, after in pairwise(seen):
        if after.tick:
            assert after.budget_left[0] == budget - after.total.spend[0]
            assert after.total.clicks[0] == before.total.clicks[0] + after.last.clicks[0]
        else:
            assert after.budget_left[0] == budget
            assert after.total.wins[0] == 0


def test_oracles_alone_are_shown_each_episode(log: Path, monkeypatch) -> None:
    shown = []

    class Seer(Agent):
        privileged = True

        def reveal(self, hindsight):
            shown.append(hindsight)

        def act(self, observation):
            return np.full(1, 300.0)

    load = registry.load
    monkeypatch.setattr(registry, "load", lambda kind, name: Seer if name == "seer" else load(kind, name))
    replay(log, ["seer", "ecpc"], episode=1000)
    assert [len(hindsight.price) for hindsight in shown] == [1000, 1000, 345]
    rows = np.loadtxt(log)
    np.testing.assert_array_equal(np.concatenate([hindsight.price for hindsight in shown]), rows[:, 1])
    np.testing.assert_array_equal(np.concatenate([hindsight.value for hindsight in shown]), rows[:, 0])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"c0": [0.0]}, AdsimError, "c0 = 0.0: must be a positive"),
        ({"c0": [float("nan")]}, AdsimError, "must be a positive"),
        ({"c0": [float("inf")]}, AdsimError, "must be a positive"),
        ({"c0": [1e-9]}, AdsimError, "Raise c0"),
        ({"c0": [1e300]}, AdsimError, "Lower c0"),
        ({"c0": []}, AdsimError, "c0"),
        ({"episode": 0}, AdsimError, "episode = 0"),
        ({"ticks": 0}, AdsimError, "ticks = 0"),
        ({"max_bid": 0}, AdsimError, "max_bid = 0"),
        ({"bidders": []}, AdsimError, "no bidders"),
        ({"bidders": ["ecpc:cost=-1"]}, AgentError, "cost = -1"),
        ({"bidders": ["linear:b1=3"]}, UnknownName, "b1"),
        ({"bidders": ["linear"]}, AdsimError, "b0"),
        ({"bidders": ["linaer"]}, UnknownName, "Did you mean 'linear'"),
        ({"info": "absent.json"}, LogError, "absent.json"),
        ({"train": "absent.log"}, LogError, "absent.log"),
        ({"info": "a", "train": "b"}, AdsimError, "one of them"),
    ],
)
def test_impossible_settings(log: Path, change: dict[str, Any], error: type, message: str) -> None:
    settings: dict[str, Any] = {"bidders": ["ecpc"], **change}
    with pytest.raises(error) as caught:
        replay(log, settings.pop("bidders"), **settings)
    assert message in str(caught.value)


def test_bids_that_are_no_numbers(log: Path, monkeypatch) -> None:
    monkeypatch.setattr(Linear, "bids", lambda self, value, multiplier: value * np.nan)
    with pytest.raises(AgentError, match="Linear bids"):
        replay(log, ["linear:b0=3"])


def test_no_clicks_no_impressions(tmp_path: Path) -> None:
    train = tmp_path / "info"
    train.write_text('{"imp_train": 10, "clk_train": 2, "cost_train": 300}')
    log = write_theta(tmp_path / "log", [(0, 5, 0.1), (0, 7, 0.1)])
    found = replay(log, ["ecpc"], info=train, episode=2, c0=[1 / 32])
    assert found.bidders["impressions"].tolist() == [0]
    assert json.dumps(found.summary(), allow_nan=False)
    assert found.landscape["share_of_clicks"].isna().all()


def constraints(target_roi: list[float], value: float = 1.0) -> Constraints:
    n = len(target_roi)
    return Constraints(
        np.full(n, value),
        np.ones(n, np.bool_),
        np.full(n, np.inf),
        np.array(target_roi),
        np.full(n, np.inf),
        np.zeros(n),
    )


SEEN = Observation(0, *[Totals(*np.zeros((8, 1)))] * 2, *np.zeros((3, 1)))
"""Nothing yet, whatever the number of campaigns."""


def test_linear_agent() -> None:
    market = PublicFacts("second_price", False, np.ones(1), 1, History(0.25, 8.0))
    agent = Linear(b0=10)
    agent.reset(constraints([0, 0]), market)
    assert agent.act(SEEN).tolist() == [40.0, 40.0]
    value = np.array([0.1, 0.3])
    assert agent.bids(value, 40.0).tolist() == [(0.1 * 10) / 0.25, (0.3 * 10) / 0.25]
    with pytest.raises(AgentError, match="average="):
        agent.reset(constraints([0]), market._replace(history=None))
    agent = Linear(b0=10, average=0.5)
    agent.reset(constraints([0]), market._replace(history=None))
    assert agent.act(SEEN).tolist() == [20.0]
    assert (agent.b0, agent.average) == (10, 0.5)


def test_ecpc_agent() -> None:
    market = PublicFacts("second_price", False, np.ones(1), 1, History(0.25, 8.0))
    agent = ExpectedCostPerClick()
    agent.reset(constraints([0, 2], value=4.0), market)
    assert agent.act(SEEN).tolist() == [2.0, 2.0]
    agent.reset(constraints([4, 2], value=4.0), market._replace(history=None))
    assert agent.act(SEEN).tolist() == [0.25, 0.5]
    with pytest.raises(AgentError, match="cost="):
        agent.reset(constraints([4, 0]), market._replace(history=None))
    agent = ExpectedCostPerClick(cost=3)
    agent.reset(constraints([0]), market._replace(history=None))
    assert agent.act(SEEN).tolist() == [3.0]
