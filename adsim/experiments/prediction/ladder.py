"""Predictors on the log of a click world: who ranks best, whose probabilities are right, against the true rates."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adsim.errors import AdsimError
from adsim.experiments.statistics import difference
from adsim.experiments.tables import means, records
from adsim.logs.auctions import check_counts
from adsim.market.click_log import ClickLog, TrueRates, draw_log
from adsim.market.click_traffic import ClickTraffic
from adsim.market.click_world import ClickWorld
from adsim.market.scenario import Scenario
from adsim.predictors.learner import make
from adsim.predictors.metrics import auc, prediction_row, reliability

ORACLE = "oracle"
"""The true rates, beside the models."""
SPLIT = 0.7, 0.8
"""Shares of the log at which validation and test begin."""
COLD = 20
"""Impressions in training below which an ad is cold."""
METRICS = (
    "auc",
    "gauc",
    "cold_auc",
    "log_loss",
    "normalized_entropy",
    "calibration",
    "calibration_error",
    "slope",
    "intercept",
    "fit_seconds",
)
COMPARED = ("auc", "log_loss")
FEWEST = 1000
_WARM = 100


@dataclass(frozen=True)
class Prediction:
    """How well models predict clicks that they have not seen."""

    scenario: Scenario
    models: list[str]
    """As they were named; the first is what others are compared with."""
    impressions: int
    seeds: list[int]
    runs: pd.DataFrame
    """A row per model and seed, the oracle's last: model, seed, and of the test slice what
    `adsim.predictors.metrics.prediction_row` gives, cold_auc (AUC on impressions of ads with fewer than 20 in
    training, NaN without any), cold_share (of impressions) and fit_seconds (NaN for the oracle)."""
    table: pd.DataFrame
    """A row per model and metric: model, metric, mean, low, high."""
    differences: pd.DataFrame
    """To the first model, paired by seed; a row per other model and metric (AUC and log loss): model, metric, mean,
    low, high, excludes_zero."""
    reliability: pd.DataFrame
    """Mean over seeds of predicted and observed rates by decile of predictions: model, bin, predicted, observed."""

    def summary(self) -> dict[str, Any]:
        """Means and differences with intervals, ready for JSON: NaN is None."""
        return {
            "scenario": self.scenario.name,
            "models": self.models,
            "impressions": self.impressions,
            "seeds": self.seeds,
            "table": records(self.table),
            "differences": records(self.differences),
        }


def predict(
    scenario: Scenario,
    models: Sequence[str] = ("ftrl", "fm", "fwfm"),
    *,
    impressions: int = 200_000,
    seeds: int = 5,
    first_seed: int = 0,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Prediction:
    """Fit models to the first 70 % of a world's click log, stop them by the next 10 %, and test them on the rest.

    Parameters
    ----------
    scenario : Scenario
        With traffic of a click world; all of its catalogue is shown, by the policy of `draw_log`.
    models : sequence of str
        Learners as ``name:key=value``.
    impressions : int
        Length of each log, over which the world's period is spread; 1,000 at least.
    seeds, first_seed : int
        How many worlds, and the seed of the first; models are initialised from the same.
    workers : int
        Processes; results do not depend on it, but for the seconds.
    progress : callable, optional
        Called with the numbers of fits done and to do.

    Raises
    ------
    AdsimError
        When a setting is impossible, the scenario has no click world, or a model is none that learns.
    """
    check_counts(impressions=impressions, seeds=seeds, workers=workers)
    if impressions < FEWEST:
        raise AdsimError(f"impressions = {impressions}: must be {FEWEST:,} at least, to learn from and be tested on.")
    if not models:
        raise AdsimError("no models: name some, such as ftrl,fm,fwfm.")
    world_of(scenario, impressions, first_seed)
    for model in models:
        make(model)
    names, numbers = list(dict.fromkeys(models)), list(range(first_seed, first_seed + seeds))
    cells = [(scenario, model, impressions, seed) for seed in numbers for model in [*names, ORACLE]]
    rows, bins = zip(*_run(cells, workers, progress), strict=True)
    runs = pd.DataFrame(rows)
    table = means(runs, ["model"], METRICS).dropna(subset="mean", ignore_index=True)
    deciles: pd.DataFrame = pd.concat(bins, ignore_index=True)
    return Prediction(
        scenario,
        names,
        impressions,
        numbers,
        runs,
        table,
        _differences(runs, names),
        deciles.groupby(["model", "bin"], sort=False, as_index=False)[["predicted", "observed"]].mean(),
    )


def world_of(scenario: Scenario, opportunities: int, seed: int) -> ClickWorld:
    """The click world of a scenario, its period spread over so many opportunities.

    Raises
    ------
    AdsimError
        When it has none.
    """
    traffic = scenario.traffic
    if not isinstance(traffic, ClickTraffic):
        raise AdsimError(
            f"scenario '{scenario.name}': its traffic has no features to learn from. Use a click world, such as "
            "click_crosses."
        )
    return ClickWorld(traffic, seed, traffic.ads, opportunities)


def _run(
    cells: list[tuple[Scenario, str, int, int]], workers: int, progress: Callable[[int, int], None] | None
) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Outcomes of the cells, in their order."""
    parallel = joblib.Parallel(n_jobs=min(workers, len(cells)), return_as="generator")
    for done, outcome in enumerate(parallel(joblib.delayed(_outcome)(*cell) for cell in cells), 1):
        yield outcome
        if progress:
            progress(done, len(cells))


