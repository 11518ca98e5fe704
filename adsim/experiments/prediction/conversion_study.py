"""Post-click conversion: models of clicks alone against one of all impressions, on the log of a click world."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adsim.errors import AdsimError, UnknownName
from adsim.experiments.prediction.ladder import FEWEST, ORACLE, SPLIT, world_of
from adsim.experiments.statistics import difference
from adsim.experiments.tables import means, records
from adsim.logs.auctions import check_counts
from adsim.market.click_log import ClickLog, TrueRates, draw_log
from adsim.market.scenario import Scenario
from adsim.predictors.learner import make
from adsim.predictors.metrics import auc, calibration
from adsim.types import Floats

METHODS = {
    "linear": "ftrl",
    "naive": "esmm:method=clicks:shared=false",
    "shared": "esmm:method=clicks",
    "propensity": "esmm:method=propensity",
    "negatives": "esmm:method=negatives",
    "esmm_apart": "esmm:shared=false",
    "esmm": "esmm",
}
"""Learners of each way to learn conversions; see `adsim.predictors.deep.esmm.Esmm`."""
BEST = "esmm"
METRICS = ("cvr_auc", "cvr_auc_clicked", "calibration", "calibration_clicked", "ctcvr_auc")
COMPARED = ("cvr_auc", "ctcvr_auc")
_POTENTIAL = 11


@dataclass(frozen=True)
class Conversions:
    """How well methods predict conversions of impressions that need not have been clicked."""

    scenario: Scenario
    methods: list[str]
    impressions: int
    seeds: list[int]
    runs: pd.DataFrame
    """A row per method and seed, the true rates' last, of the test slice: method, seed, cvr_auc and calibration (of
    pCVR over all impressions, against whether a click would have converted), cvr_auc_clicked and calibration_clicked
    (over clicks), ctcvr_auc (of pCTR pCVR against click and conversion; NaN without a pCTR)."""
    table: pd.DataFrame
    """A row per method and metric: method, metric, mean, low, high."""
    differences: pd.DataFrame
    """ESMM less each other method, paired by seed: method, metric (cvr_auc, ctcvr_auc), mean, low, high,
    excludes_zero."""

    def summary(self) -> dict[str, Any]:
        """Means and differences with intervals, ready for JSON: NaN is None."""
        return {
            "scenario": self.scenario.name,
            "methods": self.methods,
            "impressions": self.impressions,
            "seeds": self.seeds,
            "table": records(self.table),
            "differences": records(self.differences),
        }


def conversions(
    scenario: Scenario,
    methods: Sequence[str] = tuple(METHODS),
    *,
    impressions: int = 200_000,
    seeds: int = 5,
    first_seed: int = 0,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Conversions:
    """Fit methods to the first 70 % of a world's click log, stop them by the next 10 %, and test them on the rest.

    Ma et al. 2018 (arXiv 1804.07931) could test on clicks alone; here it is known which impressions that were not
    clicked would have converted.

    Parameters
    ----------
    scenario : Scenario
        With traffic of a click world.
    methods : sequence of str
        Among `METHODS`; ``linear`` is FTRL on clicks.
    impressions : int
        Length of each log; 1,000 at least.
    seeds, first_seed : int
        How many worlds, and the seed of the first.
    workers : int
        Processes; results do not depend on it.
    progress : callable, optional
        Called with the numbers of fits done and to do.

    Raises
    ------
    AdsimError
        When a setting is impossible, the scenario has no click world, or a method is unknown.
    """
    check_counts(impressions=impressions, seeds=seeds, workers=workers)
    if impressions < FEWEST:
        raise AdsimError(f"impressions = {impressions}: must be {FEWEST:,} at least, to learn from and be tested on.")
    names, numbers = list(dict.fromkeys(methods)), list(range(first_seed, first_seed + seeds))
    for name in names:
        if name not in METHODS:
            raise UnknownName("method", name, METHODS)
        make(METHODS[name])
    world_of(scenario, impressions, first_seed)
    cells = [(scenario, name, impressions, seed) for seed in numbers for name in [*names, ORACLE]]
    runs = pd.DataFrame(_run(cells, workers, progress))
    table = means(runs, ["method"], METRICS).dropna(subset="mean", ignore_index=True)
    return Conversions(scenario, names, impressions, numbers, runs, table, _differences(runs, names))


def _run(
    cells: list[tuple[Scenario, str, int, int]], workers: int, progress: Callable[[int, int], None] | None
) -> Iterator[dict[str, Any]]:
    """Rows of the cells, in their order."""
    parallel = joblib.Parallel(n_jobs=min(workers, len(cells)), return_as="generator")
    for done, row in enumerate(parallel(joblib.delayed(_row)(*cell) for cell in cells), 1):
        yield row
        if progress:
            progress(done, len(cells))


def _row(scenario: Scenario, method: str, impressions: int, seed: int) -> dict[str, Any]:
    """What a method makes of a world. The log is drawn again for each: that is quick, and needs no memory."""
    log, truth = draw_log(world_of(scenario, impressions, seed), impressions)
    first, last = (int(share * impressions) for share in SPLIT)
    test = slice(last, None)
    ctr, cvr = _predictions(method, log, truth, first, last, seed)
    clicks, bought = log.clicks[test], log.conversions[test]
    clicked = clicks > 0
    would = np.random.default_rng([seed, _POTENTIAL]).random(clicked.size) < truth.cvr[test]
    would = np.where(clicked, bought > 0, would)
    return {
        "method": method,
        "seed": seed,
        "cvr_auc": auc(would, cvr),
        "cvr_auc_clicked": auc(bought[clicked], cvr[clicked]),
        "calibration": calibration(would, cvr),
        "calibration_clicked": calibration(bought[clicked], cvr[clicked]),
        "ctcvr_auc": float("nan") if ctr is None else auc(bought, ctr * cvr),
    }


def _predictions(
    method: str, log: ClickLog, truth: TrueRates, first: int, last: int, seed: int
) -> tuple[Floats | None, NDArray[np.floating]]:
    """Click rates, where the method has them, and conversion rates of the test slice."""
    if method == ORACLE:
        return truth.ctr[last:].astype(np.float64), truth.cvr[last:]
    known, held_out, test = log.take(slice(first)), log.take(slice(first, last)), log.rows.take(slice(last, None))
    learner: Any = make(METHODS[method])
    if not METHODS[method].startswith("esmm"):
        clicks = known.take(known.clicks > 0)
        return None, learner.fit(clicks.rows, clicks.conversions, seed=seed).predict_proba(test)
    valid = held_out.rows, held_out.conversions, held_out.clicks
    rates = learner.fit(known.rows, known.conversions, known.clicks, valid=valid, seed=seed).predict_rates(test)
    return rates.click, rates.conversion


def _differences(runs: pd.DataFrame, methods: list[str]) -> pd.DataFrame:
    columns = ["method", "metric", "mean", "low", "high", "excludes_zero"]
    by_method = {name: part for name, part in runs.groupby("method", sort=False)}
    rows = []
    for method in [name for name in methods if name != BEST] if BEST in methods else []:
        for metric in COMPARED:
            found = difference(by_method[BEST][metric], by_method[method][metric])
            rows.append([method, metric, *found, found.excludes_zero])
    return pd.DataFrame(rows, columns=columns).dropna(subset="mean", ignore_index=True)
