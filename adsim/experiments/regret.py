"""Regret against the hindsight optimum, and constraint violation, over a grid of horizons."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import pandas as pd

from adsim import registry
from adsim.errors import AdsimError, AgentError
from adsim.experiments.hindsight import Optimum, optimum
from adsim.experiments.statistics import Estimate, Exponent, estimate, exponent
from adsim.logs.auctions import check_counts
from adsim.market.markets import Markets, make_events
from adsim.market.reveal import check_alone, hindsight
from adsim.market.scenario import Scenario
from adsim.types import Constraints, Totals

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
    knows everything), objective (value, or value - spend of a utility maximizer), value, spend, regret (optimum -
    objective), violation (what value falls short of target ROI * spend, or spend exceeds the budget), multiplier
    (the last)."""
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
            "exponents": _records(self.exponents),
            "table": _records(self.table),
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
    """Let agents bid for the only campaign of a market against posted prices, over periods of several lengths.

    Budget and stock are in proportion to the length. All agents meet the same traffic; the optimum is that of
    `adsim.experiments.hindsight.optimum` on true expected values and costs.

    Parameters
    ----------
    scenario : Scenario
        With one campaign, posted competition and one slot under second price.
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
    check_alone(scenario)
    if scenario.campaigns[0].stock or scenario.campaigns[0].relative_stock:
        raise AdsimError(f"scenario '{scenario.name}': the optimum knows budgets and target ROI, but no stock.")
    named, spans = list(dict.fromkeys(agents)), sorted(set(horizons))
    if not (named and spans):
        raise AdsimError("name one agent and one horizon at least.")
    for agent in named:
        registry.create("agents", *registry.parse(agent))
    numbers = list(range(first_seed, first_seed + seeds))
    total, done, rows = seeds * sum(spans) * len(named), 0, []
    for horizon in spans:
        market = scenario.over(horizon)
        best = _optima(market, numbers, threads)
        for agent in named:
            rows += _rows(market, agent, horizon, numbers, best, threads)
            done += seeds * horizon
            if progress:
                progress(done, total)
    runs = pd.DataFrame(rows)
    return Regret(scenario, named, spans, numbers, runs, _means(runs), _exponents(runs))


def _optima(market: Scenario, seeds: list[int], threads: int) -> list[Optimum]:
    """The hindsight optimum of each seed."""
    with closing(Markets(market, seeds, agents={0: None}, threads=threads)) as markets:
        markets.open()
        share = np.array_split(np.arange(len(seeds)), threads)

        def work(thread: int) -> list[Optimum]:
            return [_optimum(markets, int(e), thread) for e in share[thread]]

        parallel = joblib.Parallel(n_jobs=threads, require="sharedmem")
        return [best for part in parallel(joblib.delayed(work)(i) for i in range(threads)) for best in part]


def _optimum(markets: Markets, e: int, thread: int) -> Optimum:
    truth, own = hindsight(markets, e, markets.rooms[thread]), _constraints(markets, e)
    return optimum(
        truth.value,
        truth.cost,
        float(own.budget),
        float(own.target_roi),
        maximizes_value=bool(own.maximizes_value),
    )


def _rows(
    market: Scenario, agent: str, horizon: int, seeds: list[int], best: list[Optimum], threads: int
) -> list[dict[str, Any]]:
    """A row of `runs` for each seed; an oracle is shown one period at a time."""
    privileged = registry.load("agents", registry.parse(agent)[0]).privileged
    together = [[seed] for seed in seeds] if privileged else [seeds]
    rows: list[dict[str, Any]] = []
    for some in together:
        with closing(Markets(market, some, agents={0: agent}, threads=min(threads, len(some)))) as markets:
            _play(markets, agent)
            rows += [_row(agent, horizon, markets, e, best[len(rows) + e]) for e in range(len(some))]
    return rows


def _play(markets: Markets, agent: str) -> None:
    """Run the period in all markets."""
    try:
        markets.open()
        for oracle in markets.privileged:
            oracle.reveal(hindsight(markets))
        events = make_events(0, 1)
        for _ in range(markets.traffic_share.size):
            markets.run_tick(events)
    except AgentError as error:
        raise AgentError(f"{agent}: {error}") from None


def _constraints(markets: Markets, e: int) -> Constraints:
    return Constraints._make(field[e, 0] for field in markets.campaigns.constraints)


def _row(agent: str, horizon: int, markets: Markets, e: int, best: Optimum) -> dict[str, Any]:
    own, totals = _constraints(markets, e), Totals._make(markets.fleet.accounts.ledger[e, 0])
    value, spend = float(totals.value), float(totals.spend)
    objective = value if own.maximizes_value else value - spend
    return {
        "agent": agent,
        "horizon": horizon,
        "seed": int(markets.seeds[e]),
        "optimum": best.objective,
        "objective": objective,
        "value": value,
        "spend": spend,
        "regret": best.objective - objective,
        "violation": max(float(own.target_roi) * spend - value, spend - float(own.budget), 0.0),
        "multiplier": float(markets.fleet.multiplier[e, 0]),
    }


def _means(runs: pd.DataFrame) -> pd.DataFrame:
    root = np.sqrt(runs["horizon"])
    measured = runs.assign(
        root_regret=runs["regret"] / root,
        optimum_share=runs["objective"] / runs["optimum"].where(runs["optimum"] > 0),
        root_violation=runs["violation"] / root,
    )
    rows = [
        [*key, metric, *estimate(cell[metric])]
        for key, cell in measured.groupby(["agent", "horizon"], sort=False)
        for metric in METRICS
    ]
    return pd.DataFrame(rows, columns=["agent", "horizon", "metric", *Estimate._fields])


def _exponents(runs: pd.DataFrame) -> pd.DataFrame:
    rows = []
    if runs["horizon"].nunique() > 1:
        for agent, own in runs.groupby("agent", sort=False):
            for metric in GROWING:
                samples = own.pivot(index="seed", columns="horizon", values=metric)
                rows.append({"agent": agent, "metric": metric, **exponent(samples, samples.columns)._asdict()})
    return pd.DataFrame(rows, columns=COLUMNS)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]
