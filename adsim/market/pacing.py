"""Rules that decide between auctions: what they need of one market, and the moment at which they are asked."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim.agents.dispatch import Groups, decide_group
from adsim.agents.rule import Seen
from adsim.kernels.jit import inline
from adsim.kernels.table_prices import Pricers
from adsim.types import Floats


class Pacing(NamedTuple):
    """The compiled rules of one market of N campaigns, in the middle of a tick."""

    every: int
    """Opportunities after which somebody decides; 0 where all wait for the next tick."""
    groups: Groups
    seen: Seen
    """``last`` is filled by `pace`."""
    booked: Floats
    """The ledger at each campaign's last decision; (N, 8)."""
    memory: Floats
    """(N, MEMORY)"""
    multiplier: Floats
    """(N,)"""
    listeners: NDArray[np.int64]
    """Campaigns that listen for the bids to beat; (L,)."""
    pricers: Pricers


@inline
def at(seen, elapsed, step):
    """What is seen ``elapsed`` opportunities into the period, ``step`` after the last decision."""
    return Seen(
        seen.tick,
        seen.share,
        elapsed,
        step,
        seen.opportunities,
        seen.negative_bids,
        seen.value_per_conversion,
        seen.maximizes_value,
        seen.budget,
        seen.target_roi,
        seen.stock,
        seen.stock_unit,
        seen.last,
        seen.total,
        seen.to_beat,
        seen.budget_left,
        seen.stock_left,
        seen.key,
        seen.landscape,
    )


@inline
def pace(pacing, multipliers, elapsed):
    """Ask the rules whose turn it is after ``elapsed`` opportunities; ``multipliers`` are those of the tile."""
    groups, last, total, booked = pacing.groups, pacing.seen.last, pacing.seen.total, pacing.booked
    for g in range(groups.number.size):
        every, start, stop = groups.every[g], groups.start[g], groups.stop[g]
        if every > 0 and elapsed % every == 0:
            for n in range(start, stop):
                for c in range(total.shape[1]):
                    last[n, c] = total[n, c] - booked[n, c]
                    booked[n, c] = total[n, c]
            seen = at(pacing.seen, elapsed, every)
            decide_group(groups.number[g], seen, groups.parameters[g], pacing.memory, pacing.multiplier, start, stop)
            for n in range(start, stop):
                multipliers[n] = pacing.multiplier[n]
