"""Regret against the hindsight optimum, and constraint violation, over a grid of horizons."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from adsim import registry
from adsim.errors import AdsimError
from adsim.experiments.regret import lone_bidder, whole_market
from adsim.experiments.statistics import Exponent, exponent
from adsim.experiments.tables import means, records
from adsim.logs.auctions import check_counts
from adsim.market.scenario import Scenario

METRICS = ("regret", "root_regret", "optimum_share", "violation", "root_violation")
GROWING = ("regret", "violation")
COLUMNS = ["agent", "metric", *Exponent._fields]


@dataclass(frozen=True)
class Regret:
    """What a regret experiment found."""

    scenario: Scenario
    agents: list[str]
    horizons: list[int]
    seeds: list[int]
    runs: pd.DataFrame
    """A row per agent, horizon and seed: agent, horizon, seed, optimum (objective of the best fractional choice that
    knows everything), objective (value, or value - spend of a utility maximizer; of a market, liquid welfare + beta *
    user experience), value, spend, regret (optimum - objective), violation (what value falls short of target ROI *
    spend, spend exceeds the budget or sales exceed the stock), multiplier (the last; NaN of a market)."""
    table: pd.DataFrame
    """A row per agent, horizon and metric: agent, horizon, metric, mean, low, high. Metrics are regret, root_regret
    (regret / sqrt(horizon)), optimum_share (objective / optimum), violation and root_violation."""
    exponents: pd.DataFrame
    """A row per agent and growing metric: agent, metric, value, low, high of the power of the horizon that its mean
    grows with; empty for a single horizon."""

    def summary(self) -> dict[str, Any]:
        """Exponents and means with their intervals, ready for JSON: NaN is None."""
        return {
            "scenario": self.scenario.name,
            "agents": self.agents,
            "horizons": self.horizons,
            "seeds": self.seeds,
            "exponents": records(self.exponents),
            "table": records(self.table),
        }


def regret(
    scenario: Scenario,
    agents: Sequence[str],
    horizons: Sequence[int],
    *,
    seeds: int = 20,
    first_seed: int = 0,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Regret:
    """Let agents bid over periods of several lengths, for one campaign against posted prices or for a whole market.

    Budget and stock are in proportion to the length; all agents meet the same traffic. The regret of one campaign is
    against `adsim.experiments.regret.hindsight.optimum` on true expected values and costs; that of a market, all of
    whose campaigns bid by the agent, against `adsim.experiments.optimum.weighted_optimum`.

    Parameters
    ----------
    scenario : Scenario
        With one campaign, posted competition and one slot under second price; or without posted competition.
    agents : sequence of str
        As ``name:key=value``.
    horizons : sequence of int
        Numbers of opportunities.
    seeds, first_seed : int
        How many periods of each length, and the seed of the first.
    threads : int
        How many share the seeds; results do not depend on it.
    progress : callable, optional
        Called with the numbers of auctions done and to do.

    Raises
    ------
    AdsimError
        When a setting is impossible, or the scenario is another kind of market.
    """
    check_counts(seeds=seeds, threads=threads)
    world: Any = lone_bidder if scenario.competition is not None or scenario.size == 1 else whole_market
    if world is lone_bidder:
        lone_bidder.check(scenario)
    named, spans = list(dict.fromkeys(agents)), sorted(set(horizons))
    if not (named and spans):
        raise AdsimError("name one agent and one horizon at least.")
    for agent in named:
        registry.create("agents", *registry.parse(agent))
    numbers = list(range(first_seed, first_seed + seeds))
    total, done, rows = seeds * sum(spans) * len(named), 0, []
    for horizon in spans:
        market = scenario.over(horizon)
        best = world.optima(market, numbers, threads)
        for agent in named:
            found = world.rows(market, agent, numbers, best, threads)
            heads = [{"agent": agent, "horizon": horizon, "seed": seed} for seed in numbers]
            rows += [{**head, **row} for head, row in zip(heads, found, strict=True)]
            done += seeds * horizon
            if progress:
                progress(done, total)
    runs = pd.DataFrame(rows)
    return Regret(scenario, named, spans, numbers, runs, _means(runs), _exponents(runs))


def _means(runs: pd.DataFrame) -> pd.DataFrame:
    root = np.sqrt(runs["horizon"])
    measured = runs.assign(
        root_regret=runs["regret"] / root,
        optimum_share=runs["objective"] / runs["optimum"].where(runs["optimum"] > 0),
        root_violation=runs["violation"] / root,
    )
    return means(measured, ["agent", "horizon"], METRICS)


def _exponents(runs: pd.DataFrame) -> pd.DataFrame:
    rows = []
    if runs["horizon"].nunique() > 1:
        for agent, own in runs.groupby("agent", sort=False):
            for metric in GROWING:
                samples = own.pivot(index="seed", columns="horizon", values=metric)
                rows.append({"agent": agent, "metric": metric, **exponent(samples, samples.columns)._asdict()})
    return pd.DataFrame(rows, columns=COLUMNS)
