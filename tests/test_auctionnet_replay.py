"""Offline evaluation on AuctionNet logs: the rule by hand, one twin, and bids of the log on the log itself."""

import json
from pathlib import Path

import naive_auctionnet as naive
import numpy as np
import pandas as pd
import pytest
from data_path import shared_data
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from typer.testing import CliRunner

from adsim.agents.base import Agent
from adsim.cli.app import app
from adsim.errors import AdsimError, AgentError, LogError, UnknownName
from adsim.experiments.replay import auctionnet_figures
from adsim.experiments.replay.auctionnet import METRICS, evaluate_offline, play
from adsim.kernels.least_winning import bid_for, fill_outcome_keys
from adsim.logs.auctionnet import AuctionNetLog, write_log
from adsim.logs.auctionnet_campaigns import Campaign, read_campaigns

SAMPLE = "auctionnet/auctionnet_log_10k_pvs.csv.gz"
TICKS = 4


def keys_of(seed: int, period: int = 0, advertiser: int = 0) -> np.ndarray:
    keys = np.empty(2, np.uint64)
    fill_outcome_keys(np.uint64(seed), period, advertiser, keys)
    return keys


def campaign(rng: np.random.Generator, size: int = 400, **terms: float) -> Campaign:
    """Random opportunities, tight money."""
    bounds = np.array([0, *np.sort(rng.integers(0, size, TICKS - 1)), size])
    value = rng.gamma(2, 0.02, size)
    least = rng.gamma(2, 0.5, size)
    return Campaign(
        0, 5, 1, terms.get("budget", 40.0), terms.get("target_cpa", 25.0), bounds, value, value / 4, least
    )


def small_log(folder: Path, advertisers: int = 3, size: int = 200) -> Path:
    """A log in which everybody bids at random; three slots."""
    rng = np.random.default_rng(7)
    value = rng.gamma(2, 0.02, (size, advertisers))
    bid = 25 * value * rng.uniform(0.5, 1.5, value.shape)
    shape = value.shape
    tick = np.sort(rng.integers(0, TICKS, size))
    columns = {
        "deliveryPeriodIndex": np.zeros(shape, int),
        "advertiserNumber": np.broadcast_to(np.arange(advertisers), shape),
        "advertiserCategoryIndex": np.zeros(shape, int),
        "budget": np.broadcast_to(10.0 + np.arange(advertisers), shape),
        "CPAConstraint": np.full(shape, 25.0),
        "timeStepIndex": np.broadcast_to(tick[:, None], shape),
        "remainingBudget": np.full(shape, 10.0),
        "pvIndex": np.broadcast_to(np.arange(size)[:, None], shape),
        "pValue": value,
        "pValueSigma": value / 5,
        "bid": bid,
        "leastWinningCost": np.broadcast_to(np.median(bid, axis=1)[:, None], shape),
    }
    empty = ("xi", "adSlot", "cost", "isExposed", "conversionAction", "isEnd")
    frame = pd.DataFrame({name: np.ravel(values) for name, values in columns.items()})
    write_log(folder / "log.csv.gz", [frame.assign(**dict.fromkeys(empty, 0))])
    return folder / "log.csv.gz"


@settings(deadline=None)
@given(seed=st.integers(0, 2**63 - 1), size=st.integers(0, 40), money=st.floats(0, 10), first=st.integers(0, 10**9))
def test_a_tick_is_that_of_the_twin(seed: int, size: int, money: float, first: int) -> None:
    rng = np.random.default_rng(seed)
    least = rng.integers(0, 5, size) / 4
    bid = np.where(rng.random(size) < 0.3, least, rng.integers(0, 6, size) / 4)
    value, sigma = rng.random(size), rng.random(size) * rng.integers(0, 2, size)
    found = bid_for(bid, value, sigma, least, first, money, keys_of(seed))
    assert found == naive.bid_for(bid, value, sigma, least, first, money, keys_of(seed))
    assert 0 <= found[3] <= money


