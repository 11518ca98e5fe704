"""The period's traffic over its ticks."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from adsim.market.forecast_traffic import ForecastTraffic
from adsim.market.scenario import Scenario
from adsim.types import Floats

if TYPE_CHECKING:
    from adsim.market.supply import Seeds


def traffic_share(scenario: Scenario) -> Floats:
    """Share of the period's opportunities in each tick, (ticks,).

    The day has a low at four in the morning and peaks before noon and at nine in the evening.
    """
    ticks = scenario.market.ticks
    curve = scenario.traffic.curve
    if curve == "flat":
        weights = np.ones(ticks)
    elif curve == "day":
        hour = (np.arange(ticks) + 0.5) * 24 / ticks
        morning = np.exp(-0.5 * ((hour - 11) / 3.5) ** 2)
        evening = np.exp(-0.5 * ((hour - 21) / 2.5) ** 2)
        weights = 0.25 + 0.9 * morning + 1.2 * evening
    else:
        weights = np.asarray(curve)
    return np.asarray(weights / weights.sum())


def tick_bounds(share: Floats, opportunities: int) -> NDArray[np.int64]:
    """First opportunity of each tick, and the number of all; (ticks + 1,)."""
    cumulated = np.concatenate([[0.0], np.cumsum(share)])
    bounds = np.rint(cumulated * opportunities).astype(np.int64)
    bounds[-1] = opportunities
    return bounds


def draw_bounds(scenario: Scenario, seeds: "Seeds") -> NDArray[np.int64]:
    """`tick_bounds` of each of E markets, whose traffic may stray from the curve; (E, ticks + 1)."""
    traffic, expected = scenario.traffic, traffic_share(scenario)
    share = np.tile(expected, (len(seeds), 1))
    if isinstance(traffic, ForecastTraffic):
        share = traffic.shares(expected, seeds)
    return np.stack([tick_bounds(row, scenario.market.opportunities) for row in share])
