"""What bidders for single opportunities are offered: opportunities drawn ahead, or those of a log.

What does not depend on bids (predictions, posted prices, whether a user would click and convert) is drawn for each
environment by the market's own tile kernels, and laid out lane by lane in blocks, so that a step reads one row of
lanes for each number.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim.kernels.counter import draw, uniform_double
from adsim.kernels.jit import inline, jit
from adsim.market.fleet import prepare
from adsim.market.world import fill_tile, world_of
from adsim.types import Floats

DEPTH = 64
"""Opportunities drawn ahead."""
OFFER_VALUE, OFFER_PCTR, POSTED, CLICKED, CONVERTED, AMOUNT, SHOWN, RATE, OFFER_EXPERIENCE = range(9)
"""Rows of an offer: predictions, the posted price, and what would follow a win. The last three seldom vary."""
OFFERS, VARYING = 9, 6

F = np.float32

Singles = NDArray[np.float32]


class Offers(NamedTuple):
    """Opportunities drawn ahead; G groups of up to LANES environments."""

    rows: Singles
    """(G, DEPTH, OFFERS, LANES)"""
    context: Singles
    """(G, DEPTH, LANES, DIMENSIONS), or without groups where users have no features."""


class Recorded(NamedTuple):
    """A log, and where in it each environment's episode begins."""

    value: Floats
    """Predicted click probability; (T,)."""
    price: NDArray[np.int64]
    click: NDArray[np.bool_]
    begin: NDArray[np.int64]
    """(E,)"""


@jit
def draw_offers(terms, fleet, room, offers, stage, all_vary, first, width):
    """Draw opportunities ``first`` to ``first + width`` of every environment; ``stage`` (8, OFFERS, DEPTH).

    Where not all rows of an offer vary, the last ones are left as they are.
    """
    size, lanes = fleet.cap.shape[0], offers.rows.shape[3]
    count = OFFERS if all_vary else VARYING
    expected = fleet.accounts.expected
    for e in range(size):
        prepare(terms, fleet, room, width, e)
        world, tile, truth, scratch = world_of(fleet.world, e), room.candidates, room.truth, room.scratch
        fill_tile(world, truth, scratch, tile, first, width)
        rows, accounts = stage[e % 8], fleet.accounts
        copy(tile.value[0], rows[OFFER_VALUE], width)
        copy(scratch.pctr[0], rows[OFFER_PCTR], width)
        copy(tile.value[1], rows[POSTED], width)
        copy(truth.amount[0], rows[AMOUNT], width)
        if expected:
            copy(truth.ctr[0], rows[CLICKED], width)
            copy(truth.cvr[0], rows[CONVERTED], width)
        else:
            _happens(accounts.click_key[e, 0], first, truth.ctr[0], rows[CLICKED], width)
            _happens(accounts.conversion_key[e, 0], first, truth.cvr[0], rows[CONVERTED], width)
        if all_vary:
            depth = 1.0 if expected else accounts.exposure[0]
            _is_seen(accounts.scan_key[e, 0], first, depth, rows[SHOWN], width)
            copy(tile.rate[0], rows[RATE], width)
            copy(tile.experience[0], rows[OFFER_EXPERIENCE], width)
        g, lane = e // lanes, e % lanes
        if e % 8 == 7 and lane >= 7:
            _lay_out_eight(stage, offers.rows[g], lane - 7, count, width)
        elif e % 8 == 7 or e == size - 1:
            for back in range(e % 8 + 1):
                other = e - back
                _lay_out(stage[other % 8], offers.rows[other // lanes], other % lanes, count, width)
        if offers.context.shape[0] > 0:
            _lay_out_context(scratch.context, offers.context[g], lane, width)


@jit
def copy(source, target, count):
    """Copy the first numbers of a row."""
    for i in range(np.uint64(count)):
        target[i] = source[i]


@jit
def _happens(key, first, rate, out, width):
    """1 where the opportunity's draw is below its rate, see `adsim.kernels.settlement`."""
    origin = np.uint64(first)
    for t in range(np.uint64(width)):
        out[t] = F(1) if uniform_double(draw(key, origin + t)) < np.float64(rate[t]) else F(0)


@jit
def _is_seen(key, first, exposure, out, width):
    origin = np.uint64(first)
    for t in range(np.uint64(width)):
        out[t] = F(1) if uniform_double(draw(key, origin + t)) < exposure else F(0)


@jit
def _lay_out(rows, block, lane, count, width):
    for f in range(count):
        row = rows[f]
        for t in range(width):
            block[t, f, lane] = row[t]


@jit
def _lay_out_eight(stage, block, lane, count, width):
    """Eight environments at a time: half a cache line of lanes."""
    for f in range(count):
        r0, r1, r2, r3 = stage[0, f], stage[1, f], stage[2, f], stage[3, f]
        r4, r5, r6, r7 = stage[4, f], stage[5, f], stage[6, f], stage[7, f]
        for t in range(np.uint64(width)):
            x0, x1, x2, x3 = r0[t], r1[t], r2[t], r3[t]
            x4, x5, x6, x7 = r4[t], r5[t], r6[t], r7[t]
            out = block[t, f]
            out[lane], out[lane + 1], out[lane + 2], out[lane + 3] = x0, x1, x2, x3
            out[lane + 4], out[lane + 5], out[lane + 6], out[lane + 7] = x4, x5, x6, x7


@jit
def _lay_out_context(context, block, lane, width):
    """The features of an opportunity's user side by side, within their bounds."""
    c0, c1, c2, c3 = context[0], context[1], context[2], context[3]
    c4, c5, c6, c7 = context[4], context[5], context[6], context[7]
    for t in range(np.uint64(width)):
        x0, x1, x2, x3 = _bounded(c0[t]), _bounded(c1[t]), _bounded(c2[t]), _bounded(c3[t])
        x4, x5, x6, x7 = _bounded(c4[t]), _bounded(c5[t]), _bounded(c6[t]), _bounded(c7[t])
        out = block[t, lane]
        out[0], out[1], out[2], out[3], out[4], out[5], out[6], out[7] = x0, x1, x2, x3, x4, x5, x6, x7


@inline
def _bounded(x):
    return min(max(x, F(-4)), F(4))