@pytest.mark.parametrize(("value", "sigma"), [(0.3, 0.0), (0.3, 0.4), (0.02, 0.01), (0.95, 0.2)])
def test_conversions_come_as_often_as_the_clipped_normal_says(value: float, sigma: float) -> None:
    size = 100_000
    ones = np.ones(size)
    wins, conversions, _, left = bid_for(ones, value * ones, sigma * ones, ones, 0, 2.0 * size, keys_of(1))
    assert (wins, left) == (size, size)
    expected = value
    if sigma:  # E min(max(N, 0), 1)
        a, b = -value / sigma, (1 - value) / sigma
        expected = value * (norm.cdf(b) - norm.cdf(a)) + sigma * (norm.pdf(a) - norm.pdf(b)) + norm.sf(b)
    assert abs(conversions - size * expected) < 4 * np.sqrt(size * expected * (1 - expected))


def test_outcomes_belong_to_opportunities_whoever_wins_them() -> None:
    rng = np.random.default_rng(0)
    value, least = np.full(2000, 0.4), np.ones(2000)
    chosen = rng.random(2000) < 0.5
    keys = keys_of(3, 1, 2)
    every = bid_for(np.ones(2000), value, value / 5, least, 10, 1e9, keys)[1]
    parts = [bid_for(1.0 * part, value, value / 5, least, 10, 1e9, keys)[1] for part in (chosen, ~chosen)]
    assert every == sum(parts)
    halves = [
        bid_for(np.ones(1000), value[:1000], value[:1000] / 5, least[:1000], at, 1e9, keys)[1] for at in (10, 1010)
    ]
    assert every == sum(halves)
    assert len({keys_of(*place).tobytes() for place in [(3, 1, 2), (4, 1, 2), (3, 2, 2), (3, 1, 3), (3, 2, 1)]}) == 5


def test_the_logged_bids_win_what_they_won_but_for_ties() -> None:
    log = AuctionNetLog(shared_data(SAMPLE)).table()
    for advertiser in (5, 41, 47):
        own = log[log["advertiserNumber"] == advertiser]
        bid, least, price = (own[name].to_numpy() for name in ("bid", "leastWinningCost", "cost"))
        won, tied, last = own["xi"].to_numpy() == 1, bid == least, own["adSlot"].to_numpy() == 3
        assert (tied & won).sum() == 0
        assert tied.sum() > 10  # whose bid is the lowest winning one: it won nothing, and reaches it
        wins, _, predicted, left = bid_for(bid, own["pValue"].to_numpy(), 0 * bid, least, 0, 1e6, keys_of(0))
        assert wins == (won | tied).sum()
        np.testing.assert_allclose(predicted, own["pValue"].to_numpy()[won | tied].sum())
        np.testing.assert_allclose(1e6 - left, least[won | tied].sum(), rtol=1e-9)
        assert (price[last] == least[last]).all()  # the last slot's price; those above cost more
        assert (price[won] >= least[won]).all()


def test_target_cpa_bidding_on_the_sample_is_the_sum_by_hand() -> None:
    path = shared_data(SAMPLE)
    log = AuctionNetLog(path).table()
    found = evaluate_offline(path, ["ecpc"], advertisers=[0, 20], seeds=2, first_seed=5)
    for advertiser in (0, 20):
        own = log[log["advertiserNumber"] == advertiser]
        target, budget = float(own["CPAConstraint"].iloc[0]), float(own["budget"].iloc[0])
        worth, least = own["pValue"].tolist(), own["leastWinningCost"].tolist()
        paid, wins = 0.0, 0
        for p, price in zip(worth, least, strict=True):
            if p / (1 / target) >= price and paid + price <= budget:
                paid, wins = paid + price, wins + 1
        for row in found.runs.query("advertiser == @advertiser").to_dict("records"):
            np.testing.assert_allclose([row["cost"], row["win_rate"]], [paid, wins / len(own)], rtol=1e-9)
            won = row["conversions"]
            assert row["score"] == pytest.approx(won * min((target * won / paid) ** 2, 1))


