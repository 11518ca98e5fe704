"""The compiled tick: tile by tile, draw the traffic, clear the auctions, settle in order.

Budgets are exact and sequential at the speed of tiles by speculation: a window of auctions is cleared as if no
campaign changed, then booked in order; where booking changes what a campaign may bid later in the window, the
rest is cleared again. The result is that of clearing one auction at a time, bit for bit, whatever the windows.
"""

from functools import cache
from typing import Any

import numpy as np

from adsim.kernels.jit import jit
from adsim.kernels.settlement import CONVERSION, EXPOSURE, settle
from adsim.market.world import fill_tile
from adsim.mechanisms.clear import numbered, recompile
from adsim.mechanisms.dispatch import NUMBERS, clear_tile

SMALLEST_WINDOW = 16


@jit
def run_tick(mechanism, world, truth, scratch, candidates, rule, ranking, accounts, events, first, last, window):
    """Sell opportunities ``first`` to ``last``; ``window`` is the most that is cleared at once."""
    size = truth.ctr.shape[1]
    for origin in range(first, last, size):
        width = min(size, last - origin)
        fill_tile(world, truth, scratch, candidates, origin, width)
        start, span = 0, window
        while start < width:
            stop = min(start + span, width)
            clear_tile(mechanism, candidates, rule, ranking, origin, start, stop)
            start = settle(accounts, candidates, ranking, rule, truth, scratch.bound, events, origin, start, stop)
            span = min(2 * span, window) if start == stop else max(span // 2, min(SMALLEST_WINDOW, window))


@jit
def reveal_tick(world, truth, scratch, candidates, predicted, value, price, cost, first, last):
    """Write out what is in `Hindsight` of the first campaign's opportunities."""
    size = truth.ctr.shape[1]
    for origin in range(first, last, size):
        width = min(size, last - origin)
        fill_tile(world, truth, scratch, candidates, origin, width)
        for t in range(width):
            predicted[origin + t] = candidates.value[0, t]
            value[origin + t] = np.float64(truth.ctr[0, t]) * truth.cvr[0, t] * truth.amount[0, t]
            price[origin + t] = candidates.value[candidates.value.shape[0] - 1, t]
            cost[origin + t] = 1.0
            if world.charge_on != EXPOSURE:
                cost[origin + t] = np.float64(truth.ctr[0, t]) / candidates.rate[0, t]
            if world.charge_on == CONVERSION:
                cost[origin + t] *= truth.cvr[0, t]


@cache
def compile_for(mechanism: str) -> Any:
    """The tick for a mechanism; one from elsewhere gets a tick compiled around its own rule."""
    return run_tick if mechanism in NUMBERS else recompile(run_tick, clear_tile=numbered(mechanism))
