"""What every campaign bid on every opportunity of a tick, told after it was played: for logs."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim.kernels.forecasts import draw_uncertainties
from adsim.kernels.jit import jit
from adsim.kernels.settlement import Events, cap_of
from adsim.market.markets import Markets
from adsim.market.world import CTR, FORECAST, fill_tile, world_of
from adsim.types import Floats


class TickBids(NamedTuple):
    """A tick of T opportunities and N campaigns."""

    value: NDArray[np.float32]
    """Predicted value of an exposure; (T, N)."""
    bid: NDArray[np.float32]
    """Money per exposure, as the market ranked it; 0 once a campaign has left; (T, N)."""
    least: NDArray[np.float32]
    """The highest bid that won no slot, at least the reserve; (T,)."""
    budget_left: Floats
    """At the beginning of the tick; (N,)."""


def play_tick(markets: Markets, events: Events) -> TickBids:
    """Play one tick of the first market, and tell its bids.

    Bids are multiplier x predicted value, capped by what was left when their opportunity came: the cap is lowered by
    what the record says was charged, as the market lowers it.

    Parameters
    ----------
    markets : Markets
        Opened; it ranks by bid alone (``terms.rule.plain``), and multipliers do not change within a tick.
    events : Events
        A record of the whole period, which the tick is added to.
    """
    fleet, rule = markets.fleet, markets.terms.rule
    left, cap = fleet.accounts.budget_left[0].copy(), fleet.cap[0].copy()
    began = left.copy()
    first, last = fleet.bounds[0, markets.tick : markets.tick + 2].tolist()
    markets.run_tick(events)
    value, bid = np.empty((2, last - first, left.size), np.float32)
    least = np.empty(last - first, np.float32)
    best = np.empty(rule.slots + 1, np.float32)
    truth, scratch, candidates = markets.lay_out(0)[:3]
    books = fleet.accounts.budget[0], left, cap
    _tell(
        markets.world,
        truth,
        scratch,
        candidates,
        rule.reserve,
        *books,
        events,
        first,
        last,
        best,
        value,
        bid,
        least,
    )
    return TickBids(value, bid, least, began)


def prediction_sigma(markets: Markets, first: int, value: NDArray[np.float32]) -> NDArray[np.float32]:
    """Standard deviation of the true value of an exposure around the predicted one, in the first market.

    Zeros where the traffic does not tell how uncertain its predictions are.

    Parameters
    ----------
    markets : Markets
    first : int
        The first opportunity.
    value : ndarray of float32, shape (T, N)
        Predicted value.

    Returns
    -------
    ndarray of float32, shape (T, N)
    """
    world = markets.world
    relative = np.zeros(value.shape[::-1], np.float32)
    if world.source == FORECAST:
        draw_uncertainties(world.keys[0, CTR], first, world.forecast.uncertainty[0], relative, len(value))
    return relative.T * value


@jit
def _tell(
    worlds, truth, scratch, candidates, reserve, budget, left, cap, events, first, last, best, value, bid, least
):
    """Fill ``value``, ``bid`` (T, N) and ``least`` (T,); ``left`` and ``cap`` (N,) are moved to the tick's end."""
    world = world_of(worlds, 0)
    size = truth.ctr.shape[1]
    for origin in range(first, last, size):
        width = min(size, last - origin)
        fill_tile(world, truth, scratch, candidates, origin, width)
        for t in range(width):
            row = origin - first + t
            for k in range(best.size):
                best[k] = reserve
            for n in range(budget.size):
                value[row, n] = candidates.value[n, t]
                money = min(candidates.multiplier[n] * candidates.value[n, t], cap[n])
                bid[row, n] = money if cap[n] >= 0 else 0
                _insert(best, bid[row, n])
            least[row] = best[best.size - 1]
            for k in range(events.winner.shape[1]):
                n = events.winner[origin + t, k]
                charge = events.charge[origin + t, k]
                if n >= 0 and charge > 0:
                    left[n] -= charge
                    cap[n] = cap_of(left[n], budget[n])


@jit
def _insert(best, score):
    """Put a score among the best ones, (K + 1,), the highest first."""
    for k in range(best.size):
        if score > best[k]:
            best[k], score = score, best[k]
