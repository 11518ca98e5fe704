"""Evaluation: the same campaign, the same seeds, one bidder after the other."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

import adsim
from adsim.cli.app import app
from adsim.envs.score import score, violation
from adsim.errors import AdsimError
from adsim.experiments.training import figures as train_figures
from adsim.experiments.training.evaluate import coinciding, evaluate
from adsim.experiments.training.train import train

TINY = adsim.load_scenario("quickstart").replace({"market.opportunities": 2000, "market.ticks": 8})
POSTED = adsim.load_scenario("display_rtb").replace({"market.opportunities": 4000, "market.ticks": 6})
SET = ["--set", "market.opportunities=2000", "--set", "market.ticks=8"]


def still(observations: np.ndarray) -> np.ndarray:
    """Bids the reference multiplier."""
    return np.zeros((len(observations), 1), np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model")
    train(TINY, "ppo", folder=path, steps=64, envs=8, campaign=2, settings={"net_arch": [8]})
    return path


def adsim_(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def of_market(seed: int, agent: str, campaign: int) -> dict[str, float]:
    """What a market in which every campaign stands in its own table says about one of them."""
    result = adsim.Market(with_agent(seed, agent, campaign), seed).run()
    row = result.campaigns.iloc[campaign]
    return {name: float(row[name]) for name in ("value", "spend", "conversions")}


def with_agent(seed: int, agent: str, campaign: int) -> adsim.Scenario:
    """The scenario with one campaign's agent replaced: its constraints are those that the seed draws."""
    drawn = adsim.Market(TINY, seed).campaigns.constraints
    tables: list[dict[str, Any]] = [
        {
            "name": f"shop-{n + 1}",
            "value": float(drawn.value_per_conversion[n]),
            "budget": float(drawn.budget[n]),
            "target_roi": float(drawn.target_roi[n]),
            "agent": agent if n == campaign else "auto",
        }
        for n in range(TINY.size)
    ]
    return TINY.replace({"campaigns": tables})


@pytest.mark.parametrize("agent", ["pid", "feedback", "fixed:multiplier=0.3"])
def test_scripted_agents_play_the_market(agent: str) -> None:
    found = evaluate(still, TINY, campaign=4, seeds=3, agents=[agent])
    for row in found.runs[found.runs["bidder"] == agent].to_dict("records"):
        expected = of_market(row["seed"], agent, 4)
        for name, value in expected.items():
            assert row[name] == pytest.approx(value, rel=1e-12), name
        limits = adsim.Market(TINY, row["seed"]).campaigns.constraints
        target, stock = float(limits.target_roi[4]), float(limits.stock[4])
        totals = row["value"], row["spend"], row["conversions"]
        assert row["score"] == score(*totals, target, stock, True)
        assert row["violation"] == violation(*totals, target, stock)
        assert row["budget_use"] == row["spend"] / float(limits.budget[4])


def test_a_policy_that_bids_as_an_agent_does_gets_what_it_gets() -> None:
    found = evaluate(still, POSTED, seeds=70, agents=["truthful"])
    rows = {name: part.drop(columns="bidder").reset_index(drop=True) for name, part in found.runs.groupby("bidder")}
    pd.testing.assert_frame_equal(rows["model"], rows["truthful"], rtol=1e-9)
    difference = found.differences.set_index("metric").loc["score"]
    assert abs(difference["mean"]) < 1e-9


def test_results_do_not_depend_on_threads_or_batches() -> None:
    found = evaluate(still, TINY, seeds=5, agents=["pid"], threads=3)
    parts = [evaluate(still, TINY, seeds=n, first_seed=first, agents=["pid"]) for first, n in ((0, 2), (2, 3))]
    runs = pd.concat([part.runs for part in parts]).sort_values(["bidder", "seed"], ignore_index=True)
    pd.testing.assert_frame_equal(found.runs.sort_values(["bidder", "seed"], ignore_index=True), runs)


def test_tables_are_means_and_paired_differences() -> None:
    counted: list[tuple[int, int]] = []
    found = evaluate(still, TINY, seeds=4, agents=["pid", "fixed"], progress=lambda *count: counted.append(count))
    assert found.bidders == ["model", "pid", "fixed"]
    assert counted[-1] == (12, 12)
    wide = found.runs.pivot(index="seed", columns="bidder", values="score")
    table = found.table.set_index(["bidder", "metric"])
    assert table.loc[("pid", "score"), "mean"] == pytest.approx(wide["pid"].mean())
    rows = found.differences.set_index(["bidder", "metric"])
    assert rows.loc[("pid", "score"), "mean"] == pytest.approx((wide["model"] - wide["pid"]).mean())
    assert "model" not in set(found.differences["bidder"])
    json.dumps(found.summary(), allow_nan=False)


def test_agents_that_do_not_fit_are_left_out_or_refused() -> None:
    found = evaluate(still, TINY, seeds=1)
    assert set(found.left_out) == {"linear", "oracle"}
    assert ["fixed", "truthful"] in [[name for name in group if name != "model"] for group in coinciding(found.runs)]
    with pytest.raises(AdsimError, match="one campaign"):
        evaluate(still, TINY, seeds=1, agents=["oracle"])
    with pytest.raises(AdsimError, match="Did you mean 'pid'"):
        evaluate(still, TINY, seeds=1, agents=["pidd"])


