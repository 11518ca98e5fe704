"""Liquid welfare against user experience: what each mechanism reaches at its best, and the most that is feasible.

Every mechanism has the constant multipliers that the period asks for (`adsim.experiments.optimum.calibrate`), so that
none is judged by how agents learn; best responses (`adsim.experiments.optimum.best_responses`) tell if they are an
equilibrium. The optimum (`adsim.experiments.optimum.weighted_optimum`) is that of liquid welfare + beta * user
experience. The model is our derivation from the abstract of Li et al. 2025 (arXiv 2507.02931).

Campaigns leave when their stock is sold, as in the market, and what the last opportunity sells beyond it is given up
in proportion, with its value, spend and experience. That is feasible for the optimum, so that no mechanism can exceed
it. Derived here.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import pandas as pd

from adsim import registry
from adsim.errors import AdsimError
from adsim.experiments.comparison.compare import BASELINE
from adsim.experiments.optimum.best_responses import settle
from adsim.experiments.optimum.weighted_optimum import WeightedOptimum, weighted_optimum
from adsim.experiments.optimum.whole_period import WholePeriod
from adsim.experiments.statistics import Estimate, difference
from adsim.experiments.tables import means, records
from adsim.logs.auctions import check_counts
from adsim.market.metrics import (
    TOLERANCE,
    delivered_share,
    liquid_value,
    ratio,
    roi_shortfall,
    stock_overshoot,
    units_sold,
)
from adsim.market.scenario import STOCKS, Scenario
from adsim.types import Constraints, Floats, Totals

BETAS = 0.0, 0.2, 0.5, 1.0, 2.0
FACTORS = 0.5, 1.0, 2.0
ONE_SLOT = ("lpa", "first_price", "second_price", "split")
"""Second price, GSP and VCG are one auction there."""
SEVERAL_SLOTS = ("lpa", "first_price", "gsp", "vcg", "split")
METRICS = (
    "liquid_welfare",
    "user_experience",
    "weighted_objective",
    "objective_share",
    "revenue",
    "revenue_share",
    "sales",
    "roi_kept",
    "stock_use",
    "stock_overshoot",
    "missed_share",
    "drift",
    "converged",
)
CELL = ["stocks", "beta"]


@dataclass(frozen=True)
class Frontier:
    """What mechanisms reached; a *cell* is a factor on stocks and a beta."""

    scenario: Scenario
    mechanisms: list[str]
    baseline: str
    """The mechanism that differences are taken to."""
    betas: list[float]
    stocks: list[float]
    """Factors on every campaign's stock."""
    seeds: list[int]
    runs: pd.DataFrame
    """A row per cell, mechanism and seed: stocks, beta, mechanism, seed, liquid_welfare, user_experience,
    weighted_objective (liquid welfare + beta * user experience), objective_share (of the optimum's bound, which is
    the optimum where that is exact), revenue, revenue_share (of the optimum's liquid welfare), sales (value
    delivered), roi_kept (share of sellers with sales and a target ROI that miss it by 2 % at most), stock_use (mean),
    stock_overshoot (largest relative sales beyond the stock if nobody left: how far multipliers are from holding it),
    missed_share (what all sellers miss, each if it alone took its best response, over all sales), drift (standard
    deviation of the weighted objective over the last sweeps, relative) and converged (whether all are at rest)."""
    optima: pd.DataFrame
    """A row per cell and seed: stocks, beta, seed, liquid_welfare, user_experience, weighted_objective, bound
    (that no allocation exceeds) and exact (whether the two are the same, up to rounding)."""
    table: pd.DataFrame
    """A row per cell, mechanism and metric: stocks, beta, mechanism, metric, mean, low, high."""
    differences: pd.DataFrame
    """A row per cell, mechanism (but the baseline) and metric, of the paired differences to the baseline: stocks,
    beta, mechanism, metric, mean, low, high, excludes_zero."""

    def summary(self) -> dict[str, Any]:
        """Means, differences and their intervals, ready for JSON: NaN is None."""
        optima = self.optima.groupby(CELL, as_index=False).mean().drop(columns=["seed", "exact"])
        return {
            "scenario": self.scenario.name,
            "mechanisms": self.mechanisms,
            "baseline": self.baseline,
            "betas": self.betas,
            "stocks": self.stocks,
            "seeds": self.seeds,
            "optima": records(optima),
            "table": records(self.table),
            "differences": records(self.differences),
        }


