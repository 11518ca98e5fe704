"""The marketplace: one period of a scenario, tick by tick."""

from collections.abc import Callable

import numpy as np

from adsim.errors import AgentError
from adsim.market.campaigns import Campaigns
from adsim.market.markets import FIELDS, Markets, make_events
from adsim.market.result import Result
from adsim.market.reveal import hindsight
from adsim.market.scenario import Scenario
from adsim.market.tally import COLUMNS
from adsim.types import Constraints, Floats, Hindsight


class Market:
    """A market drawn from a scenario and a seed.

    Parameters
    ----------
    scenario : Scenario
        From `adsim.load_scenario`.
    seed : int
        From 0 to 2**63 - 1. One seed gives the same bits whatever the number of threads or processes, and the same
        users, clicks and prices whatever the mechanism and the agents.
    window : int
        The most auctions that are cleared at once; changes the speed only, 1 being the plain sequential market.

    Raises
    ------
    ScenarioError
        When the drawn campaigns are impossible.
    AgentError
        When an agent lacks what it needs.
    """

    def __init__(self, scenario: Scenario, seed: int = 0, *, window: int = 512) -> None:
        self.scenario, self.seed, self._window = scenario, seed, window
        self._markets = Markets(scenario, [seed], window=window)
        several = self._markets.campaigns
        self.campaigns: Campaigns = several._replace(
            constraints=Constraints._make(row[0] for row in several.constraints)
        )
        """Constraints of shape (N,)."""
        self.traffic_share = self._markets.traffic_share

    def run(
        self,
        *,
        multipliers: Floats | None = None,
        events: bool = False,
        progress: Callable[[], None] | None = None,
    ) -> Result:
        """Run one period.

        Parameters
        ----------
        multipliers : array (ticks, N), optional
            Bid with these in place of the agents' own: what a campaign would have got with other bids, say.
        events : bool
            Keep a record of every slot sold; 44 bytes a slot.
        progress : callable
            Called after every tick.

        Returns
        -------
        Result

        Raises
        ------
        AgentError
            When a campaign lacks what its agent needs, or an agent sets a multiplier that no auction can clear.
        """
        scenario = self.scenario
        size, ticks = scenario.size, scenario.market.ticks
        markets = self._markets if multipliers is None else self._bid_from_outside()
        markets.open()
        for agent in markets.privileged:
            agent.reveal(self.hindsight())
        record = make_events(scenario.market.opportunities if events else 0, len(scenario.auction.slot_exposure))
        history = np.zeros((ticks + 1, size, FIELDS))
        to_beat = np.zeros((ticks, size))
        bids = np.zeros((ticks, size)) if multipliers is None else np.array(multipliers, np.float64)
        if bids.shape != (ticks, size):
            raise AgentError(f"multipliers have shape {bids.shape}: must be {(ticks, size)}, (ticks, campaigns).")
        for tick in range(ticks):
            if multipliers is not None:
                markets.fleet.multiplier[0] = bids[tick]
            markets.run_tick(record)
            bids[tick] = markets.fleet.multiplier[0]
            history[tick + 1] = markets.fleet.accounts.ledger[0]
            to_beat[tick] = markets.fleet.score_to_beat[0]
            if progress:
                progress()
        accounts = markets.fleet.accounts
        left = accounts.budget_left[0], accounts.stock_left[0]
        kept = record if events else None
        features = markets.features
        tallies = features.tallies[0] if features else np.zeros((0, len(COLUMNS)))
        return Result(scenario, self.campaigns, self.traffic_share, history, left, bids, to_beat, kept, tallies)

    def _bid_from_outside(self) -> Markets:
        """The same market without agents."""
        return Markets(
            self.scenario, [self.seed], agents=dict.fromkeys(range(self.scenario.size)), window=self._window
        )

    def hindsight(self) -> Hindsight:
        """The whole period's truth for one campaign against posted prices."""
        markets = self._bid_from_outside()
        markets.open()
        return hindsight(markets)
