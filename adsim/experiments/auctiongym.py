"""AuctionGym's questions: what competition, learned click rates and learned shading do to an auction.

O. Jeunen, S. Murphy & B. Allison, "Learning to bid with AuctionGym" (AdKDD 2022): advertisers bid for rounds of
auctions and learn between them.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

import adsim
from adsim.errors import AdsimError, ScenarioError, UnknownName
from adsim.experiments.ad_choice import AdChoice, LearnedChoice, OracleChoice
from adsim.experiments.auction_regrets import METRICS, Sale
from adsim.experiments.shading.base import Bidder, Feedback
from adsim.experiments.shading.doubly_robust import DoublyRobust
from adsim.experiments.shading.policy_based import PolicyBased
from adsim.experiments.shading.truthful import Truthful
from adsim.experiments.shading.value_based import ValueBased
from adsim.experiments.tables import means, records
from adsim.market.catalogue import LEAST_BID, CatalogueTraffic
from adsim.market.catalogue_rounds import Rounds
from adsim.market.scenario import Scenario
from adsim.types import Floats

MECHANISMS = ("first_price", "second_price")
RATES = ("oracle", "learned")
BIDDERS: dict[str, Callable[[np.random.Generator], Bidder]] = {
    "truthful": lambda rng: Truthful(),
    "dm": ValueBased,
    "ips": PolicyBased,
    "dr": DoublyRobust,
}
"""Names as the papers have them: direct method, inverse propensity score, doubly robust."""
SETTING = ["mechanism", "participants", "rates", "bidder"]


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
    progress : callable, optional
        Called with rounds done and rounds in all.

    Raises
    ------
    UnknownName
        For a mechanism, bidder or kind of rates that is none.
    ScenarioError
        When the scenario is another kind of market, or has fewer campaigns than participants.
    AdsimError
        When a number is not positive.
    """
    _check_counts(rounds=rounds, iterations=iterations, seeds=seeds)
    kinds = [scenario.auction.mechanism] if mechanisms is None else list(mechanisms)
    for what, chosen, known in (("mechanism", kinds, MECHANISMS), ("bidder", bidders, BIDDERS), ("rates", rates, RATES)):
        for name in chosen:
            if name not in known:
                raise UnknownName(what, name, known)
    numbers = list(range(first_seed, first_seed + seeds))
    markets = {count: _market(scenario, count) for count in (participants or [None])}
    settings = [
        (kind, market, rate, bidder)
        for kind in kinds
        for market in markets.values()
        for rate in rates
        for bidder in bidders
    ]
    rows: list[list[Any]] = []
    total = len(settings) * seeds * iterations
    for kind, market, rate, bidder in settings:
        for seed in numbers:
            game = Game(market, seed, kind, rate, bidder)
            for iteration in range(iterations):
                sale = game.play(rounds)
                found = [measure(sale) for measure in METRICS.values()]
                rows.append([kind, game.rounds.seats, rate, bidder, seed, iteration, *found])
                if progress:
                    progress(len(rows), total)
    runs = pd.DataFrame(rows, columns=[*SETTING, "seed", "iteration", *METRICS])
    return Study(scenario, rounds, numbers, runs, means(runs, [*SETTING, "iteration"], list(METRICS)))


class Game:
    """The advertisers of one market, as they learn.

    Parameters
    ----------
    scenario : Scenario
    seed : int
        Of the market, and of what the advertisers draw.
    mechanism, rates, bidder : str
        As in `auctiongym`.
    """

    def __init__(self, scenario: Scenario, seed: int, mechanism: str, rates: str, bidder: str) -> None:
        self.scenario, self.mechanism, self.rounds = scenario, mechanism, Rounds(scenario, seed)
        self.played = 0
        table = scenario.traffic
        assert isinstance(table, CatalogueTraffic)
        observed = table.dimension if table.observed is None else table.observed
        own = [np.random.default_rng([seed, n]) for n in range(self.rounds.size)]
        weights, value = self.rounds.weights, self.rounds.value
        self.choices: list[AdChoice] = [
            OracleChoice(weights[n], value[n]) if rates == "oracle" else LearnedChoice(value[n], observed, rng)
            for n, rng in enumerate(own)
        ]
        self.bidders = [BIDDERS[bidder](rng) for rng in own]

    def play(self, count: int) -> Sale:
        """Sell the next ``count`` opportunities, then let the advertisers learn."""
        context, participants = self.rounds.opportunities(self.played, count)
        seats = [np.nonzero(participants == n) for n in range(self.rounds.size)]
        item = np.empty(participants.shape, np.int64)
        best, rate, predicted, value, factor = (np.empty(participants.shape) for _ in range(5))
        for n, seat in enumerate(seats):
            here, worth = context[seat[0]], self.rounds.value[n]
            true = expit(here @ self.rounds.weights[n].T)
            best[seat] = (true * worth).max(axis=1)
            item[seat], predicted[seat] = self.choices[n].choose(here)
            rate[seat] = true[np.arange(len(here)), item[seat]]
            value[seat] = worth[item[seat]]
            factor[seat] = self.bidders[n].factor(predicted[seat], value[seat])
        bid = np.maximum(factor, 0) * predicted * value
        winners, prices = adsim.clear(bid, self.mechanism, reserve=max(self.scenario.auction.reserve, LEAST_BID))
        sale = Sale(best, rate * value, predicted * value, bid, winners[:, 0].astype(np.int64), prices[:, 0])
        clicks = self._clicks(sale, participants, rate)
        earned = np.where(sale.won, clicks[:, None] * value - sale.price[:, None], 0.0)
        for n, seat in enumerate(seats):
            won = sale.won[seat]
            self.bidders[n].learn(Feedback(predicted[seat], value[seat], factor[seat], won, earned[seat]))
            shown = seat[0][won]
            self.choices[n].learn(context[shown], item[seat][won], clicks[shown])
        self.played += count
        return sale

    def _clicks(self, sale: Sale, participants: Any, rate: Floats) -> Any:
        """Whether what was sold is clicked; (T,)."""
        auction, seat = np.arange(sale.winner.size), np.maximum(sale.winner, 0)
        clicks = self.rounds.clicks(self.played, participants[auction, seat], rate[auction, seat])
        return clicks & (sale.winner >= 0)


def _market(scenario: Scenario, participants: int | None) -> Scenario:
    """The scenario with so many participants, if the study can play it."""
    market = scenario if participants is None else scenario.replace({"traffic.participants": participants})
    plain = market.auction.beta == 0 and market.auction.charge == "exposure" and market.competition is None
    if len(market.auction.slot_exposure) > 1 or market.auction.slot_exposure[0] < 1 or not plain:
        raise ScenarioError(f"scenario '{market.name}': one slot is sold here, always seen, by bid, paid on exposure.")
    limits = ("budget", "target_roi", "target_cpa", "stock", "stock_value")
    for number, table in enumerate(market.campaigns):
        bound = [name for name in limits if getattr(table, name) is not None]
        if bound:
            raise ScenarioError(f"campaigns.{number}.{bound[0]}: advertisers have no constraints here: leave it out.")
    return market


def _check_counts(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise AdsimError(f"{name} = {count}: must be 1 or more.")