def _outcome(scenario: Scenario, model: str, impressions: int, seed: int) -> tuple[dict[str, Any], pd.DataFrame]:
    """A row of `runs`, and deciles. The log is drawn again for each model: that is quick, and needs no memory."""
    log, truth = draw_log(world_of(scenario, impressions, seed), impressions)
    cuts = [int(share * impressions) for share in SPLIT]
    test = log.take(slice(cuts[1], None))
    predictions, seconds = _predictions(model, log, truth, cuts, seed)
    cold = np.bincount(log.ad[: cuts[0]], minlength=test.ad.max() + 1)[test.ad] < COLD
    row = {
        "model": model,
        "seed": seed,
        **prediction_row(test.clicks, predictions, test.rows.ids[:, 0]),
        "cold_auc": auc(test.clicks[cold], predictions[cold]) if cold.any() else float("nan"),
        "cold_share": float(cold.mean()),
        "fit_seconds": seconds,
    }
    return row, reliability(test.clicks, predictions).assign(model=model)


def _predictions(
    model: str, log: ClickLog, truth: TrueRates, cuts: list[int], seed: int
) -> tuple[NDArray[np.floating], float]:
    """Predictions of the test slice, and seconds to fit, what is compiled having been so before."""
    if model == ORACLE:
        return truth.ctr[cuts[1] :], float("nan")
    known, held_out, test = log.take(slice(cuts[0])), log.take(slice(*cuts)), log.rows.take(slice(cuts[1], None))
    valid = held_out.rows, held_out.clicks
    few = known.take(slice(_WARM))
    make(model).fit(few.rows, few.clicks, valid=valid)
    learner = make(model)
    start = time.perf_counter()
    learner.fit(known.rows, known.clicks, valid=valid, seed=seed)
    seconds = time.perf_counter() - start
    return learner.predict_proba(test), seconds


def _differences(runs: pd.DataFrame, models: list[str]) -> pd.DataFrame:
    columns = ["model", "metric", "mean", "low", "high", "excludes_zero"]
    by_model = {name: part for name, part in runs.groupby("model", sort=False)}
    rows = []
    for model in [*models[1:], ORACLE]:
        for metric in COMPARED:
            found = difference(by_model[model][metric], by_model[models[0]][metric])
            rows.append([model, metric, *found, found.excludes_zero])
    return pd.DataFrame(rows, columns=columns)
