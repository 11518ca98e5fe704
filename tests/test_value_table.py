"""The value table and its bidders: published figures digit for digit, a plain twin, and what holds of any table."""

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import naive_value_table as naive
import numpy as np
import pytest
import scipy.stats
from data_path import shared_data
from hypothesis import given, settings
from hypothesis import strategies as st

import adsim
from adsim import registry
from adsim.agents.table_bidder import TableBidder
from adsim.agents.value_table import ValueTable
from adsim.envs.bidding import BiddingEnv
from adsim.envs.impression import ImpressionEnv, ImpressionVectorEnv
from adsim.envs.table_policy import TablePolicy
from adsim.errors import AgentError, EnvError, LogError
from adsim.experiments.replay import figures as replay_figures
from adsim.experiments.replay.replay import replay
from adsim.kernels.table_bids import replay_by_table
from adsim.logs.market_price import price_shares
from adsim.logs.theta import write
from adsim.types import Constraints, History, PublicFacts

PUBLISHED = [
    (1 / 32, (40395, 80, 306637), (39680, 78, 304375)),
    (1 / 16, (58866, 115, 613597), (57267, 119, 609392)),
    (1 / 8, (81808, 179, 1226466), (77791, 176, 1220832)),
    (1 / 4, (108064, 255, 2451195), (103316, 260, 2444319)),
    (1 / 2, (134649, 382, 4808148), (131194, 389, 4833773)),
]
"""c0, and impressions, clicks, cost of SS-MDP and RLB on campaign 2997."""

counts = st.lists(st.integers(0, 30), min_size=1, max_size=25)
averages = st.floats(1e-4, 1)


def history(count: list[int], average: float) -> History:
    return History(average, 1.0, price_shares(dict(enumerate(count)), len(count) - 1))


def table_of(count: list[int], average: float, opportunities: int, budget: int, **rows: int) -> ValueTable:
    return ValueTable(history(count, average), opportunities, budget, **rows)


def test_published_figures() -> None:
    found = replay(
        shared_data("ipinyou-2997/test.theta.txt.gz"),
        ["ss_mdp", "rlb"],
        info=shared_data("ipinyou-2997/info.json"),
        c0=[c0 for c0, *_ in PUBLISHED],
    )
    won = [tuple(row) for row in found.bidders[["impressions", "clicks", "cost"]].to_numpy().tolist()]
    assert won == [row for _, *rows in PUBLISHED for row in rows]
    assert (found.episodes["cost"] <= 31508).all()


@settings(deadline=None)
@given(counts, averages, st.integers(1, 8), st.integers(0, 60))
def test_table_is_its_twin_bit_for_bit(count: list[int], average: float, opportunities: int, budget: int) -> None:
    table = table_of(count, average, opportunities, budget)
    expected = naive.values(history(count, average).price_share.tolist(), average, opportunities, budget)
    columns = table.table.values.shape[1]
    assert columns == min(budget, (len(count) - 1) * (opportunities - 1)) + 1
    np.testing.assert_array_equal(table.table.values, np.array(expected)[:, :columns])


def test_wide_table_is_its_twin_bit_for_bit() -> None:
    count = np.random.default_rng(0).integers(0, 50, 40).tolist()
    table = table_of(count, 0.02, 60, 1300)
    expected = naive.values(history(count, 0.02).price_share.tolist(), 0.02, 60, 1300)
    np.testing.assert_array_equal(table.table.values, expected)


def test_no_policy_does_better_where_nothing_is_free() -> None:
    share, value = [0.0, 0.4, 0.3, 0.2], 1.0
    best: dict[tuple[int, int], float] = {}
    for n, b in itertools.product(range(5), range(9)):
        options = [0.0]
        if n:
            for bid in range(-1, min(b, 3) + 1):  # -1: no bid at all
                won = sum(share[d] * (value + best[n - 1, b - d]) for d in range(bid + 1))
                options.append(won + (1 - sum(share[: bid + 1])) * best[n - 1, b])
        best[n, b] = max(options)
    table = ValueTable(History(value, 1.0, np.array(share)), 5, 8).table.values
    np.testing.assert_allclose(table, [[best[n, b] for b in range(9)] for n in range(5)], rtol=1e-12)


@settings(deadline=None)
@given(counts, averages, st.integers(1, 12), st.integers(1, 80))
def test_more_money_and_more_time_are_worth_more(count, average: float, opportunities: int, budget: int) -> None:
    values = table_of(count, average, opportunities, budget).table.values
    assert (np.diff(values, axis=0) >= -1e-9).all()
    assert (np.diff(values, axis=1) >= -1e-9).all()
    reachable = average * np.arange(opportunities)[:, None]
    assert (values <= reachable + 1e-9).all()


