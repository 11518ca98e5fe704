"""Delayed feedback: ways to learn from conversions that come late, on the clicks of a click world."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import pandas as pd

from adsim.errors import AdsimError, UnknownName
from adsim.experiments.prediction.ladder import FEWEST, world_of
from adsim.experiments.tables import means, records
from adsim.logs.auctions import check_counts
from adsim.market.click_log import draw_log
from adsim.market.scenario import Scenario
from adsim.predictors.delayed import Delayed, stream
from adsim.predictors.learner import make
from adsim.predictors.metrics import auc, calibration, log_loss

WINDOW = 15.0
"""Days within which conversions count."""
METHODS = {
    "known": Delayed("oracle", WINDOW),
    "wait_6h": Delayed("wait", WINDOW, 0.25),
    "wait_1d": Delayed("wait", WINDOW, 1.0),
    "wait_5d": Delayed("wait", WINDOW, 5.0),
    "wait_15d": Delayed("wait", WINDOW, WINDOW),
    "duplicates": Delayed("duplicates", WINDOW),
    "fnw": Delayed("fnw", WINDOW),
    "esdfm_6h": Delayed("esdfm", WINDOW, 0.25),
    "esdfm_1d": Delayed("esdfm", WINDOW, 1.0),
}
"""What is learned when; ``known`` has final labels at the click, which nobody has."""
METRICS = ("auc", "log_loss", "calibration")
WARM_UP = 0.5
"""Share of the period before clicks count."""
STEP = 1 / 24
"""Days between updates."""
_DAY = 24.0


@dataclass(frozen=True)
class Delays:
    """What ways to learn from late conversions come to."""

    scenario: Scenario
    methods: list[str]
    opportunities: int
    seeds: list[int]
    runs: pd.DataFrame
    """A row per method and seed: method, seed, and of the clicks of the second half of the
    period, each predicted before anything of it was known: auc, log_loss, calibration (predicted over observed)."""
    table: pd.DataFrame
    """A row per method and metric: method, metric, mean, low, high."""
    days: pd.DataFrame
    """Calibration of all clicks of a day, means over seeds: method, day, calibration."""

    def summary(self) -> dict[str, Any]:
        """Means with intervals, ready for JSON: NaN is None."""
        return {
            "scenario": self.scenario.name,
            "methods": self.methods,
            "opportunities": self.opportunities,
            "seeds": self.seeds,
            "table": records(self.table),
        }


def delays(
    scenario: Scenario,
    methods: Sequence[str] = tuple(METHODS),
    *,
    learner: str = "ftrl:history=false:alpha=0.05",
    opportunities: int = 1_000_000,
    seeds: int = 5,
    first_seed: int = 0,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Delays:
    """Let a learner see the clicks of a world hour by hour, and their conversions when they happen.

    Parameters
    ----------
    scenario : Scenario
        With traffic of a click world, longer than twice the window of 15 days.
    methods : sequence of str
        Among `METHODS`.
    learner : str
        As ``name:key=value``.
    opportunities : int
        Of the period, some of which are clicked; 1,000 at least.
    seeds, first_seed : int
        How many worlds, and the seed of the first.
    workers : int
        Processes; results do not depend on it.
    progress : callable, optional
        Called with the numbers of streams done and to do.

    Raises
    ------
    AdsimError
        When a setting is impossible, the scenario has no click world or a short one, or a method is unknown.
    """
    check_counts(opportunities=opportunities, seeds=seeds, workers=workers)
    if opportunities < FEWEST:
        raise AdsimError(f"opportunities = {opportunities}: must be {FEWEST:,} at least.")
    names, numbers = list(dict.fromkeys(methods)), list(range(first_seed, first_seed + seeds))
    for name in names:
        if name not in METHODS:
            raise UnknownName("method", name, METHODS)
    make(learner)
    days = world_of(scenario, opportunities, first_seed).traffic.days
    if days < 2 * WINDOW:
        raise AdsimError(f"days = {days:g}: conversions count for {WINDOW:g} days, so take twice that at least.")
    cells = [(scenario, name, learner, opportunities, seed) for seed in numbers for name in names]
    outcomes = list(_run(cells, workers, progress))
    runs = pd.DataFrame([row for row, _ in outcomes])
    by_day = pd.concat([part for _, part in outcomes], ignore_index=True)
    over_seeds = by_day.groupby(["method", "day"], sort=False)[["calibration"]].mean().reset_index()
    return Delays(scenario, names, opportunities, numbers, runs, means(runs, ["method"], METRICS), over_seeds)


def _run(
    cells: list[tuple[Scenario, str, str, int, int]], workers: int, progress: Callable[[int, int], None] | None
) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Outcomes of the cells, in their order."""
    parallel = joblib.Parallel(n_jobs=min(workers, len(cells)), return_as="generator")
    for done, outcome in enumerate(parallel(joblib.delayed(_outcome)(*cell) for cell in cells), 1):
        yield outcome
        if progress:
            progress(done, len(cells))


def _outcome(
    scenario: Scenario, method: str, learner: str, opportunities: int, seed: int
) -> tuple[dict[str, Any], pd.DataFrame]:
    """A row of `runs`, and calibration by day."""
    world = world_of(scenario, opportunities, seed)
    log, days = draw_log(world, opportunities)[0], world.traffic.days
    clicks = log.take(log.clicks > 0)
    clicked, late = clicks.time / _DAY, clicks.delay.astype(np.float64) / _DAY
    converted = late <= WINDOW
    rule = METHODS[method]
    predicted = stream(clicks.rows, clicked, late, rule, lambda: make(learner), step=STEP, seed=seed)
    scored = clicked >= WARM_UP * days
    known, guess = converted[scored], predicted[scored]
    row = {
        "method": method,
        "seed": seed,
        "auc": auc(known, guess),
        "log_loss": log_loss(known, guess),
        "calibration": calibration(known, guess),
    }
    by_day = pd.DataFrame({"day": clicked.astype(int), "predicted": predicted, "observed": converted})
    sums = by_day.groupby("day", as_index=False).sum()
    return row, sums.assign(method=method, calibration=sums["predicted"] / sums["observed"])
