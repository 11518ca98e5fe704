"""A market's own traffic, to be compared with: the world of one seed and room for a tile of it."""

from typing import NamedTuple

from adsim.kernels.auction import Candidates
from adsim.kernels.settlement import Accounts
from adsim.market.fleet import account_of
from adsim.market.market import Market
from adsim.market.markets import Markets
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
