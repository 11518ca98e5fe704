"""The truth about a period's traffic, written out: for hindsight optima and for oracles, never for other agents."""

from typing import NamedTuple

import numpy as np

from adsim import registry
from adsim.errors import AgentError
from adsim.kernels.jit import jit
from adsim.kernels.settlement import CONVERSION, EXPOSURE
from adsim.market.fleet import Room
from adsim.market.markets import Markets
from adsim.market.scenario import Scenario
from adsim.market.tally import COLUMNS, tally_candidates
from adsim.market.world import fill_tile, world_of
from adsim.types import Floats, Hindsight


class Pairs(NamedTuple):
    """What an exposure of each opportunity to each campaign brings, truly and in expectation; (T, N) each."""

    value: Floats
    conversions: Floats
    experience: Floats


def hindsight(markets: Markets, e: int = 0, room: Room | None = None) -> Hindsight:
    """The whole period's truth for the only campaign of market ``e`` against posted prices.

    Parameters
    ----------
    markets : Markets
        Opened.
    e : int
    room : Room, optional
        Of the calling thread; the first one unless given.

    Raises
    ------
    AgentError
        When the market has other campaigns, several slots, or prices that are not the posted ones.
    """
    scenario = markets.scenario
    check_alone(scenario)
    opportunities = scenario.market.opportunities
    predicted, value, price, events = (np.empty(opportunities) for _ in Hindsight._fields)
    tiles = markets.lay_out(e, room)[:3]
    for first, last in markets.laid_ranges():
        _reveal_alone(markets.world, *tiles, e, predicted, value, price, events, first, last)
    seen = float(scenario.auction.slot_exposure[0])
    price = np.maximum(price, markets.terms.rule.reserve)
    return Hindsight(predicted, value * seen, price, price * events * seen)


def check_alone(scenario: Scenario) -> None:
    """Complain of a market whose truth is not that of one campaign against posted prices.

    Raises
    ------
    AgentError
        As `hindsight`.
    """
    mechanism = registry.load("mechanisms", scenario.auction.mechanism)
    alone = scenario.size == 1 and scenario.competition is not None and len(scenario.auction.slot_exposure) == 1
    unscored = scenario.auction.beta == 0 and scenario.campaigns[0].quality.range() == (1.0, 1.0)
    if not (alone and unscored and mechanism.pays_next_score):
        raise AgentError(
            "the truth is shown in markets with one campaign, posted competition and one slot under second "
            "price, without quality or experience in the score."
        )


def true_pairs(markets: Markets, e: int = 0, room: Room | None = None) -> Pairs:
    """The truth about all pairs of opportunity and campaign of market ``e``."""
    shape = markets.scenario.market.opportunities, markets.scenario.size
    pairs = Pairs(*(np.empty(shape) for _ in Pairs._fields))
    tiles = markets.lay_out(e, room)[:3]
    for first, last in markets.laid_ranges():
        _reveal_pairs(markets.world, *tiles, e, pairs, first, last)
    return pairs


def true_values(markets: Markets, e: int = 0, room: Room | None = None) -> Floats:
    """True expected value of an exposure on each opportunity of market ``e`` to each campaign; (T, N)."""
    return true_pairs(markets, e, room).value


def prediction_tally(markets: Markets, e: int = 0, room: Room | None = None) -> Floats:
    """How good the predictions of a whole period are that do not learn, sums as in `adsim.market.tally`."""
    sums = np.zeros(len(COLUMNS))
    tiles = markets.lay_out(e, room)[:3]
    rows = np.empty((3, tiles[0].ctr.shape[1]), np.float32)
    for first, last in markets.laid_ranges():
        _tally_tiles(markets.world, *tiles, e, rows, sums, first, last)
    return sums


@jit
def _reveal_alone(worlds, truth, scratch, candidates, e, predicted, value, price, events, first, last):
    """What is in `Hindsight` of the first campaign, ``events`` being charged events per predicted one; (T,) each."""
    world = world_of(worlds, e)
    size = truth.ctr.shape[1]
    for origin in range(first, last, size):
        width = min(size, last - origin)
        fill_tile(world, truth, scratch, candidates, origin, width)
        for t in range(width):
            predicted[origin + t] = candidates.value[0, t]
            value[origin + t] = np.float64(truth.ctr[0, t]) * truth.cvr[0, t] * truth.amount[0, t]
            price[origin + t] = candidates.value[candidates.value.shape[0] - 1, t]
            events[origin + t] = 1.0
            if world.charge_on != EXPOSURE:
                events[origin + t] = np.float64(truth.ctr[0, t]) / candidates.rate[0, t]
            if world.charge_on == CONVERSION:
                events[origin + t] *= truth.cvr[0, t]


@jit
def _reveal_pairs(worlds, truth, scratch, candidates, e, pairs, first, last):
    """What is in `Pairs`."""
    world = world_of(worlds, e)
    size = truth.ctr.shape[1]
    for origin in range(first, last, size):
        width = min(size, last - origin)
        fill_tile(world, truth, scratch, candidates, origin, width)
        for n in range(pairs.value.shape[1]):
            for t in range(width):
                conversions = np.float64(truth.ctr[n, t]) * truth.cvr[n, t]
                pairs.value[origin + t, n] = conversions * truth.amount[n, t]
                pairs.conversions[origin + t, n] = conversions
                pairs.experience[origin + t, n] = candidates.experience[n, t]


@jit
def _tally_tiles(worlds, truth, scratch, candidates, e, rows, sums, first, last):
    """Sum up how good predictions are, tile by tile."""
    world = world_of(worlds, e)
    size = truth.ctr.shape[1]
    for origin in range(first, last, size):
        width = min(size, last - origin)
        fill_tile(world, truth, scratch, candidates, origin, width)
        tally_candidates(truth.ctr, scratch.pctr, world.value.size, width, rows, sums)
