"""The benchmark of bidders: conditions, rows against single markets, verdicts, and what users see."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

import adsim
from adsim.cli.app import app
from adsim.envs.engine import Engine
from adsim.errors import AdsimError
from adsim.experiments.benchmark import figures as benchmark_figures
from adsim.experiments.benchmark.benchmark import Benchmark, _excess, benchmark
from adsim.experiments.benchmark.bidders import make_bidder
from adsim.experiments.benchmark.conditions import Condition, changed
from adsim.market.markets import Markets
from adsim.types import Constraints, Totals

CHANGES = {"market.opportunities": 2000, "market.ticks": 8, "auction.charge": "exposure"}
TINY = adsim.load_scenario("quickstart").replace(CHANGES)
SET = [part for key, value in CHANGES.items() for part in ("--set", f"{key}={value}")]
SEEDS = np.arange(5)


class Level:
    """Bids one level, and notes what it was told."""

    def __init__(self, level: float) -> None:
        self.level, self.begun, self.spends = level, [], []

    def begin(self, own: Constraints) -> None:
        self.begun.append(own)

    def act(self, observation: np.ndarray, totals: Totals) -> np.ndarray:
        self.spends.append(totals.spend.copy())
        return np.full(len(observation), self.level, np.float32)


@pytest.fixture(scope="module")
def found() -> Benchmark:
    return benchmark(
        TINY, ["pid", "feedback", "ecpc"], seats=[1, 6], seeds=6, budgets=(0.5, 1), shifts={"target": 0.8}
    )


def adsim_(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def drawn(scenario: adsim.Scenario) -> Constraints:
    return Markets(scenario, SEEDS).campaigns.constraints


# conditions


@pytest.mark.parametrize("seat", [0, 4, 9])
def test_a_seat_apart_is_the_same_campaign_in_the_same_market(seat: int) -> None:
    alone = changed(TINY, Condition(seat))
    for ours, theirs in zip(drawn(alone), drawn(TINY), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    one, other = adsim.Market(alone, 3).run(), adsim.Market(TINY, 3).run()
    pd.testing.assert_frame_equal(one.campaigns, other.campaigns)


def test_a_budget_is_scaled_for_the_seat_alone_and_rivals_budgets_for_all_others() -> None:
    before = drawn(TINY).budget
    expected = np.ones(10)
    expected[3] = 0.5
    np.testing.assert_allclose(drawn(changed(TINY, Condition(3, 0.5))).budget / before, np.tile(expected, (5, 1)))
    expected = np.full(10, 1.1)
    expected[3] = 1
    shifted = drawn(changed(TINY, Condition(3, 1.0, "rivals", 1.1)))
    np.testing.assert_allclose(shifted.budget / before, np.tile(expected, (5, 1)))
    np.testing.assert_array_equal(shifted.target_roi, drawn(TINY).target_roi)


@pytest.mark.parametrize("target", ["target_roi", "target_cpa"])
def test_a_lower_target_cpa_is_a_higher_target_roi_of_the_seat(target: str) -> None:
    scenario = TINY.replace({"campaigns.0.target_roi": None, f"campaigns.0.{target}": 2.0})
    shifted = drawn(changed(scenario, Condition(3, 1.0, "target", 0.8))).target_roi / drawn(scenario).target_roi
    np.testing.assert_allclose(shifted[:, 3], 1.25)
    np.testing.assert_array_equal(np.delete(shifted, 3, axis=1), 1)


def test_lists_of_values_go_on_behind_the_seat() -> None:
    values = {"distribution": "values", "values": [300.0, 400.0, 500.0]}
    scenario = TINY.replace({"campaigns.0.budget": values})
    np.testing.assert_array_equal(drawn(changed(scenario, Condition(4))).budget, drawn(scenario).budget)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (Condition(10), "seat 10.*10 campaigns"),
        (Condition(0, -1.0), "factor -1.0: must be a positive number"),
        (Condition(0, float("nan")), "factor nan"),
        (Condition(0, 1.0, "weather", 2.0), "shift 'weather': must be rivals or target"),
    ],
)
def test_impossible_conditions_are_refused(condition: Condition, words: str) -> None:
    with pytest.raises(AdsimError, match=words):
        changed(TINY, condition)


def test_a_campaign_without_a_budget_has_none_to_scale() -> None:
    with pytest.raises(AdsimError, match="'shop' has no budget to change"):
        changed(TINY.replace({"campaigns.0.budget": None}), Condition(2, 0.5))


# bidders


def test_rows_are_those_of_single_markets(found: Benchmark) -> None:
    runs = found.runs.query("bidder == 'pid' and campaign == 'shop-2' and budget == 0.5")
    for row in runs.to_dict("records"):
        scenario = changed(TINY, Condition(1, 0.5)).replace({"campaigns.1.agent": "pid"})
        own = adsim.Market(scenario, row["seed"]).run().campaigns.iloc[1]
        for name in ("value", "spend", "conversions"):
            assert row[name] == pytest.approx(own[name], rel=1e-12)
        cpa_over_target = own["spend"] * own["target_roi"] / own["value"]
        assert row["violation"] == pytest.approx(max(cpa_over_target - 1, 0))
        assert row["exceeded"] == (cpa_over_target > 1)
        assert row["budget_use"] == pytest.approx(own["spend"] / own["budget"])


def test_who_sets_levels_plays_their_multipliers_and_is_told_its_terms_and_totals() -> None:
    bidder, seeds = Level(-0.25), np.array([3, 8])
    runs = make_bidder(bidder, "still").runs(TINY, 4, seeds)
    engine = Engine(TINY, [4], markets=2)
    engine.reset(seeds.astype(np.uint64))
    actions = [-0.25] + [0.0] * 7
    for action in actions:
        engine.step(np.full((2, 1), action))
    np.testing.assert_allclose(runs["spend"], engine.totals().spend[:, 0], rtol=1e-6)
    (own,) = bidder.begun
    np.testing.assert_array_equal(own.budget, engine.markets.campaigns.constraints.budget[:, 4])
    assert len(bidder.spends) == 8
    assert (np.diff(bidder.spends, axis=0) >= 0).all()
    assert runs["bidder"].eq("still").all()


def test_what_is_no_bidder_is_refused() -> None:
    with pytest.raises(AdsimError, match=r"neither a folder of adsim train nor an agent\. Agents: adaptive_pacing"):
        make_bidder("nobody")
    with pytest.raises(AdsimError, match="must be an agent, a path"):
        make_bidder(3)  # type: ignore[arg-type]
    with pytest.raises(AdsimError, match="is shown the truth"):
        make_bidder("oracle")


# verdicts


def test_the_reference_counts_as_one_in_every_condition(found: Benchmark) -> None:
    means = found.runs.query("bidder == 'ecpc'").groupby(["seat", "budget", "shift"])["normalised"].mean()
    assert len(means) == 6
    np.testing.assert_allclose(means, 1)


def test_a_reference_that_does_not_compete_leaves_the_rows_as_they_are(found: Benchmark) -> None:
    alone = benchmark(TINY, ["pid"], seats=[1, 6], seeds=6, budgets=(0.5, 1), shifts={"target": 0.8})
    pd.testing.assert_frame_equal(alone.runs, found.runs.query("bidder == 'pid'").reset_index(drop=True))


def test_results_do_not_depend_on_the_number_of_workers(found: Benchmark) -> None:
    again = benchmark(TINY, found.bidders, seats=[1, 6], seeds=6, budgets=(0.5, 1), shifts={"target": 0.8}, workers=2)
    assert again.summary() == found.summary()
    pd.testing.assert_frame_equal(again.runs, found.runs)


def test_the_table_ranks_by_the_interquartile_mean_of_all_runs(found: Benchmark) -> None:
    iqm = found.table.query("metric == 'iqm'").set_index("bidder")["mean"]
    assert iqm.is_monotonic_decreasing
    for bidder, runs in found.runs.query("shift == 'none'").groupby("bidder")["normalised"]:
        assert iqm[bidder] == pytest.approx(np.sort(runs)[6:-6].mean())  # of 24


def test_differences_are_paired_and_leave_out_the_baseline(found: Benchmark) -> None:
    assert found.baseline == "pid"
    assert list(dict.fromkeys(found.differences["bidder"])) == ["feedback", "ecpc"]
    wide = found.runs.query("shift == 'none'").pivot(
        index=["seat", "budget", "seed"], columns="bidder", values="score"
    )
    row = found.differences.query("bidder == 'feedback' and metric == 'score'").iloc[0]
    assert row["mean"] == pytest.approx((wide["feedback"] - wide["pid"]).mean())
    assert row["low"] <= row["mean"] <= row["high"]


def test_degradation_is_the_share_of_the_score_lost(found: Benchmark) -> None:
    lost = found.by_shift.query("metric == 'degradation'").set_index("bidder")["mean"]
    for bidder, runs in found.runs.query("budget == 1").groupby("bidder"):
        means = runs.groupby("shift")["score"].mean()
        assert lost[bidder] == pytest.approx(1 - means["target"] / means["none"])


def test_who_never_wins_has_no_reference() -> None:
    with pytest.raises(AdsimError, match=r"reference fixed:multiplier=1e-9: its mean score is 0 in seat 1"):
        benchmark(TINY, ["pid"], seats=[1], seeds=2, budgets=(1,), shifts={}, reference="fixed:multiplier=1e-9")


def test_who_pays_without_a_conversion_exceeds_its_target_by_what_one_would_have_cost() -> None:
    own = Markets(TINY, [7]).campaigns.of(slice(2, 3))
    worth, target = float(own.value_per_conversion[0]), float(own.target_roi[0])
    runs = pd.DataFrame({"seed": 7, "spend": [3 * worth / target, worth / target, 0.0], "value": [0.0, worth, 0.0]})
    market = [_excess(TINY, 2, runs.iloc[[i]])[0] for i in range(3)]
    np.testing.assert_allclose(market, [2, 0, 0], atol=1e-12)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seeds": 0}, "seeds = 0"),
        ({"workers": 0}, "workers = 0"),
        ({"seats": 11}, "from 1 to the 10 campaigns"),
        ({"seats": [12]}, "campaign 12"),
        ({"budgets": []}, "name one factor at least"),
        ({"baseline": "ros"}, "baseline 'ros': must be one of pid"),
        ({"bidders": []}, "name one bidder at least"),
        ({"bidders": ["pid", "pid"]}, "give each a name of its own"),
        ({"bidders": ["stock_duel"]}, "neither a folder"),
        ({"bidders": ["pid:gain=1"]}, "parameter of the agent pid"),
    ],
)
def test_impossible_settings_are_refused(options: dict, words: str) -> None:
    with pytest.raises(AdsimError, match=words):
        benchmark(TINY, **({"bidders": ["pid"], "seats": 1, "seeds": 2} | options))


# what users see


def test_the_command_ranks_saves_and_draws(tmp_path: Path) -> None:
    options = ["--bidders", "pid,feedback", "--seats", "1,6", "--seeds", "3", "--budgets", "0.5,1", *SET]
    done = adsim_("benchmark", "bidders", "quickstart", *options, "--out", str(tmp_path / "out"))
    assert done.exit_code == 0, done.output
    assert "IQM" in done.output
    assert "rivals: lost" in done.output
    files = {file.name for file in (tmp_path / "out").iterdir()}
    assert {"runs.parquet", "table.csv", "profiles.png", "budgets.svg", "shifts.png", "frontier.png"} <= files
    facts = json.loads((tmp_path / "out" / "run.json").read_text())
    assert (facts["seats"], facts["seeds"], facts["reference"]) == (["shop-2", "shop-7"], [0, 1, 2], "ecpc")


def test_the_json_holds_what_the_function_finds(found: Benchmark) -> None:
    options = ["--bidders", "pid,feedback,ecpc", "--seats", "1,6", "--seeds", "6", "--budgets", "0.5,1"]
    done = adsim_("benchmark", "bidders", "quickstart", *options, "--shifts", "target=0.8", "--json", *SET)
    assert json.loads(done.output) == found.summary()


@pytest.mark.parametrize(
    ("option", "words"), [("rivals", "expected KEY=VALUE"), ("rivals=much", "must be a number"), ("wind=2", "shift")]
)
def test_shifts_that_say_nothing_are_refused(option: str, words: str) -> None:
    done = adsim_("benchmark", "bidders", "quickstart", "--bidders", "pid", "--shifts", option, *SET)
    assert done.exit_code == 2
    assert words in done.output


def test_one_seed_one_seat_and_one_budget_are_drawn_without_intervals() -> None:
    found = benchmark(TINY, ["pid"], seats=[0], seeds=1, budgets=(1,), shifts={})
    assert set(benchmark_figures.of_benchmark(found)) == {"profiles", "frontier"}
    assert np.isnan(found.table["low"]).all()