@settings(deadline=None)
@given(counts, averages, st.data())
def test_bids_are_those_of_the_twin_and_rise_with_value(count, average: float, data) -> None:
    table = table_of(count, average, 10, 70)
    later, left = data.draw(st.integers(0, 9)), data.draw(st.integers(0, table.table.values.shape[1] - 1))
    values = np.sort(data.draw(st.lists(st.floats(0, 2 * average), min_size=1, max_size=9)))
    bids = table.bids(np.full(len(values), later), np.full(len(values), left), values)
    assert bids.tolist() == [
        naive.bid(table.table.values[later].tolist(), value, left, len(count) - 1) for value in values.tolist()
    ]
    assert (np.diff(bids) >= 0).all()
    assert bids.max() <= min(left, len(count) - 1)


def test_bids_fall_the_more_opportunities_are_to_come_and_rise_with_money() -> None:
    table = table_of([3, 8, 9, 4, 6, 2, 5, 1, 1], 0.1, 50, 120)
    later, left = (grid.ravel() for grid in np.meshgrid(np.arange(50), np.arange(121), indexing="ij"))
    bids = table.bids(later, left, np.full(later.size, 0.1)).reshape(50, 121)
    assert (np.diff(bids, axis=0) <= 0).all()
    assert (np.diff(bids, axis=1) >= 0).all()
    assert len(np.unique(bids)) > 5


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 24), st.booleans()), min_size=1, max_size=12), st.data())
def test_replay_is_its_twin_and_keeps_the_budget(rows, data) -> None:
    budget = data.draw(st.integers(0, 60))
    table = table_of([2, 5, 1, 9, 0, 0, 3, 4], 0.3, 12, budget)
    worth, price, click = (list(column) for column in zip(*rows, strict=True))
    arrays = np.array(worth), np.array(price, np.int64), np.array(click)
    won = replay_by_table(table.table, *arrays, budget, 12)
    assert won == naive.replay(table.table.values.tolist(), table.table.highest, worth, price, click, budget)
    assert won[2] <= budget


def test_a_table_of_fewer_rows_bids_nearly_the_same() -> None:
    count, rng = [0, 2, 5, 9, 8, 6, 5, 4, 3, 2, 2, 1, 1, 1], np.random.default_rng(1)
    exact, mapped = table_of(count, 0.1, 400, 600), table_of(count, 0.1, 400, 600, rows=100)
    assert mapped.table.values.shape == (100, 301)
    later = rng.integers(0, 400, 5000)
    left = (later * rng.uniform(0.5, 2, 5000)).astype(np.int64)
    value = rng.uniform(0, 0.3, 5000)
    gap = mapped.bids(later, left, value) - exact.bids(later, left, value)
    assert (gap[later < 100] == 0).all()
    assert np.abs(gap).max() <= 2
    assert (gap != 0).mean() < 0.2


def test_prices_are_smoothed_and_higher_ones_never_won() -> None:
    np.testing.assert_array_equal(price_shares(Counter({1: 3, 2: 1}), 3), np.array([1, 4, 2, 1]) / 8)
    np.testing.assert_array_equal(price_shares(Counter({1: 3, 9: 1}), 1), np.array([1, 4]) / 6)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    pctr = rng.beta(2, 60, 1234)
    path = tmp_path / "log"
    rows = zip((rng.random(1234) < pctr).astype(int), rng.integers(0, 40, 1234), pctr.tolist(), strict=True)
    path.write_text("".join(f"{c} {p} {v!r}\n" for c, p, v in rows))
    return path


@pytest.mark.parametrize(("bidder", "sees"), [("rlb", True), ("ss_mdp", False)])
def test_a_replay_is_the_twins(log: Path, bidder: str, sees: bool) -> None:
    found = replay(log, ["ecpc", bidder, "linear:b0=20"], episode=50, c0=[0.2, 0.5], ticks=7, max_bid=30)
    rows = [line.split() for line in log.read_text().splitlines()]
    click, price, pctr = ([kind(row[place]) for row in rows] for place, kind in enumerate((int, int, float)))
    average, seen = sum(click) / len(rows), Counter(price)
    share = [(seen[d] + 1) / (len(rows) + 31) for d in range(31)]
    for c0 in (0.2, 0.5):
        budget = int(sum(price) / len(rows) * c0 * 50)
        table, won = naive.values(share, average, 50, budget), []
        for start in range(0, len(rows), 50):
            part = slice(start, start + 50)
            worth = pctr[part] if sees else [average] * len(pctr[part])
            won.append(naive.replay(table, 30, worth, price[part], [bool(c) for c in click[part]], budget))
        episodes = found.episodes.query("bidder == @bidder and c0 == @c0")
        assert episodes[["impressions", "clicks", "cost"]].to_numpy().tolist() == [list(row) for row in won]


