"""The compiled step: actions to multipliers, a tick of the market, then rewards and observations."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim.envs.features import Past, observe, plan, remember
from adsim.envs.score import score, violation
from adsim.kernels.jit import inline, jit
from adsim.kernels.settlement import CONVERSIONS, SPEND, VALUE, units_sold
from adsim.market.fleet import play
from adsim.types import Floats


class Seats(NamedTuple):
    """The W controlled campaigns of E markets; arrays (E, W) unless said."""

    campaign: NDArray[np.int64]
    """(W,)"""
    reference: Floats
    """Multiplier of level 0."""
    log_span: float
    """Logarithm of the multiplier of level 1 over the reference."""
    action: Floats
    """Change of the level; within [-1, 1]."""
    level: Floats
    """Logarithm of the multiplier over the reference, over that of the span; within [-1, 1]."""
    past: Past
    observation: NDArray[np.float32]
    """(E, W, F)"""
    reward: Floats
    cost: Floats
    score: Floats
    """So far: what the return would be if the period ended now."""
    out: NDArray[np.bool_]
    """Whether a campaign has left, its money or stock gone."""


@inline
def settle_seat(seats, fleet, finished, e, w, n):
    """Reward of the tick just played, and once a campaign is out or the period over, what makes the return its score.

    The correction comes once: from then on a campaign that is out neither earns nor pays.
    """
    ledger, gains, constraints = fleet.accounts.ledger[e, n], fleet.last[e, n], fleet.constraints
    target, stock = constraints.target_roi[e, n], constraints.stock[e, n]
    maximizes = constraints.maximizes_value[e, n]
    value, spend = ledger[VALUE], ledger[SPEND]
    sold = units_sold(ledger[CONVERSIONS], value, constraints.stock_unit[e, n])
    seats.score[e, w] = score(value, spend, sold, target, stock, maximizes)
    reward = gains[VALUE] if maximizes else gains[VALUE] - gains[SPEND]
    cost = 0.0
    left = fleet.cap[e, n] < 0
    if (left or finished) and not seats.out[e, w]:
        reward += seats.score[e, w] - (value if maximizes else value - spend)
        cost = violation(value, spend, sold, target, stock)
    seats.reward[e, w] = reward
    seats.cost[e, w] = cost
    seats.out[e, w] = left


@inline
def steer(seats, fleet, share, e, w):
    """Move the multiplier by the action, and note what an even pace would spend of the tick's ``share``."""
    n = seats.campaign[w]
    level = min(max(seats.level[e, w] + seats.action[e, w], -1.0), 1.0)
    seats.level[e, w] = level
    fleet.multiplier[e, n] = seats.reference[e, w] * np.exp(seats.log_span * level)
    plan(seats.past, fleet.accounts, share, e, w, n)


@inline
def show(seats, terms, fleet, tick, e, w):
    """Remember the tick just played, reward it, and observe what comes next."""
    n = seats.campaign[w]
    opportunities = fleet.bounds[e, tick + 1] - fleet.bounds[e, tick]
    level, beaten = seats.level[e, w], fleet.score_to_beat[e, n]
    remember(seats.past, fleet.last[e, n], beaten, fleet.offered[e, n], opportunities, level, tick, e, w)
    settle_seat(seats, fleet, tick + 1 == terms.share_of_rest.size, e, w, n)
    observe(seats.past, terms, fleet, seats.reference[e, w], tick + 1, e, w, n, seats.observation[e, w])


@jit
def step(terms, fleet, room, events, tick, wrong, seats, start, stop):
    """One tick of markets ``start`` to ``stop``, see `adsim.market.markets.Markets.run_tick`."""
    for e in range(start, stop):
        for w in range(seats.campaign.size):
            steer(seats, fleet, terms.share_of_rest[tick], e, w)
        wrong[e] = play(terms, fleet, room, events, tick, e)
        for w in range(seats.campaign.size):
            show(seats, terms, fleet, tick, e, w)


@jit
def observe_all(terms, fleet, tick, seats):
    """Observations before a tick of all controlled campaigns."""
    for e in range(seats.reference.shape[0]):
        for w in range(seats.campaign.size):
            n = seats.campaign[w]
            observe(seats.past, terms, fleet, seats.reference[e, w], tick, e, w, n, seats.observation[e, w])
