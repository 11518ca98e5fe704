"""The compiled tick: tile by tile, draw the traffic, clear the auctions, settle in order.

Budgets are exact and sequential at the speed of tiles by speculation: a window of auctions is cleared as if no
campaign changed, then booked in order; where booking changes what a campaign may bid later in the window, the
rest is cleared again. The result is that of clearing one auction at a time, bit for bit, whatever the windows.
"""

from adsim.kernels.jit import jit
from adsim.kernels.landscape import listen
from adsim.kernels.settlement import settle
from adsim.kernels.table_prices import hear, price_by_table
from adsim.kernels.tiles import total
from adsim.market.pacing import pace
from adsim.market.world import fill_tile
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
    auctions end the window before they do; those that price every opportunity decide after each.
    """
    size, every = truth.ctr.shape[1], pacing.every
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
            if pacing.pricers.campaign.size > 0:
                price_by_table(pacing.pricers, candidates, pacing.seen, pacing.memory, origin + start, start)
            clear_tile(mechanism, candidates, rule, ranking, origin, start, stop)
            start = settle(accounts, candidates, ranking, rule, truth, scratch.bound, events, origin, start, stop)
            if pacing.listeners.size > 0:
                listen(pacing.listeners, ranking, candidates, rule, pacing.seen.landscape, begin, start)
            if pacing.pricers.campaign.size > 0:
                hear(pacing.pricers, ranking, candidates, rule, begin, start)
            if every > 0 and (origin + start) % every == 0:
                pace(pacing, candidates.multiplier, origin + start)
            span = min(2 * span, window) if start == stop else max(span // 2, min(SMALLEST_WINDOW, window))