def test_a_replay_tells_nothing_of_prices_where_none_are_known(log: Path, tmp_path: Path) -> None:
    info = tmp_path / "info"
    info.write_text('{"imp_train": 10, "clk_train": 2, "cost_train": 300}')
    with pytest.raises(AgentError, match="price_counter_train"):
        replay(log, ["rlb"], info=info)


@pytest.mark.parametrize("prices", ["3", "[1, -1]", "[1.5]", "[true]", '["1"]'])
def test_price_counts_that_are_none_are_named(log: Path, tmp_path: Path, prices: str) -> None:
    info = tmp_path / "info"
    info.write_text(f'{{"imp_train": 10, "clk_train": 2, "cost_train": 300, "price_counter_train": {prices}}}')
    with pytest.raises(LogError, match="key 'price_counter_train'"):
        replay(log, ["rlb"], info=info)


FACTS = PublicFacts("second_price", False, np.ones(1), 20, history([1, 2, 3], 0.1))


def terms(budget: float) -> Constraints:
    ones = np.ones(1)
    return Constraints(ones, np.ones(1, np.bool_), np.full(1, budget), 0 * ones, np.inf * ones, 0 * ones)


def test_bidders_with_the_same_beliefs_share_a_table() -> None:
    rlb, ss_mdp = (registry.create("agents", name, {}) for name in ("rlb", "ss_mdp"))
    for agent in (rlb, ss_mdp):
        agent.reset(terms(30.0), FACTS)
    assert rlb.table is ss_mdp.table
    rlb.reset(terms(31.0), FACTS)
    assert rlb.table is not ss_mdp.table
    assert ss_mdp.worth(np.array([0.3, 0.0])).tolist() == [0.1, 0.1]
    assert rlb.worth(np.array([0.3, 0.0])).tolist() == [0.3, 0.0]


@pytest.mark.parametrize(
    ("constraints", "facts", "words"),
    [
        (terms(np.inf), FACTS, "that of a budget"),
        (terms(9.0), FACTS._replace(history=None), "market's prices"),
        (terms(9.0), FACTS._replace(history=History(0.1, 1.0)), "market's prices"),
        (terms(9.0), FACTS._replace(history=history([1], 0.0)), "above 0"),
        (terms(1e9), FACTS._replace(history=history([1] * 301, 0.1), opportunities=10**5), "above 4 GB"),
    ],
)
def test_a_campaign_without_a_table_is_refused(constraints: Constraints, facts: PublicFacts, words: str) -> None:
    with pytest.raises(AgentError, match=words):
        TableBidder(rows=10_000).reset(constraints, facts)


@pytest.mark.parametrize("rows", [0, -1, 1.5, "many", True])
def test_rows_are_counted(rows: Any) -> None:
    with pytest.raises(AgentError, match="rows = "):
        TableBidder(rows=rows)


def lognormal_shares(unit: float, prices: int) -> np.ndarray:
    """Of display_rtb's posted prices, rounded up to the unit."""
    reach = scipy.stats.lognorm(0.7, scale=0.05).cdf(unit * np.arange(prices + 1))
    return np.diff(reach, prepend=0.0)


def test_impression_env_pays_what_the_table_promises() -> None:
    changes = {
        "market.opportunities": 60,
        "market.ticks": 60,
        "traffic": {
            "source": "contextual",
            "curve": "flat",
            "ctr": 0.5,
            "ctr_affinity": 0.0,
            "ctr_noise": 0.0,
            "cvr": 1.0,
        },
        "predictor.ctr_error": 0.0,
        "campaigns.0.budget": 0.6,
    }
    scenario = adsim.load_scenario("display_rtb").replace(changes)
    envs = ImpressionVectorEnv(1000, scenario)
    unit = envs.max_price / 600
    history = History(7.0, 1.0, lognormal_shares(unit, 600))
    policy = TablePolicy(envs, history, unit)
    observation, info = envs.reset(seed=0)
    np.testing.assert_allclose(info["offered_value"], 7.0, rtol=1e-6)
    value = np.zeros(1000)
    for _ in range(60):
        observation, reward, *_, info = envs.step(policy(observation, info))
        value += reward
    promised = ValueTable(history, 61, int(0.6 / unit)).table.values[60, -1]
    error = value.std() / np.sqrt(1000)
    assert abs(value.mean() - promised) < 3.5 * error + 0.02 * promised  # prices paid are below the rounded ones
    assert value.mean() > promised - 3.5 * error


