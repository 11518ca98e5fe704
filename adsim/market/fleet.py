"""The state of several markets side by side, and the compiled tick that one of them plays."""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim.agents.dispatch import Groups, decide_group
from adsim.agents.rule import Seen
from adsim.kernels.auction import Candidates, Ranking, Rule
from adsim.kernels.jit import inline, jit
from adsim.kernels.settlement import Accounts
from adsim.kernels.table_prices import Pricers
from adsim.market.loop import run_tick
from adsim.market.pacing import Pacing
from adsim.market.world import CONTEXTUAL, FORECAST, LAID, Scratch, Singles, Truth, World, world_of
from adsim.mechanisms.clear import numbered, recompile
from adsim.mechanisms.dispatch import NUMBERS
from adsim.types import Constraints, Floats

LARGEST = 1e20
"""Multipliers stay below, so that bids are finite in float32."""


class Terms(NamedTuple):
    """What all markets of a fleet have in common."""

    mechanism: int
    negative_bids: bool
    window: int
    """The most auctions that are cleared at once."""
    varied_quality: bool
    share_of_rest: Floats
    """Expected share of each tick in the opportunities that are left at its beginning; (ticks,)."""
    rule: Rule
    groups: Groups
    every: int
    """See `Pacing`."""
    listeners: NDArray[np.int64]
    """See `Pacing`."""


class Fleet(NamedTuple):
    """E markets of N campaigns; M is N, or N + 1 with posted competition."""

    world: World
    bounds: NDArray[np.int64]
    """First opportunity of each tick, and the number of all; (E, ticks + 1)."""
    accounts: Accounts
    constraints: Constraints
    """(E, N)"""
    quality: Singles
    """(E, N)"""
    liquid_rate: Singles
    """1 / target ROI; (E, M)."""
    cap: Singles
    """See `Candidates`; (E, M)."""
    multiplier: Floats
    """Of the coming tick, and afterwards of the last one; (E, N)."""
    memory: Floats
    """Of compiled rules; (E, N, MEMORY)."""
    key: NDArray[np.uint64]
    """Of the random streams of compiled rules; (E, N)."""
    landscape: Floats
    """See `adsim.kernels.landscape`; (E, N, BINS, COLUMNS), or without rows where nobody listens."""
    pricers: Pricers
    """(E, S); ``campaign`` is the same in all."""
    last: Floats
    """The last tick's part of the ledger; (E, N, 8)."""
    latest: Floats
    """The part since a campaign's last decision, of rules that decide between auctions; (E, N, 8)."""
    booked: Floats
    """The ledger at that decision; (E, N, 8)."""
    score_to_beat: Floats
    """Mean over the last tick's opportunities, see `Observation`; (E, N)."""
    offered: Floats
    """Predicted value of all the last tick's opportunities; (E, N), kept for ``watched`` campaigns."""
    watched: NDArray[np.int64]
    """(W,)"""


class Room(NamedTuple):
    """One thread's arrays for one tile."""

    truth: Truth
    scratch: Scratch
    candidates: Candidates
    ranking: Ranking


@inline
def account_of(accounts, e):
    """The account of one of several markets."""
    return Accounts(
        accounts.ledger[e],
        accounts.budget[e],
        accounts.budget_left[e],
        accounts.stock_left[e],
        accounts.stock_unit[e],
        accounts.to_beat[e],
        accounts.liquid_rate[e],
        accounts.click_key[e],
        accounts.conversion_key[e],
        accounts.scan_key[e],
        accounts.exposure,
        accounts.charge_on,
        accounts.expected,
        accounts.pays_liquid_value,
        accounts.shown[e],
    )


@inline
def pricers_of(pricers, e):
    """Those of one of several markets."""
    return Pricers(
        pricers.campaign,
        pricers.unit[e],
        pricers.worth[e],
        pricers.highest[e],
        pricers.points[e],
        pricers.gains[e],
        pricers.prices[e],
        pricers.values[e],
    )


@inline
def seen_by(terms, fleet, tick, e, last):
    """What the rules of market ``e`` know before a tick; ``last`` are totals since the last decision."""
    own, accounts = fleet.constraints, fleet.accounts
    bounds = fleet.bounds[e]
    first = bounds[tick]
    return Seen(
        tick,
        terms.share_of_rest[tick],
        first,
        first - bounds[tick - 1] if tick > 0 else 0,
        bounds[bounds.size - 1],
        terms.negative_bids,
        own.value_per_conversion[e],
        own.maximizes_value[e],
        own.budget[e],
        own.target_roi[e],
        own.stock[e],
        own.stock_unit[e],
        last,
        accounts.ledger[e],
        fleet.score_to_beat[e],
        accounts.budget_left[e],
        accounts.stock_left[e],
        fleet.key[e],
        fleet.landscape[e],
    )