def test_the_oracle_bounds_what_others_get() -> None:
    found = evaluate(still, POSTED, seeds=3)
    assert "oracle" in found.bidders
    oracle = found.runs.query("bidder == 'oracle'")
    expected = adsim.Market(POSTED.replace({"campaigns.0.agent": "oracle"}), 1).run().totals
    assert float(oracle["value"].iloc[1]) == float(expected.value[0])
    assert (oracle["optimum_share"] == 1).all()
    shares = found.table.query("metric == 'optimum_share'").set_index("bidder")["mean"]
    assert 0 < shares["model"] < 1.05


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seeds": 0}, "seeds = 0"),
        ({"first_seed": -1}, "seed = -1"),
        ({"campaign": "shop-77"}, "shop-77"),
        ({"model": 3}, "must be a path"),
        ({"model": "nowhere"}, "no such file"),
        ({"scenario": None}, "name a scenario"),
    ],
)
def test_mistakes_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(AdsimError, match=message):
        evaluate(**{"model": still, "scenario": TINY, "agents": ["pid"], **arguments})


def test_a_saved_model_brings_its_scenario_and_campaign(folder: Path) -> None:
    found = evaluate(folder, seeds=2, agents=["pid"])
    assert (found.scenario, found.campaign, found.model) == (TINY, "shop-3", "ppo")
    again = evaluate(folder / "model.zip", TINY, seeds=2, agents=["pid"])
    pd.testing.assert_frame_equal(found.runs, again.runs)
    other = evaluate(folder, POSTED, campaign=0, seeds=2, agents=["pid"])
    assert other.campaign == "advertiser"


def test_the_figure_has_a_row_per_bidder() -> None:
    found = evaluate(still, TINY, seeds=3)
    left, right = train_figures.evaluation(found).axes
    assert len(left.get_yticklabels()) == len(found.bidders) - sum(len(group) - 1 for group in coinciding(found.runs))
    assert "seed" in right.get_title(loc="left")
    assert len(train_figures.evaluation(evaluate(still, TINY, seeds=1, agents=[])).axes) == 1


def test_train_and_evaluate_on_the_command_line(tmp_path: Path) -> None:
    out = str(tmp_path / "ppo")
    common = [
        "train",
        "ppo",
        "--scenario",
        "quickstart",
        *SET,
        "--envs",
        "8",
        "--hyper",
        "net_arch=[8]",
        "--out",
        out,
    ]
    result = adsim_(*common, "--steps", "64", "--seeds", "2", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    assert (found["folder"], found["steps"], found["model"], found["seeds"]) == (out, 64, "ppo", [0, 1])
    assert found["bidders"]["ppo"]["score"]["low"] <= found["bidders"]["ppo"]["score"]["mean"]
    names = {file.name for file in Path(out).iterdir()}
    stems = {f"{name}.{end}" for name in ("learning", "runs", "table", "differences") for end in ("csv", "parquet")}
    pictures = {f"{name}.{end}" for name in ("learning", "evaluation") for end in ("png", "svg")}
    assert names - {"checkpoints"} == stems | pictures | {"model.zip", "model.json", "run.json"}
    assert json.loads((Path(out) / "run.json").read_text())["settings"]["net_arch"] == [8]

    resumed = adsim_(*common, "--steps", "128", "--seeds", "2", "--resume")
    assert resumed.exit_code == 0, resumed.stderr
    for word in ("shop-1 of quickstart", "ppo better by", "fixed and truthful coincide", "Left out: oracle"):
        assert word in resumed.stdout
    assert "…" not in resumed.stdout

    judged = adsim_("evaluate", out, "--seeds", "2", "--agents", "pid", "--out", str(tmp_path / "judged"), "--json")
    assert (judged.exit_code, judged.stderr) == (0, "")
    assert list(json.loads(judged.stdout)["bidders"]) == ["ppo", "pid"]
    assert (tmp_path / "judged" / "evaluation.png").exists()
    elsewhere = adsim_(
        "evaluate", out, "--scenario", "display_rtb", "--set", "market.opportunities=2000", "--seeds", "2"
    )
    assert "optimum share" in elsewhere.stdout


def test_an_algorithm_that_there_is_not_is_named() -> None:
    failed = adsim_("train", "dqn")
    assert failed.exit_code == 2
    assert "No such command 'dqn'" in failed.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "ppo", "--hyper", "gama=1"], "Did you mean 'gamma'"),
        (["train", "ppo", "--hyper", "gamma"], "--hyper gamma: expected KEY=VALUE"),
        (["train", "ppo", "--seeds", "0"], "--seeds 0"),
        (["train", "ppo", "--resume"], "nothing to resume"),
        (["evaluate", "nowhere"], "no such file"),
        (["evaluate", "{folder}", "--agents", "pidd"], "Did you mean 'pid'"),
        (["evaluate", "{folder}", "--seeds", "0"], "seeds = 0"),
        (["evaluate", "{folder}", "--campaign", "99"], "campaign 99"),
    ],
)
def test_mistakes_are_one_clear_line(arguments: list[str], message: str, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = adsim_(*(each.format(folder=folder) for each in arguments), "--out", str(out))
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not out.exists()