def test_impression_env_on_a_log_is_the_replay(log: Path) -> None:
    rules: dict[str, Any] = {"episode": 200, "c0": 0.3, "max_bid": 30}
    replayed = replay(log, ["rlb"], **rules | {"c0": [0.3]}).episodes
    env = ImpressionEnv(log=log, **rules)
    policy = TablePolicy(env)
    for episode in (0, 6):
        observation, info = env.reset(options={"episode": episode})
        over = False
        while not over:
            observation, _, over, _, info = env.step(policy(observation, info))
        row = replayed.iloc[episode]
        assert (info["wins"], info["clicks"], info["spend"]) == (row["impressions"], row["clicks"], row["cost"])
    envs = ImpressionVectorEnv(6, log=log, **rules)
    observation, info = envs.reset(options={"episode": np.arange(6)})
    for _ in range(200):
        observation, *_, info = envs.step(policy(observation, info))
    assert info["spend"].tolist() == replayed["cost"][:6].tolist()


def test_environments_without_a_table_are_refused() -> None:
    scenario, history = adsim.load_scenario("display_rtb"), FACTS.history
    with pytest.raises(EnvError, match="history="):
        TablePolicy(ImpressionEnv(scenario))
    with pytest.raises(AgentError, match="prices"):
        TablePolicy(ImpressionEnv(scenario), History(0.1, 1.0))
    with pytest.raises(EnvError, match="not bids"):
        TablePolicy(ImpressionEnv(scenario.replace({"auction.mechanism": "first_price"})), history)
    with pytest.raises(EnvError, match="single opportunities"):
        TablePolicy(BiddingEnv("quickstart", campaign=0), history)
    with pytest.raises(AgentError, match="unit = 0"):
        TablePolicy(ImpressionEnv(scenario), history, unit=0)


def test_linear_is_tuned_on_the_training_log(log: Path, tmp_path: Path) -> None:
    train = tmp_path / "train"
    train.write_text("".join(reversed(log.read_text().splitlines(keepends=True))))
    rules: dict[str, Any] = {"episode": 100, "c0": [0.1, 0.6]}
    replayed = replay(log, ["linear", "rlb"], train=train, **rules)
    assert replay_figures.labels(replayed) == ["linear, tuned", "rlb"]
    found = replayed.bidders.query("bidder == 'linear'")
    rows = "".join(train.read_text().splitlines(keepends=True)[:1200])
    (whole := tmp_path / "whole").write_text(rows)
    info = tmp_path / "info"
    clicks, prices, _ = zip(*(map(float, row.split()) for row in train.read_text().splitlines()), strict=True)
    totals = {"imp_train": len(clicks), "clk_train": sum(clicks), "cost_train": sum(prices)}
    info.write_text(json.dumps(totals))
    grid = [f"linear:b0={b0}" for b0 in range(5, 301, 5)]
    for c0, chosen in zip((0.1, 0.6), found["parameters"], strict=True):
        table = replay(whole, grid, info=info, **rules | {"c0": [c0]}).bidders
        best = table["parameters"][table["clicks"] == table["clicks"].max()].iloc[-1]
        assert chosen == best
    assert found["parameters"].nunique() == 2


def test_in_a_stationary_market_rlb_leads_tuned_linear_the_more_the_tighter_the_budget(tmp_path: Path) -> None:
    for seed, name in enumerate(("train", "test")):
        rng = np.random.default_rng(seed)
        pctr = np.minimum(0.1 * rng.lognormal(-0.125, 0.5, 60_000), 1)
        price = np.rint(rng.lognormal(np.log(50), 1.2, pctr.size)).astype(np.int64)
        write(tmp_path / name, (rng.random(pctr.size) < pctr).astype(int), price, pctr)
    found = replay(tmp_path / "test", ["linear", "rlb"], train=tmp_path / "train", episode=200, c0=[1 / 16, 1 / 2])
    tight, loose = found.bidders.query("bidder == 'rlb'").to_dict("records")
    assert tight["clicks_difference_low"] > 0
    assert tight["clicks_difference"] / tight["clicks"] > 2 * loose["clicks_difference"] / loose["clicks"]
