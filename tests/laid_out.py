"""A market's own traffic, to be compared with: the world of one seed and room for a tile of it."""

from typing import NamedTuple

import numpy as np

from adsim.kernels.auction import Candidates
from adsim.kernels.settlement import Accounts
from adsim.market.fleet import account_of
from adsim.market.market import Market
from adsim.market.markets import Markets
from adsim.market.scenario import Scenario
from adsim.market.world import Scratch, Truth, World, fill_tile, world_of


class LaidOut(NamedTuple):
    """What `fill_tile` takes, and accounts of the beginning."""

    world: World
    truth: Truth
    scratch: Scratch
    candidates: Candidates
    accounts: Accounts

    def fill(self, first: int, width: int) -> None:
        """Draw opportunities ``first`` to ``first + width``."""
        fill_tile(self.world, self.truth, self.scratch, self.candidates, first, width)


def lay_out(market: Market) -> LaidOut:
    """The traffic of a market, whose agents are left out."""
    markets = Markets(market.scenario, [market.seed], agents=dict.fromkeys(range(market.scenario.size)))
    markets.open()
    room = markets.lay_out(0)
    world, accounts = world_of.py_func(markets.world, 0), account_of.py_func(markets.fleet.accounts, 0)
    return LaidOut(world, room.truth, room.scratch, room.candidates, accounts)


def amounts(scenario: Scenario, seed: int) -> np.ndarray:
    """Value of a conversion of every campaign on every opportunity; (T, N)."""
    traffic, count = lay_out(Market(scenario, seed)), scenario.market.opportunities
    found, width = np.empty((count, scenario.size)), traffic.truth.ctr.shape[1]
    for first in range(0, count, width):
        part = min(width, count - first)
        traffic.fill(first, part)
        found[first : first + part] = traffic.truth.amount[: scenario.size, :part].T
    return found
