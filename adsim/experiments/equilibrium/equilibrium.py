"""Everyone adapts at once: where multipliers settle, and how much of the best liquid welfare the market reaches."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import pandas as pd

from adsim import registry
from adsim.errors import AdsimError, AgentError
from adsim.experiments.equilibrium.pacing_equilibrium import first_price_pacing_equilibrium
from adsim.experiments.optimum.market_optimum import liquid_optimum
from adsim.experiments.tables import means, records
from adsim.logs.auctions import check_counts
from adsim.market.market import Market
from adsim.market.markets import Markets
from adsim.market.metrics import ratio
from adsim.market.result import Result
from adsim.market.reveal import true_values
from adsim.market.scenario import STOCKS, Scenario
from adsim.types import Floats

ONE_SLOT = ("first_price", "second_price")
SEVERAL_SLOTS = ("first_price", "gsp", "vcg")
METRICS = ("welfare_share", "anarchy", "revenue_share", "roi_shortfall", "unrest", "distance")
SETTLED = 0.5, 0.9
"""The part of the period whose multipliers count as settled: after learning, before budgets run out."""


@dataclass(frozen=True)
class Equilibrium:
    """What markets in which everyone adapts came to."""

    scenario: Scenario
    mechanisms: list[str]
    horizons: list[int]
    seeds: list[int]
    runs: pd.DataFrame
    """A row per mechanism, horizon and seed: mechanism, horizon, seed, optimum (best liquid welfare, or an upper
    bound on it), exact (whether it is the optimum), liquid_welfare, welfare_share (liquid welfare / optimum), anarchy
    (the price of anarchy: its inverse, NaN where nothing was sold), revenue_share (revenue / optimum), roi_shortfall
    (see `adsim.market.metrics.summarize`), unrest (mean over campaigns of the relative spread of settled multipliers)
    and distance (mean relative distance of settled multipliers from those of the first-price pacing equilibrium, NaN
    where it is not known)."""
    table: pd.DataFrame
    """A row per mechanism, horizon and metric: mechanism, horizon, metric, mean, low, high."""
    paths: pd.DataFrame
    """Multipliers in the first seed's longest market: mechanism, campaign, time (share of the period), multiplier,
    equilibrium (multiplier, NaN where it is not known)."""

    def summary(self) -> dict[str, Any]:
        """Means and their intervals, ready for JSON: NaN is None."""
        return {
            "scenario": self.scenario.name,
            "mechanisms": self.mechanisms,
            "horizons": self.horizons,
            "seeds": self.seeds,
            "table": records(self.table),
        }


def equilibrium(
    scenario: Scenario,
    *,
    mechanisms: Sequence[str] | None = None,
    agent: str | None = None,
    horizons: Sequence[int] | None = None,
    seeds: int = 10,
    first_seed: int = 0,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Equilibrium:
    """Let all campaigns adapt under several mechanisms, on the same traffic.

    Parameters
    ----------
    scenario : Scenario
        Several campaigns without posted competition.
    mechanisms : sequence of str, optional
        First and second price, or with several slots first price, GSP and VCG, unless given.
    agent : str, optional
        Bids for all campaigns, in place of the scenario's agents.
    horizons : sequence of int, optional
        Numbers of opportunities, budgets in proportion; the scenario's unless given.
    seeds, first_seed : int
        How many markets of each kind, and the seed of the first.
    workers : int
        Processes; results do not depend on it.
    progress : callable, optional
        Called with the numbers of markets done and to do.

    Raises
    ------
    AdsimError
        When a setting is impossible, or the scenario has posted competition, limited stock or nothing of value.
    """
    check_counts(seeds=seeds, workers=workers)
    if scenario.competition is not None or scenario.size < 2:
        raise AdsimError(f"scenario '{scenario.name}': everyone can adapt only where several campaigns compete.")
    if any(getattr(table, name) for table in scenario.campaigns for name in STOCKS):
        raise AdsimError(f"scenario '{scenario.name}': the optimum knows budgets and target ROI, but no stock.")
    market = scenario if agent is None else _with_agent(scenario, agent)
    usual = ONE_SLOT if len(scenario.auction.slot_exposure) == 1 else SEVERAL_SLOTS
    variants = {name: _under(market, name) for name in mechanisms or usual}
    spans = sorted(set(horizons or [scenario.market.opportunities]))
    numbers = list(range(first_seed, first_seed + seeds))
    cells = [(variants, span, seed) for span in spans for seed in numbers]
    rows, paths = zip(*_run(cells, workers, progress), strict=True)
    runs = pd.DataFrame([row for some in rows for row in some])
    path = paths[cells.index((variants, spans[-1], numbers[0]))]
    table = means(runs, ["mechanism", "horizon"], METRICS).dropna(subset="mean", ignore_index=True)
    return Equilibrium(scenario, list(variants), spans, numbers, runs, table, path)


def _with_agent(scenario: Scenario, agent: str) -> Scenario:
    registry.create("agents", *registry.parse(agent))
    return scenario.replace({f"campaigns.{number}.agent": agent for number in range(len(scenario.campaigns))})


def _under(scenario: Scenario, mechanism: str) -> Scenario:
    registry.load("mechanisms", mechanism)
    return scenario.replace({"auction.mechanism": mechanism})


def _run(
    cells: list[tuple[dict[str, Scenario], int, int]], workers: int, progress: Callable[[int, int], None] | None
) -> Iterator[tuple[list[dict[str, Any]], pd.DataFrame]]:
    """Outcomes of the cells, in their order."""
    parallel = joblib.Parallel(n_jobs=min(workers, len(cells)), return_as="generator")
    for done, outcome in enumerate(parallel(joblib.delayed(_outcome)(*cell) for cell in cells), 1):
        yield outcome
        if progress:
            progress(done, len(cells))


def _outcome(variants: dict[str, Scenario], horizon: int, seed: int) -> tuple[list[dict[str, Any]], pd.DataFrame]:
    """Rows of `runs`, and `paths`, of one seed."""
    markets = {name: variant.over(horizon) for name, variant in variants.items()}
    values = _values(next(iter(markets.values())), seed)
    rows, paths, best = [], [], None
    for name, market in markets.items():
        try:
            result = Market(market, seed).run()
        except AgentError as error:
            raise AgentError(f"{name}, seed {seed}: {error}") from None
        own = result.constraints
        if best is None:
            best = liquid_optimum(values, own.budget, own.target_roi, market.auction.slot_exposure)
            if best.bound == 0:
                raise AdsimError(f"scenario '{market.name}', seed {seed}: no campaign values any opportunity.")
        known = _equilibrium_multipliers(market, values, result)
        settled = _settled(result.multipliers)
        summary, optimum = result.summary, best.bound
        rows.append(
            {
                "mechanism": name,
                "horizon": horizon,
                "seed": seed,
                "optimum": optimum,
                "exact": best.exact,
                "liquid_welfare": summary["liquid_welfare"],
                "welfare_share": summary["liquid_welfare"] / optimum,
                "anarchy": float(ratio(np.array(optimum), np.array(summary["liquid_welfare"]))),
                "revenue_share": summary["revenue"] / optimum,
                "roi_shortfall": summary["roi_shortfall"],
                "unrest": float(ratio(settled.std(axis=0), settled.mean(axis=0)).mean()),
                "distance": float(np.mean(np.abs(settled.mean(axis=0) / known - 1))),
            }
        )
        paths.append(_path(name, result, known))
    return rows, pd.concat(paths, ignore_index=True)


def _values(market: Scenario, seed: int) -> Floats:
    """True values of all pairs of opportunity and campaign; (T, N)."""
    markets = Markets(market, [seed], agents=dict.fromkeys(range(market.size)))
    markets.open()
    return true_values(markets)


def _equilibrium_multipliers(market: Scenario, values: Floats, result: Result) -> Floats:
    """Of the first-price pacing equilibrium, where the market is one of utility maximizers with budgets, else NaN."""
    own = result.constraints
    fits = (
        market.auction.mechanism == "first_price"
        and len(market.auction.slot_exposure) == 1
        and market.auction.reserve == 0
        and not own.maximizes_value.any()
        and not own.target_roi.any()
    )
    if not fits:
        return np.full(own.budget.size, np.nan)
    exposure = market.auction.slot_exposure[0]
    return first_price_pacing_equilibrium(values * exposure, own.budget).multiplier


def _settled(multipliers: Floats) -> Floats:
    """The rows of settled ticks."""
    first, last = (int(share * len(multipliers)) for share in SETTLED)
    return multipliers[first : max(last, first + 1)]


def _path(mechanism: str, result: Result, known: Floats) -> pd.DataFrame:
    ticks, size = result.multipliers.shape
    return pd.DataFrame(
        {
            "mechanism": mechanism,
            "campaign": np.tile(result.campaigns["campaign"], ticks),
            "time": np.repeat(np.cumsum(result.traffic_share), size),
            "multiplier": result.multipliers.ravel(),
            "equilibrium": np.tile(known, ticks),
        }
    )
