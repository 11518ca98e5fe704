"""Any market's bids written down as an AuctionNet log, tick by tick."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from adsim.errors import ScenarioError
from adsim.kernels.settlement import Events
from adsim.logs.auctionnet import EXHAUSTED, LARGEST, write_log
from adsim.market.bids import TickBids, play_tick, prediction_sigma
from adsim.market.catalogue import CatalogueTraffic
from adsim.market.forecast_traffic import ForecastTraffic
from adsim.market.markets import Markets, make_events
from adsim.market.scenario import ContextualTraffic, IndependentTraffic, Scenario
from adsim.types import Floats

Progress = Callable[[int, int], None]


def record_auctionnet(scenario: Scenario, path: Path, seed: int = 0, progress: Progress | None = None) -> int:
    """Write one period of a market as an AuctionNet log; returns its number of opportunities.

    The period's number is the seed, an advertiser's that of its campaign; its category is that of the traffic, or
    else the number of the scenario's table in which the campaign stands. There is a row for each opportunity and
    campaign: 24 million for 500,000 and 48. Values, bids and prices of the market are float32: they are written as
    the shortest decimals that tell them apart.

    Parameters
    ----------
    scenario : Scenario
        Its auctions rank by bid alone and charge exposures; its campaigns have budgets and target CPAs (or ROIs).
    path : Path
        See `adsim.logs.auctionnet.write_log`.
    seed : int
        From 0 to 2**53.
    progress : callable, optional
        Called with the numbers of ticks written and to write.

    Raises
    ------
    ScenarioError
        When the market has what the log cannot say.
    OutputError
        When the file cannot be written.
    """
    check_loggable(scenario)
    if not 0 <= seed <= LARGEST:
        raise ScenarioError(f"seed = {seed!r}: must be a whole number from 0 to 2**53, to number a log's period.")
    markets = Markets(scenario, [seed])
    _check_markets(markets)
    markets.open()
    write_log(path, _frames(markets, seed, progress))
    return scenario.market.opportunities


def check_loggable(scenario: Scenario) -> None:
    """Complain of a scenario with what an AuctionNet log cannot say.

    Raises
    ------
    ScenarioError
        Naming it.
    """
    traffic, auction = scenario.traffic, scenario.auction
    basket = isinstance(traffic, ContextualTraffic) and traffic.basket > 0
    phases = scenario.phases is not None and scenario.phases.value is not None
    troubles = {
        "posted competing bids ([competition])": scenario.competition is not None,
        "conversions of varying value (traffic.basket)": basket,
        "conversions of varying value (phases.value)": phases,
        f"traffic without conversion rates (traffic.source = {traffic.source})": isinstance(
            traffic, IndependentTraffic | CatalogueTraffic
        ),
        f"charges for a {auction.charge} (auction.charge)": auction.charge != "exposure",
        "expected outcomes (market.outcomes)": scenario.market.outcomes == "expected",
        "auctions without a reserve, where bids of 0 compete (auction.reserve)": auction.reserve == 0,
        "a stock": any(table.has_stock for table in scenario.campaigns),
        "a campaign without a budget": any(table.budget is None for table in scenario.campaigns),
        "a campaign without target_cpa or target_roi": any(
            table.target_cpa is None and table.target_roi is None for table in scenario.campaigns
        ),
    }
    _complain(scenario, troubles)


def _check_markets(markets: Markets) -> None:
    """The same for what the drawn campaigns and the compiled auction tell."""
    scenario, terms = markets.scenario, markets.terms
    troubles = {
        "auctions that do not rank by bid alone (for mechanism "
        f"{scenario.auction.mechanism}, beta, quality or a learned predictor)": not terms.rule.plain,
        "agents that change their multipliers within a tick": terms.every > 0,
    }
    _complain(scenario, troubles)


def _complain(scenario: Scenario, troubles: dict[str, bool]) -> None:
    for trouble, found in troubles.items():
        if found:
            raise ScenarioError(
                f"scenario '{scenario.name}': an AuctionNet log cannot tell {trouble}. "
                "Change it (--set KEY=VALUE), or record another scenario, such as target_cpa."
            )


def _frames(markets: Markets, period: int, progress: Progress | None) -> Iterator[pd.DataFrame]:
    """The log of each tick."""
    scenario = markets.scenario
    events = make_events(scenario.market.opportunities, len(scenario.auction.slot_exposure))
    campaigns = _campaign_columns(markets, period)
    bounds, ticks = markets.fleet.bounds[0], scenario.market.ticks
    for tick in range(ticks):
        opportunities = np.arange(bounds[tick], bounds[tick + 1])
        bids = play_tick(markets, events)
        each = {**campaigns, "remainingBudget": bids.budget_left}
        each["isEnd"] = (bids.budget_left < EXHAUSTED) | (tick == ticks - 1)
        yield pd.DataFrame(
            {
                **{name: np.tile(values, opportunities.size) for name, values in each.items()},
                "timeStepIndex": np.full(bids.bid.size, tick),
                "pvIndex": np.repeat(opportunities, campaigns["budget"].size),
                **_bid_columns(markets, int(bounds[tick]), bids),
                **_outcome_columns(events, opportunities, bids.bid.shape),
            }
        )
        if progress:
            progress(tick + 1, ticks)


def _campaign_columns(markets: Markets, period: int) -> dict[str, NDArray[Any]]:
    """What does not change in a period; (N,) each."""
    constraints, size = markets.campaigns.constraints, markets.scenario.size
    return {
        "deliveryPeriodIndex": np.full(size, period),
        "advertiserNumber": np.arange(size),
        "advertiserCategoryIndex": _categories(markets.scenario),
        "budget": constraints.budget[0],
        "CPAConstraint": constraints.value_per_conversion[0] / constraints.target_roi[0],
    }


def _categories(scenario: Scenario) -> NDArray[np.int64]:
    """Those of the traffic, else the tables of the scenario; (N,)."""
    if isinstance(scenario.traffic, ForecastTraffic):
        return np.arange(scenario.size) * scenario.traffic.categories // scenario.size
    return np.repeat(np.arange(len(scenario.campaigns)), [table.count for table in scenario.campaigns])


def _bid_columns(markets: Markets, first: int, bids: TickBids) -> dict[str, Floats]:
    """Predictions and bids; (T * N,) each."""
    worth = markets.campaigns.constraints.value_per_conversion[0].astype(np.float32)
    return {
        "pValue": _shortest(bids.value / worth),
        "pValueSigma": _shortest(prediction_sigma(markets, first, bids.value) / worth),
        "bid": _shortest(bids.bid),
        "leastWinningCost": np.repeat(_shortest(bids.least), worth.size),
    }


def _outcome_columns(
    events: Events, opportunities: NDArray[np.int64], shape: tuple[int, ...]
) -> dict[str, NDArray[Any]]:
    """What came of the bids of some opportunities, in which each campaign won one slot at most; (T * N,) each."""
    winner = events.winner[opportunities]
    row, slot = np.nonzero(winner >= 0)
    place = row, winner[row, slot]
    price = _shortest(events.price[opportunities].astype(np.float32)).reshape(winner.shape)
    found = {
        "xi": (np.int64, np.ones(winner.shape)),
        "adSlot": (np.int64, np.broadcast_to(np.arange(1, winner.shape[1] + 1), winner.shape)),
        "cost": (np.float64, price),
        "isExposed": (np.int64, events.shown[opportunities]),
        "conversionAction": (np.int64, events.conversions[opportunities]),
    }
    columns = {}
    for name, (dtype, values) in found.items():
        column = np.zeros(shape, dtype)
        column[place] = values[row, slot]
        columns[name] = column.ravel()
    return columns


def _shortest(values: NDArray[np.float32]) -> Floats:
    """The shortest decimals that tell float32 numbers apart, as doubles: what a log's reader gets; flat.

    They keep order and equality, and as float32 they are the numbers again.
    """
    return np.asarray(pa.array(values.ravel()).cast(pa.string()).cast(pa.float64()))
