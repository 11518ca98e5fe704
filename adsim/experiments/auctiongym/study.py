"""AuctionGym's questions: what competition, learned click rates and learned shading do to an auction.

O. Jeunen, S. Murphy & B. Allison, "Learning to bid with AuctionGym" (AdKDD 2022): advertisers bid for rounds of
auctions and learn between them.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import joblib
import pandas as pd

from adsim.errors import ScenarioError, UnknownName
from adsim.experiments.auctiongym.auction_regrets import METRICS
from adsim.experiments.auctiongym.game import BIDDERS, Game
from adsim.experiments.tables import means, records
from adsim.logs.auctions import check_counts
from adsim.market.scenario import Scenario

MECHANISMS = ("first_price", "second_price")
RATES = ("oracle", "learned")
SETTING = ["mechanism", "participants", "rates", "bidder"]


class Cell(NamedTuple):
    """What is played on its own."""

    scenario: Scenario
    mechanism: str
    rates: str
    bidder: str
    seed: int


class Study(NamedTuple):
    """What `auctiongym` found."""

    scenario: Scenario
    rounds: int
    """Auctions in an iteration."""
    seeds: list[int]
    runs: pd.DataFrame
    """A row per setting, seed and iteration; a column per metric, per auction."""
    table: pd.DataFrame
    """Means over seeds: a row per setting, iteration and metric, with the interval."""

    @property
    def iterations(self) -> int:
        """How often advertisers bid for a round."""
        return int(self.runs["iteration"].max()) + 1

    def varied(self) -> list[str]:
        """The parts of a setting of which there are several."""
        return [part for part in SETTING if self.runs[part].nunique() > 1]

    def summary(self) -> dict[str, Any]:
        """What there is to say, ready for JSON."""
        return {
            "scenario": self.scenario.name,
            "rounds": self.rounds,
            "seeds": self.seeds,
            "table": records(self.table),
        }


def auctiongym(
    scenario: Scenario,
    *,
    participants: Sequence[int] | None = None,
    mechanisms: Sequence[str] | None = None,
    bidders: Sequence[str] = ("truthful",),
    rates: Sequence[str] = ("oracle",),
    rounds: int = 10_000,
    iterations: int = 5,
    seeds: int = 5,
    first_seed: int = 0,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Study:
    """Let the advertisers of a catalogue market bid in all combinations of settings.

    Parameters
    ----------
    scenario : Scenario
        With a catalogue as source of its traffic, one slot, and campaigns without constraints.
    participants : sequence of int, optional
        How many advertisers compete in an auction; the scenario's number unless given.
    mechanisms : sequence of str, optional
        first_price, second_price; the scenario's unless given.
    bidders : sequence of str
        truthful, dm (value-based shading), ips (policy-based), dr (doubly robust).
    rates : sequence of str
        oracle: advertisers know the true click rates; learned: from their own impressions.
    rounds, iterations : int
        Auctions between two updates of all advertisers, and how many such rounds.
    seeds, first_seed : int
        Markets; all settings on the same ones.
    workers : int
        Processes; results do not depend on it.
    progress : callable, optional
        Called with cells done and cells in all: a setting and a seed each.

    Raises
    ------
    UnknownName
        For a mechanism, bidder or kind of rates that is none.
    ScenarioError
        When the scenario is another kind of market, or has fewer campaigns than participants.
    AdsimError
        When a number is not positive.
    """
    check_counts(rounds=rounds, iterations=iterations, seeds=seeds, workers=workers)
    kinds = [scenario.auction.mechanism] if mechanisms is None else list(mechanisms)
    for what, chosen, known in (
        ("mechanism", kinds, MECHANISMS),
        ("bidder", bidders, BIDDERS),
        ("rates", rates, RATES),
    ):
        for name in chosen:
            if name not in known:
                raise UnknownName(what, name, known)
    numbers = list(range(first_seed, first_seed + seeds))
    markets = [_market(scenario, count) for count in participants] if participants else [_market(scenario, None)]
    cells = [
        Cell(market, kind, rate, bidder, seed)
        for kind in kinds
        for market in markets
        for rate in rates
        for bidder in bidders
        for seed in numbers
    ]
    rows = [row for found in _run(cells, rounds, iterations, workers, progress) for row in found]
    runs = pd.DataFrame(rows, columns=[*SETTING, "seed", "iteration", *METRICS])
    return Study(scenario, rounds, numbers, runs, means(runs, [*SETTING, "iteration"], list(METRICS)))


def _run(
    cells: list[Cell], rounds: int, iterations: int, workers: int, progress: Callable[[int, int], None] | None
) -> Iterator[list[list[Any]]]:
    """Rows of the cells, in their order."""
    parallel = joblib.Parallel(n_jobs=min(workers, len(cells)), return_as="generator")
    for done, rows in enumerate(parallel(joblib.delayed(_rows)(cell, rounds, iterations) for cell in cells), 1):
        yield rows
        if progress:
            progress(done, len(cells))


def _rows(cell: Cell, rounds: int, iterations: int) -> list[list[Any]]:
    """A row of `Study.runs` per iteration."""
    game, rows = Game(*cell), []
    for iteration in range(iterations):
        sale = game.play(rounds)
        setting = [cell.mechanism, game.rounds.seats, cell.rates, cell.bidder, cell.seed, iteration]
        rows.append([*setting, *(measure(sale) for measure in METRICS.values())])
    return rows


def _market(scenario: Scenario, participants: int | None) -> Scenario:
    """The scenario with so many participants, if the study can play it."""
    market = scenario if participants is None else scenario.replace({"traffic.participants": participants})
    plain = market.auction.beta == 0 and market.auction.charge == "exposure" and market.competition is None
    if len(market.auction.slot_exposure) > 1 or market.auction.slot_exposure[0] < 1 or not plain:
        raise ScenarioError(
            f"scenario '{market.name}': one slot is sold here, always seen, by bid, paid on exposure."
        )
    limits = ("budget", "target_roi", "target_cpa", "stock", "stock_value")
    for number, table in enumerate(market.campaigns):
        bound = [name for name in limits if getattr(table, name) is not None]
        if bound:
            raise ScenarioError(f"campaigns.{number}.{bound[0]}: advertisers have no constraints here: leave it out.")
    return market
