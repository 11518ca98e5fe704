"""Tuning: where trials lie, who goes on, and that what is found holds on unseen markets."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import adsim
from adsim import registry
from adsim.cli.app import app
from adsim.errors import AdsimError
from adsim.experiments.benchmark.tuning import Tuning, tune
from adsim.experiments.training.evaluate import agent_runs

CHANGES = {"market.opportunities": 2000, "market.ticks": 8}
TINY = adsim.load_scenario("quickstart").replace(CHANGES)
SET = [part for key, value in CHANGES.items() for part in ("--set", f"{key}={value}")]
SMALL = {"seats": [1, 6], "trials": 8, "seeds": 8, "held_out": 6}
OVER = {"proportional": (0.05, 2.0), "integral": (0.0, 0.2)}


@pytest.fixture(scope="module")
def found() -> Tuning:
    return tune(TINY, "pid:derivative=0.1", OVER, **SMALL)


def test_trials_lie_within_their_ranges_and_keep_what_is_not_searched(found: Tuning) -> None:
    first, rest = found.trials.iloc[0], found.trials.iloc[1:]
    assert first["specification"] == "pid:derivative=0.1"
    assert (first["proportional"], first["integral"]) == (0.3, 0.05)
    assert rest["proportional"].between(0.05, 2).all()
    assert rest["integral"].between(0, 0.2).all()
    assert rest["specification"].nunique() == 7
    for row in rest.to_dict("records"):
        made = registry.create("agents", *registry.parse(row["specification"]))
        assert (made.derivative, made.proportional, made.integral) == (0.1, row["proportional"], row["integral"])


def test_a_positive_range_is_searched_on_a_logarithmic_scale() -> None:
    trials = tune(TINY, "feedback", {"step": (0.01, 1.0)}, seats=1, trials=17, seeds=4, held_out=1).trials
    assert (trials["step"][1:] < 0.1).sum() == 8  # of 16 points of a Sobol sequence


def test_half_of_the_trials_go_on_with_twice_the_seeds(found: Tuning) -> None:
    trials = found.trials
    assert sorted(trials["seeds"]) == [2, 2, 2, 2, 4, 4, 8, 8]
    assert trials["seeds"][0] == 8
    longest = trials[trials["seeds"] == 8]
    assert found.best == longest.loc[longest["score"].idxmax(), "specification"]


def test_scores_are_those_of_the_same_training_markets(found: Tuning) -> None:
    assert min(found.seeds) > 2**40
    for row in found.trials.to_dict("records"):
        seeds = np.array(found.seeds[: row["seeds"]])
        own = [agent_runs(row["specification"], TINY, seat, seeds)["score"].mean() for seat in (1, 6)]
        assert row["score"] == pytest.approx(np.mean(own))
    assert (found.trials[["gain", "low", "high"]].iloc[0] == 0).all()


def test_the_check_is_paired_on_markets_that_nobody_tuned_on(found: Tuning) -> None:
    assert found.held_out == list(range(6))
    ours, theirs = (
        np.mean([agent_runs(agent, TINY, seat, np.arange(6))["score"].mean() for seat in (1, 6)])
        for agent in (found.best, found.agent)
    )
    row = found.check.set_index("metric").loc["score"]
    assert (row["after"], row["before"]) == (pytest.approx(ours), pytest.approx(theirs))
    assert row["mean"] == pytest.approx(ours - theirs)
    assert row["low"] <= row["mean"] <= row["high"]


def test_a_poor_start_is_improved_on() -> None:
    """A multiplier of 1e-4 wins next to nothing."""
    found = tune(TINY, "fixed:multiplier=1e-4", {"multiplier": (0.01, 1.0)}, **SMALL)
    row = found.check.set_index("metric").loc["score"]
    assert row["excludes_zero"]
    assert row["mean"] > 0


def test_a_seed_gives_the_same_search_whatever_the_number_of_workers(found: Tuning) -> None:
    again = tune(TINY, "pid:derivative=0.1", OVER, **SMALL, workers=2)
    assert (again.best, again.seeds) == (found.best, found.seeds)
    assert again.trials.equals(found.trials)
    assert tune(TINY, "pid", OVER, **SMALL, seed=1).seeds != found.seeds


def test_whole_numbers_stay_whole() -> None:
    found = tune(TINY, "throttling", {"every": (2, 40)}, seats=1, trials=4, seeds=4, held_out=1)
    assert all(isinstance(registry.parse(each)[1].get("every", 1), int) for each in found.trials["specification"])


@pytest.mark.parametrize(
    ("agent", "over", "options", "words"),
    [
        ("pid", {}, {}, "nothing to tune"),
        ("pid", {"gain": (0.1, 1)}, {}, "parameter of the agent pid"),
        ("pid", {"integral": (1, 0.1)}, {}, "from a lower to a higher"),
        ("pid", {"integral": (0.1, float("inf"))}, {}, "from a lower to a higher"),
        ("pod", {"integral": (0.1, 1)}, {}, "unknown agent 'pod'"),
        ("pid", {"integral": (0.1, 1)}, {"trials": 1}, "trials = 1"),
        ("pid", {"integral": (0.1, 1)}, {"seeds": 3}, "seeds = 3"),
        ("pid", {"integral": (0.1, 1)}, {"held_out": 0}, "held_out = 0"),
        ("pid", {"integral": (0.1, 1)}, {"workers": 0}, "workers = 0"),
    ],
)
def test_impossible_searches_are_refused(agent: str, over: dict, options: dict, words: str) -> None:
    with pytest.raises(AdsimError, match=words):
        tune(TINY, agent, over, **(SMALL | options))


def test_the_command_prints_a_specification_and_saves_its_trials(tmp_path: Path) -> None:
    options = ["--agent", "pid", "--over", "proportional=0.05..1", "--seats", "0,", "--trials", "4", "--seeds", "4"]
    done = CliRunner().invoke(app, ["tune", "quickstart", *options, "--held-out", "3", *SET, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "Best: pid" in done.output
    assert "On 3 unseen seeds" in done.output
    assert {"trials.parquet", "check.csv", "trials.png"} <= {file.name for file in tmp_path.iterdir()}
    assert json.loads((tmp_path / "run.json").read_text())["best"].startswith("pid")


@pytest.mark.parametrize("over", ["step", "step=1", "step=a..b", "=1..2"])
def test_ranges_that_are_none_are_refused(over: str) -> None:
    done = CliRunner().invoke(app, ["tune", "quickstart", "--agent", "feedback", "--over", over])
    assert done.exit_code == 2
    assert "expected KEY=LOW..HIGH" in done.output
