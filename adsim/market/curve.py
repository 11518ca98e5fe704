"""The period's traffic over its ticks."""

import numpy as np
from numpy.typing import NDArray

from adsim.market.scenario import Scenario
from adsim.types import Floats


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
