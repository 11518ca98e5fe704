"""Campaigns of a live market that price every opportunity by a value table, and what they hear of the market.

A price is what `adsim.kernels.table_bids` bids, but with its fraction: prices of a market are not whole.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim.kernels.jit import inline, jit
from adsim.kernels.landscape import place_of, price_to_beat
from adsim.kernels.table_bids import compact_price
from adsim.types import Floats

OCTAVE = 16
"""Bins per factor of two."""
LOWEST = -40
"""The first bin begins at 2**LOWEST units of money, and holds what is lower."""
BINS = 64 * OCTAVE
COUNT, SUM = range(2)
"""Columns."""
LAST = 0
"""Memory of the rule: the multiplier that the last price amounts to; 0 before the first."""
HIGHEST = 1e9
"""Multiplier."""


class Pricers(NamedTuple):
    """S campaigns of one market with a table each, computed of what is left of the period when a tick begins."""

    campaign: NDArray[np.int64]
    """(S,)"""
    unit: Floats
    """Money of a whole price; 0 while there is no table; (S,)."""
    worth: Floats
    """What every opportunity is taken to be worth; 0 for its own predicted value; (S,)."""
    highest: NDArray[np.int64]
    """See `adsim.kernels.table_bids.Table`; (S,)."""
    points: Floats
    """See there; (S, R), zeros at the end."""
    gains: Floats
    """See there; (S, R, C)."""
    prices: Floats
    """Bids to beat of all opportunities so far; (S, BINS, 2)."""
    values: Floats
    """Their predicted values; (S, BINS, 2)."""


@jit
def price_by_table(pricers, candidates, seen, memory, opportunity, t):
    """Set the multipliers of the tile to those that bid the prices of one opportunity, and remember them."""
    later = seen.opportunities - opportunity - 1
    for s in range(pricers.campaign.size):
        n, unit = pricers.campaign[s], pricers.unit[s]
        value = np.float64(candidates.value[n, t])
        if unit > 0 and value > 0:
            worth = pricers.worth[s] if pricers.worth[s] > 0 else value
            left = seen.budget_left[n] / unit
            bid = unit * compact_price(pricers.points[s], pricers.gains[s], pricers.highest[s], later, left, worth)
            if not seen.maximizes_value[n]:
                bid = min(bid, worth)
            memory[n, LAST] = candidates.multiplier[n] = min(bid / value, HIGHEST)


@jit
def hear(pricers, ranking, candidates, rule, start, stop):
    """Enter auctions ``start`` to ``stop`` of a tile."""
    slots = rule.slots
    for s in range(pricers.campaign.size):
        n = pricers.campaign[s]
        for t in range(start, stop):
            place = place_of(ranking, slots, n, t)
            _enter(pricers.prices[s], price_to_beat(ranking, rule, place, slots - 1, t))
            _enter(pricers.values[s], np.float64(candidates.value[n, t]))


@inline
def _enter(bins, number):
    octaves = np.log2(max(number, 1e-30)) - LOWEST
    b = min(max(int(np.floor(octaves * OCTAVE)), 0), BINS - 1)
    bins[b, COUNT] += 1
    bins[b, SUM] += number