@inline
def decide(terms, fleet, tick, e):
    """Let the compiled rules set their campaigns' multipliers, those that decide between auctions their first."""
    groups, memory, multiplier = terms.groups, fleet.memory[e], fleet.multiplier[e]
    seen = seen_by(terms, fleet, tick, e, fleet.last[e])
    for g in range(groups.number.size):
        if tick == 0 or groups.every[g] == 0:
            decide_group(
                groups.number[g], seen, groups.parameters[g], memory, multiplier, groups.start[g], groups.stop[g]
            )


@inline
def first_unclearable(terms, multiplier):
    """The first campaign whose multiplier no auction can clear, -1 without one."""
    found = -1
    for n in range(multiplier.size):
        m = multiplier[n]
        fine = (np.abs(m) < LARGEST) & (terms.negative_bids | (m >= 0))
        if not fine and found < 0:
            found = n
    return found


@inline
def prepare(terms, fleet, room, columns, e):
    """Put what does not change from tile to tile into a room that other markets used before."""
    candidates, scratch, world = room.candidates, room.scratch, fleet.world
    multiplier, value, quality = fleet.multiplier[e], world.value[e], fleet.quality[e]
    size = multiplier.size
    sigma, _ = world.basket
    for n in range(size):
        candidates.multiplier[n] = multiplier[n]
    if world.source in (CONTEXTUAL, LAID, FORECAST) and sigma == 0:
        for n in range(size):
            scratch.bound[n] = value[n]
            room.truth.amount[n, :columns] = value[n]
    if terms.varied_quality:
        for n in range(size):
            candidates.quality[n, :columns] = quality[n]


@inline
def play(terms, fleet, room, events, tick, e):
    """Play one tick of market ``e``; returns what `sell` does."""
    decide(terms, fleet, tick, e)
    return sell(terms, fleet, room, events, tick, e)


@inline
def sell(terms, fleet, room, events, tick, e):
    """Sell one tick of market ``e`` at its multipliers; returns the first that cannot be cleared, else -1."""
    wrong = first_unclearable(terms, fleet.multiplier[e])
    first, last = fleet.bounds[e, tick], fleet.bounds[e, tick + 1]
    if wrong < 0:
        prepare(terms, fleet, room, min(room.truth.ctr.shape[1], last - first), e)
        accounts = account_of(fleet.accounts, e)
        ledger, gains, offered = accounts.ledger, fleet.last[e], fleet.offered[e]
        for n in range(ledger.shape[0]):
            offered[n] = 0
            for c in range(ledger.shape[1]):
                gains[n, c] = ledger[n, c]
        tile = room.candidates
        run_tick(
            terms.mechanism,
            world_of(fleet.world, e),
            room.truth,
            room.scratch,
            Candidates(
                tile.value,
                tile.rate,
                tile.quality,
                tile.experience,
                tile.liquid,
                tile.multiplier,
                fleet.cap[e],
                fleet.liquid_rate[e],
            ),
            terms.rule,
            room.ranking,
            accounts,
            events,
            fleet.watched,
            offered,
            Pacing(
                terms.every,
                terms.groups,
                seen_by(terms, fleet, tick, e, fleet.latest[e]),
                fleet.booked[e],
                fleet.memory[e],
                fleet.multiplier[e],
                terms.listeners,
                pricers_of(fleet.pricers, e),
            ),
            first,
            last,
            terms.window,
        )
        for n in range(ledger.shape[0]):
            for c in range(ledger.shape[1]):
                gains[n, c] = ledger[n, c] - gains[n, c]
        _beat(accounts.to_beat, last - first, fleet.score_to_beat[e])
    return wrong


@inline
def _beat(to_beat, opportunities, score_to_beat):
    """Mean score to beat of each campaign over a tick; the sums begin anew."""
    size = score_to_beat.size
    for n in range(size):
        score_to_beat[n] = (to_beat[n] + to_beat[size]) / opportunities if opportunities > 0 else np.nan
        to_beat[n] = 0
    to_beat[size] = 0


@jit
def play_all(terms, fleet, room, events, tick, wrong, start, stop):
    """Play one tick of markets ``start`` to ``stop``; ``wrong`` (E,) gets what `play` returns."""
    for e in range(start, stop):
        wrong[e] = play(terms, fleet, room, events, tick, e)


@jit
def lay_out(terms, fleet, room, e):
    """`prepare` a room for market ``e``."""
    prepare(terms, fleet, room, room.truth.ctr.shape[1], e)


@cache
def compile_for(mechanism: str, kernel: Any = play_all) -> Any:
    """A kernel around `play` or `sell`; a mechanism from elsewhere gets one compiled around its own rule."""
    if mechanism in NUMBERS:
        return kernel
    own = recompile(sell, run_tick=recompile(run_tick, clear_tile=numbered(mechanism)))
    return recompile(kernel, sell=own, play=recompile(play, sell=own))
