"""Regret of dual mirror descent on the network-revenue world, over horizons, references, steps and seeds."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import joblib
import numpy as np
import pandas as pd

from adsim.errors import AdsimError
from adsim.experiments.allocation.descent import Descent
from adsim.experiments.allocation.network import HIGHEST, Network
from adsim.experiments.statistics import Exponent, exponent
from adsim.experiments.tables import means, records
from adsim.logs.auctions import check_counts

DOUBLING = (250, 500, 1000, 2000, 4000, 8000, 16000)
METRICS = ("reward", "bound", "regret", "leftover", "relative_regret", "root_regret")
_VARIANT = ["reference", "step"]


@dataclass(frozen=True)
class Allocation:
    """What runs of dual mirror descent found."""

    resources: int
    choices: int
    seeds: list[int]
    runs: pd.DataFrame
    """A row per reference, step, horizon and seed: reference, step, resources, horizon, seed, reward, bound (dual
    objective at the average dual), regret (bound - reward), leftover (mean share of the resources that was left),
    relative_regret (regret / bound), root_regret (regret / sqrt(horizon))."""
    table: pd.DataFrame
    """A row per reference, step, horizon and metric: reference, step, horizon, metric, mean, low, high."""
    exponents: pd.DataFrame
    """A row per reference and step: reference, step, value, low, high of the power of the horizon that regret grows
    with; empty for a single horizon."""

    def summary(self) -> dict[str, Any]:
        """Exponents, means and their intervals, ready for JSON: NaN is None."""
        return {
            "resources": self.resources,
            "choices": self.choices,
            "seeds": self.seeds,
            "exponents": records(self.exponents),
            "table": records(self.table),
        }


def sweep(
    *,
    references: Sequence[str] = ("euclidean", "entropic", "projected"),
    steps: Sequence[float] = (0.1, 1.0, 10.0),
    horizons: Sequence[int] = DOUBLING,
    resources: int = 100,
    choices: int = 10,
    seeds: int = 10,
    first_seed: int = 0,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Allocation:
    """Run every reference and step on the same requests: those of a seed, as many as each horizon says.

    Parameters
    ----------
    references : sequence of str
        Of `adsim.experiments.allocation.descent.REFERENCES`.
    steps : sequence of float
        In units of ``1 / sqrt(horizon)``.
    horizons : sequence of int
        Numbers of requests.
    resources, choices : int
        Size of the world, see `adsim.experiments.allocation.network.Network`.
    seeds, first_seed : int
        How many worlds, and the seed of the first.
    workers : int
        Processes; results do not depend on it.
    progress : callable, optional
        Called with the numbers of worlds done and to do.

    Raises
    ------
    AdsimError
        When a setting is impossible.
    """
    check_counts(seeds=seeds, workers=workers)
    for name, given in {"references": references, "steps": steps, "horizons": horizons}.items():
        if not given:
            raise AdsimError(f"{name}: name one at least.")
    variants = list(product(dict.fromkeys(references), dict.fromkeys(map(float, steps))))
    span = list(range(first_seed, first_seed + seeds))
    cells = list(product(sorted(set(horizons)), span))
    rows = [row for found in _run(variants, resources, choices, cells, workers, progress) for row in found]
    places = {variant: place for place, variant in enumerate(variants)}
    rows.sort(key=lambda row: places[row["reference"], row["step"]])
    runs = pd.DataFrame(rows)
    return Allocation(resources, choices, span, runs, means(runs, [*_VARIANT, "horizon"], METRICS), _exponents(runs))


def _run(
    variants: list[tuple[str, float]],
    resources: int,
    choices: int,
    cells: list[tuple[int, int]],
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> Iterator[list[dict[str, Any]]]:
    """Rows of the cells (horizon, seed), in their order."""
    parallel = joblib.Parallel(n_jobs=min(workers, len(cells)), return_as="generator")
    outcomes = parallel(joblib.delayed(_rows)(variants, resources, choices, *cell) for cell in cells)
    for done, found in enumerate(outcomes, 1):
        yield found
        if progress:
            progress(done, len(cells))


def _rows(
    variants: list[tuple[str, float]], resources: int, choices: int, horizon: int, seed: int
) -> list[dict[str, Any]]:
    """A row of `runs` for each variant; requests are drawn twice rather than kept."""
    network = Network(resources, choices, seed)
    descents = [Descent(network.rho, horizon, reference, step, HIGHEST) for reference, step in variants]
    for block in network.requests(horizon):
        for descent in descents:
            descent.serve(*block)
    for block in network.requests(horizon):
        for descent in descents:
            descent.appraise(*block)
    return [_row(descent, resources, seed) for descent in descents]


def _row(descent: Descent, resources: int, seed: int) -> dict[str, Any]:
    found, horizon = descent.outcome(), descent.horizon
    return {
        "reference": descent.reference,
        "step": descent.step,
        "resources": resources,
        "horizon": horizon,
        "seed": seed,
        "reward": found.reward,
        "bound": found.bound,
        "regret": found.regret,
        "leftover": float(np.mean(found.left / (descent.rho * horizon))),
        "relative_regret": found.regret / found.bound,
        "root_regret": found.regret / horizon**0.5,
    }


def _exponents(runs: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for key, part in runs.groupby(_VARIANT, sort=False):
        regret = part.pivot(index="seed", columns="horizon", values="regret")
        if regret.shape[1] > 1:
            rows.append([*key, *exponent(regret, regret.columns)])
    return pd.DataFrame(rows, columns=[*_VARIANT, *Exponent._fields])
