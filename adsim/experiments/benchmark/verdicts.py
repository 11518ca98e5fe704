"""From runs to verdicts: tables over seats, budgets and seeds, with stratified intervals."""

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pandas as pd

from adsim.experiments import aggregates as over
from adsim.experiments.benchmark.conditions import PLAIN
from adsim.experiments.statistics import Estimate
from adsim.types import Floats

AGGREGATES: dict[str, Callable[[Floats], Floats]] = {
    "iqm": over.interquartile_mean,
    "mean": over.mean,
    "median": over.median,
    "optimality_gap": over.optimality_gap,
}
"""Of normalised scores."""
MEANS = ("score", "value", "conversions", "spend", "violation", "exceeded", "budget_use")
THRESHOLDS = 61
"""Points of a performance profile."""


def samples(runs: pd.DataFrame, metric: str, cells: str = "budget") -> Floats:
    """One bidder's numbers, (seats, seeds, cells)."""
    wide = runs.pivot(index=["seat", "seed"], columns=cells, values=metric)
    return wide.to_numpy(np.float64).reshape(runs["seat"].nunique(), runs["seed"].nunique(), -1)


def _bidders(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {str(name): part for name, part in runs.groupby("bidder", sort=False)}


def _summaries(runs: pd.DataFrame) -> list[tuple[str, Estimate]]:
    """Metrics of one bidder."""
    scores = samples(runs, "normalised")
    found = [(name, over.stratified(scores, statistic)) for name, statistic in AGGREGATES.items()]
    return found + [(name, over.stratified(samples(runs, name), over.mean)) for name in MEANS]


def aggregates(runs: pd.DataFrame) -> pd.DataFrame:
    """`adsim.experiments.benchmark.benchmark.Benchmark.table`."""
    rows = [[bidder, name, *found] for bidder, part in _bidders(runs).items() for name, found in _summaries(part)]
    table = pd.DataFrame(rows, columns=["bidder", "metric", *Estimate._fields])
    iqm = table[table["metric"] == "iqm"].set_index("bidder")["mean"]
    return table.sort_values("bidder", key=lambda names: -names.map(iqm), kind="stable", ignore_index=True)


def levels(runs: pd.DataFrame, by: str) -> pd.DataFrame:
    """`adsim.experiments.benchmark.benchmark.Benchmark.by_budget`: the same at every level of a column."""
    rows = [
        [bidder, level, name, *found]
        for bidder, part in _bidders(runs).items()
        for level, cell in part.groupby(by, sort=False)
        for name, found in _summaries(cell)
    ]
    return pd.DataFrame(rows, columns=["bidder", by, "metric", *Estimate._fields])


def _lost(pairs: Floats) -> Floats:
    """Share of the mean of the first that the second lacks; of (..., S, R, 2)."""
    first, second = np.moveaxis(pairs.mean(axis=(-3, -2)), -1, 0)
    return 1 - second / first


def degradations(runs: pd.DataFrame) -> pd.DataFrame:
    """`adsim.experiments.benchmark.benchmark.Benchmark.by_shift`."""
    rows = []
    for bidder, part in _bidders(runs).items():
        unshifted = part[part["shift"] == PLAIN]
        for shift, cell in part.groupby("shift", sort=False):
            rows += [[bidder, shift, name, *found] for name, found in _summaries(cell)]
            if shift != PLAIN and not unshifted.empty:
                pairs = np.concatenate([samples(unshifted, "score"), samples(cell, "score")], axis=-1)
                rows.append([bidder, shift, "degradation", *over.stratified(pairs, _lost)])
    return pd.DataFrame(rows, columns=["bidder", "shift", "metric", *Estimate._fields])


def differences(runs: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """`adsim.experiments.benchmark.benchmark.Benchmark.differences`."""
    parts, rows = _bidders(runs), []
    base = parts.pop(baseline)
    for bidder, part in parts.items():
        for metric in ("normalised", *MEANS):
            found = over.stratified(samples(part, metric) - samples(base, metric), over.mean)
            rows.append([bidder, metric, *found, found.excludes_zero])
    return pd.DataFrame(rows, columns=["bidder", "metric", *Estimate._fields, "excludes_zero"])


def improvements(runs: pd.DataFrame) -> pd.DataFrame:
    """`adsim.experiments.benchmark.benchmark.Benchmark.improvements`."""
    scores = {bidder: samples(part, "normalised") for bidder, part in _bidders(runs).items()}
    rows = [
        [ours, theirs, *over.stratified(np.stack([scores[ours], scores[theirs]], axis=-1), over.improvement)]
        for ours, theirs in permutations(scores, 2)
    ]
    return pd.DataFrame(rows, columns=["bidder", "over", *Estimate._fields])


def profiles(runs: pd.DataFrame) -> pd.DataFrame:
    """`adsim.experiments.benchmark.benchmark.Benchmark.profiles`; thresholds reach up to the highest score."""
    thresholds = np.linspace(0, float(runs["normalised"].max()), THRESHOLDS)
    rows = []
    for bidder, part in _bidders(runs).items():
        found = over.profile(samples(part, "normalised"), thresholds)
        rows += [[bidder, *point] for point in zip(thresholds, *found, strict=True)]
    return pd.DataFrame(rows, columns=["bidder", "threshold", *Estimate._fields])
