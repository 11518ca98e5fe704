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
    budget = 400.0 * count / 200_000 * 48 / campaigns * (1.6 if slots > 1 else 1.0)
    return adsim.load_scenario("target_cpa").replace(
        {
            "market.opportunities": count,
            "traffic.curve": "flat",
            "auction.exposure": tuple(0.8**k for k in range(slots)),
            "campaigns.0.count": campaigns,
            "campaigns.0.budget": {"distribution": "uniform", "low": 0.5 * budget, "high": 2.5 * budget},
        }
    )


def rows(bandwidth: float) -> list[list[str]]:
    """A row per number of campaigns and slots: contextual traffic, predictions with errors, sampled outcomes."""
    table = []
    for campaigns, count in OPPORTUNITIES.items():
        for slots in (1, 3):
            market = adsim.Market(scenario_of(campaigns, slots), seed=0)
            multipliers = np.tile(market.run().multipliers.mean(axis=0), (market.scenario.market.ticks, 1))
            exhausted = (market.run(multipliers=multipliers).campaigns.utilisation > 0.999).sum()
            ours = best(lambda: market.run(multipliers=multipliers)) / count
            constraints = market.campaigns.constraints
            given = market.scenario, multipliers, constraints.budget, constraints.value_per_conversion
            numpy_alone, auctionnet = (
                best(NumpyMarket(*given, scipy=kind).run, least=1) / count for kind in (False, True)
            )
            moved = 4 * campaigns * TILES
            table.append(
                [
                    f"{campaigns}",
                    f"{slots}",
                    f"{exhausted}",
                    f"{1e-6 / ours:.2f}",
                    f"{1e9 * ours:.0f}",
                    f"{moved}",
                    f"{moved / ours / bandwidth:.0%}",
                    f"{numpy_alone / ours:.0f}x",
                    f"{auctionnet / ours:.0f}x",
                ]
            )
    return table


TILES = 6
"""Numbers written per campaign and opportunity: two true rates, two predicted, value, noise."""
HEADER = [
    "campaigns",
    "slots",
    "run out",
    "M auctions/s",
    "ns/auction",
    "bytes/auction (in cache)",
    "of copy bandwidth",
    "best numpy",
    "AuctionNet's way",
]
