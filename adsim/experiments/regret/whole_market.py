"""Regret of a whole market whose campaigns all bid by one agent: what it falls short of the weighted optimum."""

from contextlib import closing
from typing import Any

import joblib
import numpy as np

from adsim.experiments.optimum.weighted_optimum import weighted_optimum
from adsim.experiments.regret.period import play
from adsim.market.markets import Markets
from adsim.market.metrics import liquid_value, units_sold
from adsim.market.scenario import Scenario
from adsim.types import Constraints, Totals


def optima(market: Scenario, seeds: list[int], threads: int) -> list[float]:
    """The best weighted objective of each seed, or an upper bound on it, see `weighted_optimum`."""
    parallel = joblib.Parallel(n_jobs=threads, require="sharedmem")
    return list(parallel(joblib.delayed(_bound)(market, seed) for seed in seeds))


def _bound(market: Scenario, seed: int) -> float:
    return weighted_optimum(market, seed).bound


def rows(market: Scenario, agent: str, seeds: list[int], best: list[float], threads: int) -> list[dict[str, Any]]:
    """For each seed, what is in `Regret.runs` from the optimum on."""
    places = [f"campaigns.{number}.agent" for number in range(len(market.campaigns))]
    variant = market.replace(dict.fromkeys(places, agent))
    with closing(Markets(variant, seeds, threads=min(threads, len(seeds)))) as markets:
        play(markets, agent)
        return [_row(markets, e, best[e]) for e in range(len(seeds))]


def _row(markets: Markets, e: int, best: float) -> dict[str, Any]:
    own = Constraints._make(field[e] for field in markets.campaigns.constraints)
    totals = Totals._make(markets.fleet.accounts.ledger[e].T)
    beta = markets.scenario.auction.beta
    objective = float(liquid_value(own, totals).sum() + beta * totals.experience.sum())
    short = np.maximum(own.target_roi * totals.spend - totals.value, 0)
    oversold = np.maximum(units_sold(own, totals) - own.stock, 0) * own.value_per_conversion
    return {
        "optimum": best,
        "objective": objective,
        "value": float(totals.value.sum()),
        "spend": float(totals.spend.sum()),
        "regret": best - objective,
        "violation": float((short + oversold).sum()),
        "multiplier": float("nan"),
    }
