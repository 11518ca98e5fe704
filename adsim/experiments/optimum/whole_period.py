"""A whole period with constant multipliers, in expectation and without limits: what calibration and duals ask for."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from adsim.market.markets import Markets, make_events
from adsim.market.scenario import Scenario
from adsim.types import Constraints, Floats, Totals


class WholePeriod:
    """The traffic of one market, which can be sold again and again to other multipliers.

    Outcomes are taken in expectation, and neither budget nor stock ends a campaign's part in it: totals are those of
    all opportunities, whatever the order in which they come. A learned predictor is as its earlier log left it.

    Parameters
    ----------
    scenario : Scenario
        From `adsim.load_scenario`.
    seed : int
        As in `adsim.Market`: the same traffic.
    constraints : Constraints, optional
        What campaigns report, arrays (N,), in place of what the scenario draws.

    Raises
    ------
    ScenarioError
        When the drawn campaigns are impossible.
    """

    def __init__(self, scenario: Scenario, seed: int, constraints: Constraints | None = None) -> None:
        whole: dict[str, Any] = {"market.outcomes": "expected", "market.ticks": 1, "traffic.curve": "flat"}
        if scenario.predictor.learns:
            whole["learning.update"] = False
        self._markets = Markets(scenario.replace(whole), [seed], agents=dict.fromkeys(range(scenario.size)))
        drawn = self._markets.campaigns.constraints
        self.constraints = constraints or Constraints._make(row[0].copy() for row in drawn)
        """As reported, (N,)."""
        unlimited = np.full((1, scenario.size), np.inf)
        known = Constraints._make(np.asarray(field)[None] for field in self.constraints)
        self._markets.campaigns = self._markets.campaigns._replace(
            constraints=known._replace(budget=unlimited, stock=unlimited)
        )
        self._nothing = make_events(0, len(scenario.auction.slot_exposure))

    @property
    def names(self) -> list[str]:
        """Of the campaigns."""
        return self._markets.campaigns.names

    def totals(self, multiplier: Floats, leaving: NDArray[np.bool_] | None = None) -> Totals:
        """Sell all opportunities; what that brings, (N,) each.

        Parameters
        ----------
        multiplier : array (N,)
            Bids per unit of predicted value.
        leaving : array (N,), optional
            Campaigns that leave when their stock is sold, after all.
        """
        markets = self._markets
        markets.open()
        markets.fleet.multiplier[0] = multiplier
        if leaving is not None:
            markets.fleet.accounts.stock_left[0, leaving] = self.constraints.stock[leaving]
        markets.run_tick(self._nothing)
        return Totals(*markets.fleet.accounts.ledger[0].T.copy())
