"""Ladders of predictors: what models are given, what tables say, and the command."""

import json
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from typer.testing import CliRunner

import adsim
from adsim.cli.app import app
from adsim.errors import AdsimError
from adsim.experiments.prediction import figures as prediction_figures
from adsim.experiments.prediction import ladder as prediction
from adsim.experiments.prediction.ladder import ORACLE, Prediction, predict, world_of
from adsim.market.click_log import draw_log
from adsim.predictors.features import Rows, Schema
from adsim.predictors.learner import Learner
from adsim.predictors.metrics import auc
from adsim.types import Floats


class Recorder(Learner):
    """Predicts the mean label, and remembers what it was given."""

    given: list[tuple[Rows, ArrayLike, Any]]

    def begin(self, schema: Schema, seed: int = 0) -> Self:
        self.schema, self.seed = schema, seed
        return self

    def partial_fit(self, rows: Rows, labels: ArrayLike, weights: ArrayLike | None = None) -> Self:
        self.mean = float(np.mean(labels))
        return self

    def fit(self, rows: Rows, labels: ArrayLike, weights: ArrayLike | None = None, **options: Any) -> Self:
        self.given.append((rows, labels, options))
        return self.begin(rows.schema).partial_fit(rows, labels)

    def predict_proba(self, rows: Rows) -> Floats:
        self.given.append((rows, [], None))
        return np.full(len(rows), self.mean)

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        pass


@pytest.fixture(scope="module")
def found() -> Prediction:
    return predict(adsim.load_scenario("click_linear"), ["constant", "ftrl"], impressions=6000, seeds=3)


def test_a_model_learns_from_the_first_part_is_stopped_by_the_next_and_tested_on_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Recorder.given = []
    monkeypatch.setattr(prediction, "make", lambda model: Recorder())
    linear = adsim.load_scenario("click_linear")
    runs = predict(linear, ["recorder"], impressions=2000, seeds=1, first_seed=4).runs
    log, _ = draw_log(world_of(linear, 2000, 4), 2000)
    (rows, labels, options), (test, _, _) = Recorder.given[-2:]
    assert np.array_equal(rows.ids, log.rows.ids[:1400])
    assert np.array_equal(labels, log.clicks[:1400])
    assert np.array_equal(options["valid"][0].ids, log.rows.ids[1400:1600])
    assert np.array_equal(options["valid"][1], log.clicks[1400:1600])
    assert options["seed"] == 4
    assert np.array_equal(test.ids, log.rows.ids[1600:])
    assert runs.loc[0, "calibration"] == pytest.approx(log.clicks[:1400].mean() / log.clicks[1600:].mean(), rel=1e-5)
    assert runs.loc[0, "auc"] == 0.5


def test_the_oracle_is_the_truth_and_the_last(found: Prediction) -> None:
    assert found.runs["model"].tolist() == ["constant", "ftrl", ORACLE] * 3
    for seed in found.seeds:
        log, truth = draw_log(world_of(found.scenario, 6000, seed), 6000)
        row = found.runs.query("model == 'oracle' and seed == @seed").iloc[0]
        assert row["auc"] == auc(log.clicks[4800:], truth.ctr[4800:])
        assert np.isnan(row["fit_seconds"])


def test_tables_hold_the_means_and_paired_differences_of_the_runs(found: Prediction) -> None:
    by_model = {str(model): part["auc"].to_numpy() for model, part in found.runs.groupby("model")}
    table = found.table.query("metric == 'auc'").set_index("model")
    for model, values in by_model.items():
        assert table.loc[model, "mean"] == pytest.approx(values.mean())
        assert table.loc[model, "low"] <= values.mean() <= table.loc[model, "high"]
    gains = found.differences.query("metric == 'auc'").set_index("model")["mean"]
    assert gains["ftrl"] == pytest.approx((by_model["ftrl"] - by_model["constant"]).mean())
    assert 0 < gains["ftrl"] < gains[ORACLE]
    assert found.reliability.groupby("model").size().to_dict() == {"constant": 10, "ftrl": 10, ORACLE: 10}


def test_figures_show_every_model(found: Prediction) -> None:
    figures = prediction_figures.of_prediction(found)
    labels = [text.get_text() for text in figures["ladder"].axes[0].get_yticklabels()]
    assert labels == ["constant", "ftrl", "true rates"]
    assert [axes.get_title(loc="left") for axes in figures["reliability"].axes] == labels
    left, right = figures["ladder"].axes[0].get_xlim()
    ends = found.table.loc[found.table["metric"] == "auc", ["low", "high"]]
    assert left < ends["low"].min() < ends["high"].max() < right


def test_models_of_one_name_keep_their_parameters_in_figures() -> None:
    labels = prediction_figures._labels(["fm:factors=4", "fm", "ftrl:alpha=0.1"])
    assert list(labels.values()) == ["fm:factors=4", "fm", "ftrl", "true rates"]


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no features": ({"scenario": "quickstart"}, "has no features to learn from"),
    "few impressions": ({"impressions": 10}, "impressions = 10: must be 1,000 at least"),
    "no models": ({"models": []}, "no models"),
    "unknown model": ({"models": ["ftlr"]}, "Did you mean 'ftrl'"),
    "no learner": ({"models": ["noise:ctr_error=0.1"]}, "does not learn"),
    "no seeds": ({"seeds": 0}, "seeds = 0"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_named(name: str) -> None:
    changes, words = FAULTS[name]
    options: dict[str, Any] = {"scenario": "click_linear", "models": ["ftrl"], "impressions": 2000, **changes}
    with pytest.raises(AdsimError, match=words):
        predict(adsim.load_scenario(options.pop("scenario")), **options)


def test_the_command_prints_and_saves(tmp_path: Path) -> None:
    line = ["predictors", "click_cold", "--models", "constant,ftrl", "--impressions", "2000", "--seeds", "2"]
    printed = CliRunner().invoke(app, [*line, "--out", str(tmp_path / "out")])
    assert printed.exit_code == 0
    assert "less constant" in printed.output
    assert "of impressions whose ads had fewer than 20 before" in printed.output
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"runs.csv", "table.parquet", "ladder.png", "reliability.svg", "run.json"} <= names
    summary = json.loads(CliRunner().invoke(app, [*line, "--json"]).stdout)
    assert summary["models"] == ["constant", "ftrl"]
    assert {row["metric"] for row in summary["table"]} >= {"auc", "log_loss", "calibration_error"}
