"""Studies of conversions: what methods are given, what tables say, and the commands."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner

import adsim
from adsim.cli.app import app
from adsim.errors import AdsimError
from adsim.experiments.prediction import conversion_figures
from adsim.experiments.prediction.conversion_study import Conversions, conversions
from adsim.experiments.prediction.delay_study import METHODS, Delays, delays
from adsim.experiments.prediction.ladder import ORACLE, world_of
from adsim.market.click_log import draw_log
from adsim.predictors.metrics import auc, log_loss

CLICKS, LATE = adsim.load_scenario("click_conversions"), adsim.load_scenario("click_delayed")


@pytest.fixture(scope="module")
def bought() -> Conversions:
    return conversions(CLICKS, ["linear", "naive", "esmm"], impressions=6000, seeds=2)


@pytest.fixture(scope="module")
def late() -> Delays:
    return delays(LATE, ["known", "wait_6h", "duplicates", "fnw", "esdfm_6h"], opportunities=20_000, seeds=2)


def cell(found: Conversions | Delays, method: str, metric: str) -> float:
    return float(found.table.set_index(["method", "metric"]).loc[(method, metric), "mean"])


def test_methods_are_judged_on_impressions_that_nobody_clicked(bought: Conversions) -> None:
    rates = []
    for seed in bought.seeds:
        log, truth = draw_log(world_of(CLICKS, 6000, seed), 6000)
        rates.append(auc(log.conversions[4800:], truth.ctr[4800:] * truth.cvr[4800:].astype(np.float64)))
    assert cell(bought, ORACLE, "ctcvr_auc") == pytest.approx(np.mean(rates))
    assert cell(bought, ORACLE, "calibration") == pytest.approx(1, abs=0.15)
    assert cell(bought, "naive", "calibration") > cell(bought, "naive", "calibration_clicked")
    metrics = set(bought.table.query("method == 'linear'")["metric"])
    assert metrics == {"cvr_auc", "cvr_auc_clicked", "calibration", "calibration_clicked"}


def test_differences_are_what_esmm_exceeds_others_by(bought: Conversions) -> None:
    rows = bought.differences.set_index(["method", "metric"])["mean"]
    assert rows[("naive", "cvr_auc")] == pytest.approx(
        cell(bought, "esmm", "cvr_auc") - cell(bought, "naive", "cvr_auc")
    )
    assert ("linear", "ctcvr_auc") not in rows.index
    assert conversions(CLICKS, ["linear"], impressions=2000, seeds=1).differences.empty


def test_late_conversions_are_scored_in_the_second_half(late: Delays) -> None:
    log, _ = draw_log(world_of(LATE, 20_000, 0), 20_000)
    clicks = log.take((log.clicks > 0) & (log.time >= 30 * 24))
    known = clicks.delay <= 15 * 24
    row = late.runs.query("method == 'known' and seed == 0").iloc[0]
    shares = np.full(known.size, known.mean())
    assert row["log_loss"] < 1.1 * log_loss(known, shares)
    assert cell(late, "wait_6h", "calibration") < 0.5
    assert cell(late, "duplicates", "calibration") < 0.95
    assert sorted(late.days["day"].unique()) == list(range(60))


def test_figures_are_drawn(bought: Conversions, late: Delays) -> None:
    assert isinstance(conversion_figures.conversions(bought), Figure)
    assert isinstance(conversion_figures.delays(late), Figure)
    one = delays(LATE, ["known"], opportunities=4000, seeds=1)
    assert isinstance(conversion_figures.delays(one), Figure)


@pytest.mark.parametrize(
    ("command", "size", "tables"),
    [
        (["conversions", "--methods", "linear"], "--impressions", {"runs", "table", "differences"}),
        (["delays", "--methods", "known,fnw"], "--opportunities", {"runs", "table", "days"}),
    ],
)
def test_commands_save_what_they_print(command: list[str], size: str, tables: set[str], tmp_path: Path) -> None:
    arguments = [*command, size, "4000", "--seeds", "2"]
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path)])
    assert result.exit_code == 0, result.stderr
    assert {f"{name}.csv" for name in tables} | {f"{command[0]}.png", "run.json"} <= {
        file.name for file in tmp_path.iterdir()
    }
    summary: Any = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert summary["seeds"] == [0, 1]
    assert command[2].split(",")[0] in result.stdout


def test_mistakes_are_named() -> None:
    with pytest.raises(AdsimError, match="Did you mean 'esmm'"):
        conversions(CLICKS, ["esm"])
    with pytest.raises(AdsimError, match="impressions = 10: must be 1,000 at least"):
        conversions(CLICKS, impressions=10)
    with pytest.raises(AdsimError, match="no features to learn from"):
        delays(adsim.load_scenario("quickstart"))
    with pytest.raises(AdsimError, match="take twice that at least"):
        delays(CLICKS)
    with pytest.raises(AdsimError, match="unknown method"):
        delays(LATE, ["fsiw"])
    assert METHODS["fnw"].wait == 0
