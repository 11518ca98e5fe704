"""The value tables of campaigns that price every opportunity of a live market, from what they heard in it.

RLB (Cai et al., WSDM 2017, arXiv 1701.02490) knows prices from a log. Here they are learned in the market, in bins
4 % wide, and counted in whole units so that `HIGHEST` of them are the price below which `COVERED` of the
opportunities lie. The table is that of the budget and the opportunities left when a tick begins; a short one
suffices, since a compact table is extrapolated beyond its rows. All this is ours.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from adsim.agents.value_table import CELLS, CompactTable
from adsim.kernels.table_prices import BINS, COUNT, SUM, Pricers
from adsim.types import Floats, History

HIGHEST = 100
COVERED = 0.99
ROWS = 100
POINTS = 40
"""Room for the rows of a compact table that is made of so many."""


class Seat(NamedTuple):
    """A campaign that bids by a table."""

    campaign: int
    values: str
    """See `adsim.agents.value_table.ValueTable`."""
    sees_value: bool
    """See `adsim.agents.table_bidder.TableBidder`."""


def make_pricers(seats: Sequence[Seat], markets: int) -> Pricers:
    """Campaigns that have heard nothing; arrays (E, S, ...)."""
    shape = markets, len(seats)
    return Pricers(
        campaign=np.array([seat.campaign for seat in seats], np.int64),
        unit=np.zeros(shape),
        worth=np.zeros(shape),
        highest=np.full(shape, HIGHEST),
        points=np.zeros((*shape, POINTS)),
        gains=np.zeros((*shape, POINTS, CELLS)),
        prices=np.zeros((*shape, BINS, 2)),
        values=np.zeros((*shape, BINS, 2)),
    )


def renew(pricers: Pricers, seats: Sequence[Seat], budget_left: Floats, later: Sequence[int]) -> None:
    """Compute all tables anew.

    Parameters
    ----------
    pricers : Pricers
        Of all markets, see `make_pricers`.
    seats : sequence of Seat
    budget_left : array (E, N)
    later : sequence of int
        Opportunities of each market that are left.
    """
    for e, opportunities in enumerate(later):
        for s, seat in enumerate(seats):
            unit = _unit(pricers.prices[e, s])
            left = budget_left[e, seat.campaign] / unit if unit > 0 else 0.0
            if left < 1 or opportunities < 1 or not pricers.values[e, s, :, SUM].sum() > 0:
                continue
            history = _history(pricers.prices[e, s], pricers.values[e, s], unit)
            table = CompactTable(history, opportunities, int(left), ROWS, seat.values).table
            pricers.unit[e, s] = unit
            pricers.worth[e, s] = 0.0 if seat.sees_value else history.average_value
            pricers.points[e, s] = 0
            pricers.points[e, s, : table.points.size] = table.points
            pricers.gains[e, s, : table.points.size] = table.gains


def _unit(prices: Floats) -> float:
    """Money of a whole price; 0 where there are no prices above 0."""
    reached = prices[:, COUNT].cumsum()
    place = int(np.searchsorted(reached, COVERED * reached[-1]))
    return float(prices[place, SUM] / prices[place, COUNT]) / HIGHEST if prices[place, COUNT] > 0 else 0.0


def _history(prices: Floats, values: Floats, unit: float) -> History:
    """What the bins tell, in whole prices: a bin counts for the two around its mean, and each once more (Laplace)."""
    count, total = prices[prices[:, COUNT] > 0].T
    price = total / count / unit
    below = np.floor(price).astype(np.int64)
    shares = np.zeros(HIGHEST + 1)
    for place, weight in ((below, 1 - (price - below)), (below + 1, price - below)):
        held = place <= HIGHEST
        shares += np.bincount(place[held], (weight * count)[held], HIGHEST + 1)
    seen, worth = values[values[:, COUNT] > 0].T
    return History(
        average_value=float(worth.sum() / seen.sum()),
        cost_per_conversion=np.nan,
        price_share=(shares + 1) / (count.sum() + HIGHEST + 1),
        value_share=np.array([worth / seen, seen / seen.sum()]),
    )