def test_periods_are_the_twins_tick_by_tick() -> None:
    tape = campaign(np.random.default_rng(2))
    seeds = np.arange(40, 43)

    class Alternating(Agent):
        def act(self, observation):
            seen.append(observation)
            return np.full(3, 30.0 if observation.tick % 2 else 20.0)

    seen: list = []
    totals = play(Alternating(), tape, seeds)
    for i, seed in enumerate(seeds):
        left, wins, conversions = tape.budget, 0, 0
        for tick in range(TICKS):
            part = slice(*tape.bounds[tick : tick + 2])
            bids = (30.0 if tick % 2 else 20.0) * tape.value[part]
            offered = tape.value[part], tape.sigma[part], tape.least[part]
            assert seen[tick].budget_left[i] == left
            assert seen[tick].total.conversions[i] == conversions
            before = left
            won, converted, predicted, left = naive.bid_for(
                bids, *offered, int(tape.bounds[tick]), left, keys_of(int(seed), 0, 5)
            )
            wins, conversions = wins + won, conversions + converted
            if tick + 1 < TICKS:
                last = seen[tick + 1].last
                assert (last.wins[i], last.value[i]) == (won, converted)
                np.testing.assert_allclose([last.spend[i], last.predicted_value[i]], [before - left, predicted])
                np.testing.assert_allclose(seen[tick + 1].score_to_beat[i], offered[2].mean())
        assert (totals.wins[i], totals.conversions[i]) == (wins, conversions)
        assert totals.spend[i] <= tape.budget
    assert np.isnan(seen[0].score_to_beat).all()


@pytest.mark.parametrize(
    "bidder", ["fixed:multiplier=60", "truthful", "ecpc", "pid", "feedback", "ros", "coupled", "oracle"]
)
def test_bidders_of_all_kinds_play_within_their_budgets(bidder: str) -> None:
    tapes = [campaign(np.random.default_rng(seed), budget=budget) for seed, budget in ((0, 5.0), (1, 80.0))]
    found = evaluate_offline(tapes, [bidder], seeds=3)
    assert (found.runs["budget_use"] <= 1).all()
    assert (found.runs["cost"] > 0).all()


def test_the_oracle_keeps_its_target_and_beats_target_cpa_bidding() -> None:
    tapes = [campaign(np.random.default_rng(seed), size=20_000, budget=400.0) for seed in range(3)]
    tapes = [tape._replace(advertiser=number) for number, tape in enumerate(tapes)]
    found = evaluate_offline(tapes, ["ecpc", "oracle"], seeds=20)
    (gain,) = found.differences.query("metric == 'score'").to_dict("records")
    assert gain["low"] > 0


def test_tables_are_the_means_of_the_runs(tmp_path: Path) -> None:
    found = evaluate_offline(small_log(tmp_path), ["ecpc", "fixed:multiplier=10"], seeds=4)
    assert len(found.runs) == 2 * 3 * 4
    for row in found.advertisers.to_dict("records"):
        mine = found.runs.query(f"bidder == '{row['bidder']}' and advertiser == {row['advertiser']}")
        assert row["score"] == pytest.approx(mine["score"].mean())
        assert row["score_low"] <= row["score"] <= row["score_high"]
        if row["conversions"]:
            assert row["cpa"] == pytest.approx(mine["cost"].sum() / mine["conversions"].sum())
        assert row["budget"] == 10 + row["advertiser"]
    means = found.table.set_index(["bidder", "metric"])["mean"]
    for bidder, part in found.advertisers.groupby("bidder"):
        for metric in METRICS:
            assert means[bidder, metric] == pytest.approx(part[metric].mean())
    (gap,) = found.differences.query("metric == 'cost'").to_dict("records")
    assert gap["bidder"] == "fixed:multiplier=10"
    assert gap["mean"] == pytest.approx(means["fixed:multiplier=10", "cost"] - means["ecpc", "cost"])


def test_campaigns_come_in_order_of_ticks_whatever_the_order_of_rows(tmp_path: Path) -> None:
    path = small_log(tmp_path)
    expected = read_campaigns(path)
    assert [tape.advertiser for tape in expected] == [0, 1, 2]
    log = AuctionNetLog(path).table()
    late_first = pd.concat([log[log["timeStepIndex"] >= 2], log[log["timeStepIndex"] < 2]])
    write_log(tmp_path / "turned.csv", [late_first])
    for tape, wanted in zip(read_campaigns(tmp_path / "turned.csv"), expected, strict=True):
        for field, other in zip(tape, wanted, strict=True):
            np.testing.assert_array_equal(field, other)