def frontier(
    scenario: Scenario,
    *,
    betas: Iterable[float] = BETAS,
    stocks: Iterable[float] = FACTORS,
    mechanisms: Sequence[str] | None = None,
    seeds: int = 20,
    first_seed: int = 0,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Frontier:
    """Give every mechanism its best multipliers on the same markets, and compare them with the optimum.

    Parameters
    ----------
    scenario : Scenario
        With user experience. Outcomes are taken in expectation, and its agents are of no account.
    betas : iterable of float
        Weights of user experience, in score and objective.
    stocks : iterable of float
        Factors on every campaign's stock.
    mechanisms : sequence of str, optional
        LPA, first price, second price (with several slots GSP and VCG) and split traffic, unless given.
    seeds, first_seed : int
        How many markets of each cell, and the seed of the first.
    workers : int
        Processes; results do not depend on it.
    progress : callable, optional
        Called with the numbers of markets done and to do.

    Raises
    ------
    AdsimError
        When a setting is impossible, the scenario has no user experience, or has no stock to be scaled.
    """
    check_counts(seeds=seeds, workers=workers)
    weights, factors = sorted(set(betas)), sorted(set(stocks))
    _check(scenario, weights, factors)
    usual = ONE_SLOT if len(scenario.auction.slot_exposure) == 1 else SEVERAL_SLOTS
    names = list(dict.fromkeys(usual if mechanisms is None else mechanisms))
    if not names:
        raise AdsimError("nothing to compare: name one mechanism at least.")
    for name in names:
        registry.load("mechanisms", name)
    numbers = list(range(first_seed, first_seed + seeds))
    cells = [
        (_variants(scenario, factor, beta, names), {"stocks": factor, "beta": beta}, seed)
        for factor in factors
        for beta in weights
        for seed in numbers
    ]
    rows, optima = zip(*_run(cells, workers, progress), strict=True)
    runs = pd.DataFrame([row for some in rows for row in some])
    baseline = BASELINE if BASELINE in names else names[0]
    return Frontier(
        scenario=scenario,
        mechanisms=names,
        baseline=baseline,
        betas=weights,
        stocks=factors,
        seeds=numbers,
        runs=runs,
        optima=pd.DataFrame(list(optima)),
        table=means(runs, [*CELL, "mechanism"], METRICS),
        differences=_differences(runs, baseline),
    )


def _check(scenario: Scenario, betas: list[float], factors: list[float]) -> None:
    if scenario.traffic.experience is None:
        raise AdsimError(f"scenario '{scenario.name}': traffic.experience is missing, so that there is no frontier.")
    if not betas or not all(0 <= beta < math.inf for beta in betas):
        raise AdsimError(f"betas = {betas}: must be numbers from 0, one at least.")
    if not factors or not all(0 < factor < math.inf for factor in factors):
        raise AdsimError(f"stocks = {factors}: must be positive factors, one at least.")
    if factors != [1] and not any(table.has_stock for table in scenario.campaigns):
        raise AdsimError(f"scenario '{scenario.name}': no campaign has a stock to scale.")


def _variants(scenario: Scenario, factor: float, beta: float, mechanisms: list[str]) -> dict[str, Scenario]:
    """The scenario of a cell under each mechanism."""
    changes: dict[str, Any] = {"auction.beta": beta}
    for number, table in enumerate(scenario.campaigns):
        for field in STOCKS:
            drawn = getattr(table, field)
            if drawn is not None:
                changes[f"campaigns.{number}.{field}"] = drawn.scaled(factor).model_dump(mode="json")
    return {name: scenario.replace({**changes, "auction.mechanism": name}) for name in mechanisms}


def _run(
    cells: list[tuple[dict[str, Scenario], dict[str, float], int]],
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> Iterator[tuple[list[dict[str, Any]], dict[str, Any]]]:
    """Outcomes of the cells, in their order."""
    parallel = joblib.Parallel(n_jobs=min(workers, len(cells)), return_as="generator")
    for done, outcome in enumerate(parallel(joblib.delayed(_outcome)(*cell) for cell in cells), 1):
        yield outcome
        if progress:
            progress(done, len(cells))


def _outcome(
    variants: dict[str, Scenario], cell: dict[str, float], seed: int
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows of `runs`, and the row of `optima`, of one cell and seed."""
    market = next(iter(variants.values()))
    best = weighted_optimum(market, seed)
    rows = [
        {**cell, "mechanism": name, "seed": seed, **_row(variant, seed, best)} for name, variant in variants.items()
    ]
    found = {
        "liquid_welfare": best.liquid_welfare,
        "user_experience": best.experience,
        "weighted_objective": best.objective,
        "bound": best.bound,
        "exact": best.exact,
    }
    return rows, {**cell, "seed": seed, **found}


def _row(scenario: Scenario, seed: int, best: WeightedOptimum) -> dict[str, Any]:
    """The metrics of one mechanism."""
    settled, period = settle(scenario, seed), WholePeriod(scenario, seed)
    found = settled.calibration
    own = period.constraints
    totals = delivered(own, period.totals(found.multiplier, np.isfinite(own.stock)))
    liquid, experience = float(liquid_value(own, totals).sum()), float(totals.experience.sum())
    revenue, judged = float(totals.spend.sum()), (totals.conversions > 0) & (own.target_roi > 0)
    objective = liquid + scenario.auction.beta * experience
    return {
        "liquid_welfare": liquid,
        "user_experience": experience,
        "weighted_objective": objective,
        "objective_share": _quotient(objective, best.bound),
        "revenue": revenue,
        "revenue_share": _quotient(revenue, best.liquid_welfare),
        "sales": float(totals.value.sum()),
        "roi_kept": _mean((roi_shortfall(own, totals) <= TOLERANCE)[judged]),
        "stock_use": _mean(ratio(units_sold(own, totals), own.stock)[np.isfinite(own.stock)]),
        "stock_overshoot": _largest(stock_overshoot(own, found.totals)),
        "missed_share": settled.responses.missed_share,
        "drift": found.drift,
        "converged": settled.converged,
    }


def delivered(constraints: Constraints, totals: Totals) -> Totals:
    """Totals without what is sold beyond the stock: each campaign's, times the share that the stock is enough for.

    Parameters
    ----------
    constraints : Constraints
    totals : Totals
        Arrays (n,).
    """
    kept = delivered_share(constraints, totals)
    return Totals(*(field * kept for field in totals))


def _quotient(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.nan


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _largest(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.max()) if known.size else math.nan


def _differences(runs: pd.DataFrame, baseline: str) -> pd.DataFrame:
    rows = []
    for key, cell in runs.groupby(CELL, sort=False):
        parts = {str(name): part for name, part in cell.groupby("mechanism", sort=False)}
        base = parts.pop(baseline)
        for name, part in parts.items():
            for metric in METRICS:
                found = difference(part[metric], base[metric])
                rows.append([*key, name, metric, *found, found.excludes_zero])
    return pd.DataFrame(rows, columns=[*CELL, "mechanism", "metric", *Estimate._fields, "excludes_zero"])
