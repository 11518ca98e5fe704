"""Regret of one bidder against posted prices: its optima, and what an agent made of the same periods."""

from contextlib import closing
from typing import Any

import joblib
import numpy as np

from adsim import registry
from adsim.errors import AdsimError
from adsim.experiments.regret.hindsight import Optimum, optimum
from adsim.experiments.regret.period import play
from adsim.market.markets import Markets
from adsim.market.reveal import check_alone, hindsight
from adsim.market.scenario import Scenario
from adsim.types import Constraints, Totals


def check(scenario: Scenario) -> None:
    """Refuse markets whose optimum is not known.

    Raises
    ------
    AdsimError
        Naming what does not fit.
    """
    check_alone(scenario)
    if scenario.campaigns[0].stock or scenario.campaigns[0].relative_stock:
        raise AdsimError(f"scenario '{scenario.name}': the optimum knows budgets and target ROI, but no stock.")


def optima(market: Scenario, seeds: list[int], threads: int) -> list[Optimum]:
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


def rows(market: Scenario, agent: str, seeds: list[int], best: list[Optimum], threads: int) -> list[dict[str, Any]]:
    """For each seed, what is in `Regret.runs` from the optimum on; an oracle is shown one period at a time."""
    privileged = registry.load("agents", registry.parse(agent)[0]).privileged
    together = [[seed] for seed in seeds] if privileged else [seeds]
    found: list[dict[str, Any]] = []
    for some in together:
        with closing(Markets(market, some, agents={0: agent}, threads=min(threads, len(some)))) as markets:
            play(markets, agent)
            found += [_row(markets, e, best[len(found) + e]) for e in range(len(some))]
    return found


def _constraints(markets: Markets, e: int) -> Constraints:
    return Constraints._make(field[e, 0] for field in markets.campaigns.constraints)


def _row(markets: Markets, e: int, best: Optimum) -> dict[str, Any]:
    own, totals = _constraints(markets, e), Totals._make(markets.fleet.accounts.ledger[e, 0])
    value, spend = float(totals.value), float(totals.spend)
    objective = value if own.maximizes_value else value - spend
    return {
        "optimum": best.objective,
        "objective": objective,
        "value": value,
        "spend": spend,
        "regret": best.objective - objective,
        "violation": max(float(own.target_roi) * spend - value, spend - float(own.budget), 0.0),
        "multiplier": float(markets.fleet.multiplier[e, 0]),
    }