def test_mistakes_are_named(tmp_path: Path) -> None:
    path = small_log(tmp_path)
    log = AuctionNetLog(path).table()
    with pytest.raises(LogError, match="no advertiser 7"):
        evaluate_offline(path, ["ecpc"], advertisers=[1, 7])
    with pytest.raises(UnknownName, match="Did you mean 'ecpc'"):
        evaluate_offline(path, ["ecpcc"])
    with pytest.raises(AgentError, match="live markets only"):
        evaluate_offline(path, ["online_lp"])
    with pytest.raises(AgentError, match="rlb bids whole prices"):
        evaluate_offline(path, ["rlb"])
    for setting in ({"seeds": 0}, {"first_seed": -1}):
        with pytest.raises(AdsimError, match="must be a whole number"):
            evaluate_offline(path, ["ecpc"], **setting)
    with pytest.raises(AdsimError, match="no bidders"):
        evaluate_offline(path, [])
    write_log(tmp_path / "two.csv", [log, log.assign(budget=99.0)])
    with pytest.raises(LogError, match="advertiser 0 has several categories, budgets or CPA constraints in period 0"):
        evaluate_offline(tmp_path / "two.csv", ["ecpc"])
    write_log(tmp_path / "none.csv", [log.assign(CPAConstraint=0.0)])
    with pytest.raises(LogError, match="advertiser 0 of period 0 has CPAConstraint = 0"):
        evaluate_offline(tmp_path / "none.csv", ["ecpc"])


@pytest.mark.parametrize("bidders", [["ecpc"], ["ecpc", "pid", "feedback", "fixed:multiplier=9", "coupled"]])
def test_figures_are_drawn(tmp_path: Path, bidders: list[str]) -> None:
    found = evaluate_offline(small_log(tmp_path), bidders, seeds=2)
    drawn = auctionnet_figures.of_offline(found)
    assert set(drawn) == {"scores", "constraints"}
    for figure in drawn.values():
        figure.draw_without_rendering()


def adsim_(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_commands_record_and_replay(tmp_path: Path) -> None:
    path, out = tmp_path / "log.csv.gz", tmp_path / "out"
    small = [("--set", change) for change in ("market.opportunities=600", "market.ticks=4", "campaigns.0.count=5")]
    recorded = adsim_(
        "record", "target_cpa", "--format", "auctionnet", "--out", path, *[part for pair in small for part in pair]
    )
    assert recorded.exit_code == 0, recorded.stderr
    assert "600 opportunities recorded" in recorded.stdout
    result = adsim_("replay", "--log", path, "--bidders", "ecpc,pid", "--seeds", 2, "--out", out, "--json")
    assert result.exit_code == 0, result.stderr
    summary = json.loads(result.stdout, parse_constant=pytest.fail)
    assert summary["advertisers"][3]["bidder"] == "ecpc"
    assert {row["bidder"] for row in summary["bidders"]} == {"ecpc", "pid"}
    tables = {file.stem for file in out.glob("*.parquet")}
    assert tables == {"bidders", "advertisers", "differences", "runs"}
    assert {file.stem for file in out.glob("*.png")} == {"scores", "constraints"}
    shown = adsim_("replay", "--log", path, "--advertisers", "0,3", "--bidders", "ecpc,pid")
    assert "2 advertisers" in shown.stdout
    assert "Score beyond ecpc" in shown.stdout


def test_options_of_the_other_kind_of_log_are_refused(tmp_path: Path) -> None:
    path = small_log(tmp_path)
    clicks = tmp_path / "clicks.txt"
    clicks.write_text("".join(f"{n % 7 == 0:d} {1 + n % 50} 0.{n % 90 + 10}\n" for n in range(400)))
    for arguments, message in (
        (["replay", "--log", path, "--c0", "1/4"], "--c0 is for logs of clicks"),
        (["replay", "--log", clicks, "--advertisers", "1"], "--advertisers is for AuctionNet logs"),
        (["record", "quickstart", "--format", "csv", "--out", tmp_path / "x"], "unknown format to record in 'csv'"),
        (
            ["record", "quickstart", "--format", "auctionnet", "--out", tmp_path / "x"],
            "an AuctionNet log cannot tell",
        ),
    ):
        result = adsim_(*arguments)
        assert result.exit_code == 2
        assert message in result.stderr
    assert not (tmp_path / "x").exists()
