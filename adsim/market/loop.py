"""The compiled tick: tile by tile, draw the traffic, clear the auctions, settle in order.

Budgets are exact and sequential at the speed of tiles by speculation: a window of auctions is cleared as if no
campaign changed, then booked in order; where booking changes what a campaign may bid later in the window, the
rest is cleared again. The result is that of clearing one auction at a time, bit for bit, whatever the windows.
"""

import numpy as np

from adsim.kernels.jit import jit
from adsim.kernels.landscape import listen
from adsim.kernels.settlement import CONVERSION, EXPOSURE, settle
from adsim.kernels.tiles import total
from adsim.market.pacing import pace
from adsim.market.world import fill_tile, world_of
from adsim.mechanisms.dispatch import clear_tile

SMALLEST_WINDOW = 16


@jit
def run_tick(
    mechanism,
    world,
    truth,
    scratch,
    candidates,
    rule,
    ranking,
    accounts,
    events,
    watched,
    offered,
    pacing,
    first,
    last,
    window,
):
    """Sell opportunities ``first`` to ``last``; ``window`` is the most that is cleared at once.

    ``offered`` (N,) gets what they were predicted to be worth to the ``watched`` campaigns. Rules that decide between
    auctions end the window before they do.
    """
    size, every = truth.ctr.shape[1], pacing.every
    floor = rule.reserve if rule.plain else rule.zero
    for origin in range(first, last, size):
        width = min(size, last - origin)
        fill_tile(world, truth, scratch, candidates, origin, width)
        for w in range(watched.size):
            offered[watched[w]] += total(candidates.value[watched[w]], width)
        start, span = 0, window
        while start < width:
            begin, stop = start, min(start + span, width)
            if every > 0:
                stop = min(stop, start + every - (origin + start) % every)
            clear_tile(mechanism, candidates, rule, ranking, origin, start, stop)
            start = settle(accounts, candidates, ranking, rule, truth, scratch.bound, events, origin, start, stop)
            if pacing.listeners.size > 0:
                listen(pacing.listeners, ranking, candidates, rule.slots, floor, pacing.seen.landscape, begin, start)
            if every > 0 and (origin + start) % every == 0:
                pace(pacing, candidates.multiplier, origin + start)
            span = min(2 * span, window) if start == stop else max(span // 2, min(SMALLEST_WINDOW, window))


@jit
def reveal_tick(worlds, truth, scratch, candidates, predicted, value, price, cost, first, last):
    """Write out what is in `Hindsight` of the first campaign's opportunities in the first market."""
    world = world_of(worlds, 0)
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
