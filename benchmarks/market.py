"""`Market.run` with exact budgets against the same market in vectorised numpy."""

import numpy as np

import adsim
from adsim.market.scenario import Scenario
from benchmarks.rivals import NumpyMarket
from benchmarks.timing import best

OPPORTUNITIES = {8: 400_000, 48: 200_000, 512: 20_000}


def scenario_of(campaigns: int, slots: int) -> Scenario:
    """`target_cpa` with another number of campaigns and slots, its budgets binding for many."""
    count = OPPORTUNITIES[campaigns]
    budget = 300.0 * count / 200_000 * 48 / campaigns
    return adsim.load_scenario("target_cpa").replace(
        {
            "market.opportunities": count,
            "traffic.curve": "flat",
            "auction.exposure": tuple(0.8**k for k in range(slots)),
            "campaigns.0.count": campaigns,
            "campaigns.0.budget": {"distribution": "uniform", "low": 0.5 * budget, "high": 1.5 * budget},
        }
    )


def rows(bandwidth: float) -> list[list[str]]:
    """A row per number of campaigns and slots: contextual traffic, predictions with errors, sampled outcomes."""
    table = []
    for campaigns, count in OPPORTUNITIES.items():
        for slots in (1, 3):
            market = adsim.Market(scenario_of(campaigns, slots), seed=0)
            multipliers = np.tile(market.run().multipliers.mean(axis=0), (market.scenario.market.ticks, 1)) * 1.2
            result = market.run(multipliers=multipliers)
            exhausted = int((result.campaigns.utilisation > 0.999).sum())
            ours = best(lambda: market.run()) / count
            constraints = market.campaigns.constraints
            rival = NumpyMarket(market.scenario, multipliers, constraints.budget, constraints.value_per_conversion)
            budget = constraints.budget

            def run_rival(rival: NumpyMarket = rival, budget: object = budget) -> None:
                rival.left[:] = budget  # type: ignore[call-overload]
                rival.run()

            theirs = best(run_rival, least=1) / count
            table.append(
                [
                    f"{campaigns}",
                    f"{slots}",
                    f"{1e-6 / ours:.2f}",
                    f"{1e9 * ours:.0f}",
                    f"{exhausted}",
                    f"{1e-6 / theirs:.3f}",
                    f"{theirs / ours:.0f}x",
                ]
            )
    return table


HEADER = ["campaigns", "slots", "M auctions/s", "ns/auction", "run out", "numpy M/s", "ratio"]
