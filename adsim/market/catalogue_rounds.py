"""A market of catalogues laid open, opportunity by opportunity: for studies whose advertisers choose their own ads.

Contexts, participants and clicks are those that `adsim.Market` draws from the same scenario and seed.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim.errors import ScenarioError
from adsim.kernels.catalogue import draw_clicks, draw_features, take_part
from adsim.kernels.counter import fill_streams
from adsim.market.catalogue import CatalogueTraffic, draw_ads
from adsim.market.markets import check_seeds
from adsim.market.scenario import Scenario
from adsim.market.supply import Seeds, draw_traits
from adsim.market.world import Stream
from adsim.types import Floats


class Opportunities(NamedTuple):
    """T opportunities, for P campaigns each."""

    context: Floats
    """Features and a final 1; (T, D + 1)."""
    participants: NDArray[np.int64]
    """In increasing order; (T, P)."""


class Rounds:
    """The opportunities of one market.

    Parameters
    ----------
    scenario : Scenario
        With a catalogue as source of its traffic.
    seed : int
        Of the market.

    Raises
    ------
    ScenarioError
        When the scenario has other traffic, or the seed is none.
    """

    def __init__(self, scenario: Scenario, seed: int) -> None:
        table = scenario.traffic
        if not isinstance(table, CatalogueTraffic):
            raise ScenarioError(f"scenario '{scenario.name}': traffic.source must be catalogue, as in auctiongym.")
        seeds = Seeds(check_seeds([seed]))
        ads = draw_ads(table, scenario.size, seeds)
        self.weights = np.concatenate([ads.embedding[0], ads.intercept[0][..., None]], axis=2)
        """True coefficients of each ad's click logit, intercept last; (N, I, D + 1)."""
        self.value = ads.value[0] * draw_traits(scenario, seeds).value[0][:, None]
        """Of a click on each ad; (N, I)."""
        self.seats = table.seats(scenario.size)
        self._spread, self._keys = table.spread, seeds.streams(0, Stream.COUNT)[0]
        self._seat_keys = np.empty((1, scenario.size), np.uint64)
        fill_streams(self._keys[[Stream.AMOUNT]], 0, self._seat_keys)
        self._click_keys = np.empty((1, scenario.size), np.uint64)
        fill_streams(self._keys[[Stream.CLICKS]], 0, self._click_keys)

    @property
    def size(self) -> int:
        """Number of campaigns."""
        return len(self.value)

    def opportunities(self, first: int, count: int) -> Opportunities:
        """Those numbered from ``first``."""
        features = np.empty((self.weights.shape[2] - 1, count), np.float32)
        draw_features(self._keys[Stream.CONTEXT], first, np.float32(self._spread), features, count)
        left, here = np.full(count, self.seats, np.float32), np.empty((self.size, count), np.float32)
        for n in range(self.size):
            take_part(self._seat_keys[0, n], first, self.size - n, left, here[n], count)
        context = np.column_stack([features.T, np.ones(count)])
        return Opportunities(context, np.nonzero(here.T)[1].reshape(count, self.seats))

    def clicks(self, first: int, winner: NDArray[np.int64], rate: Floats) -> NDArray[np.bool_]:
        """Whether the winners' ads, clicked at given rates, are clicked on opportunities from ``first``; (T,)."""
        clicked = np.empty(winner.size, np.bool_)
        draw_clicks(self._click_keys[0], first, winner, rate, clicked)
        return clicked
