"""The compiled step of seats whose campaigns are played by the market's own agents: what they do becomes actions."""

import numpy as np

from adsim.envs.stepping import show, steer
from adsim.kernels.jit import inline, jit
from adsim.market.fleet import decide, first_unclearable, sell


@inline
def aim(seats, multiplier, shift, clipped, tick, e, w):
    """Write the action, in float32 as environments take it, that comes nearest a multiplier ``shift`` levels away."""
    level = seats.level[e, w]
    wanted = -np.inf
    if multiplier > 0:
        wanted = np.log(multiplier / seats.reference[e, w]) / seats.log_span + shift
    bounded = min(max(wanted, -1.0), 1.0)
    action = min(max(bounded - level, -1.0), 1.0)
    clipped[e, w, tick] = bounded != wanted or action != bounded - level
    seats.action[e, w] = np.float32(action)


@jit
def follow(terms, fleet, room, events, tick, wrong, seats, shift, clipped, start, stop):
    """One tick of markets ``start`` to ``stop``, see `adsim.market.markets.Markets.run_tick`.

    The agents decide, each multiplier is moved by ``shift`` (E, W, ticks) levels, and the seats bid what an action
    can make of it, so that the same actions in `adsim.envs.stepping.step` give the same bits. ``clipped`` (E, W,
    ticks) says where an action cannot: where the level lies beyond [-1, 1], or more than 1 away from the last.
    """
    for e in range(start, stop):
        decide(terms, fleet, tick, e)
        wrong[e] = first_unclearable(terms, fleet.multiplier[e])
        if wrong[e] < 0:
            for w in range(seats.campaign.size):
                aim(seats, fleet.multiplier[e, seats.campaign[w]], shift[e, w, tick], clipped, tick, e, w)
                steer(seats, fleet, terms.share_of_rest[tick], e, w)
            wrong[e] = sell(terms, fleet, room, events, tick, e)
            for w in range(seats.campaign.size):
                show(seats, terms, fleet, tick, e, w)
