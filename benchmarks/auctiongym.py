"""AuctionGym's world with true rates and truthful bids: `Market.run` and the study, against an object per auction."""

import numpy as np

import adsim
from adsim.experiments.auctiongym.game import Game
from benchmarks.rivals import ObjectAuction
from benchmarks.timing import best

OPPORTUNITIES = 400_000
OBJECTS = 2_000
"""Auctions of the slow rival."""


def rows() -> list[list[str]]:
    """A row per number of participants."""
    table = []
    for participants in (2, 6):
        scenario = adsim.load_scenario("auctiongym").replace(
            {"traffic.participants": participants, "market.opportunities": OPPORTUNITIES}
        )
        market = adsim.Market(scenario, seed=0)
        compiled = best(market.run) / OPPORTUNITIES
        game = Game(scenario, "second_price", "oracle", "truthful", 0)
        rounds = best(lambda: game.play(10_000)) / 10_000
        auction = ObjectAuction(game.rounds.weights, game.rounds.value, participants, np.random.default_rng(0))
        objects = best(lambda: [auction.sell() for _ in range(OBJECTS)]) / OBJECTS
        speeds = [f"{1e-6 / seconds:.2f}" for seconds in (compiled, rounds)]
        table.append(
            [
                f"{participants}",
                *speeds,
                f"{1 / objects:,.0f}",
                f"{objects / compiled:.0f}x",
                f"{objects / rounds:.0f}x",
            ]
        )
    return table


HEADER = [
    "participants of 6",
    "Market.run, M auctions/s",
    "study with regrets, M/s",
    "objects, auctions/s",
    "market against objects",
    "study against objects",
]
