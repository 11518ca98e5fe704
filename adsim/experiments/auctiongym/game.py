"""The advertisers of one catalogue market, as they bid for rounds of auctions and learn between them."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

import adsim
from adsim.experiments.auctiongym.ad_choice import AdChoice, LearnedChoice, OracleChoice
from adsim.experiments.auctiongym.auction_regrets import Sale
from adsim.experiments.auctiongym.doubly_robust_shading import DoublyRobust
from adsim.experiments.auctiongym.policy_based_shading import PolicyBased
from adsim.experiments.auctiongym.shading import Bidder, Feedback, Truthful
from adsim.experiments.auctiongym.value_based_shading import ValueBased
from adsim.market.catalogue import CatalogueTraffic
from adsim.market.catalogue_rounds import Rounds
from adsim.market.markets import LEAST_BID
from adsim.market.scenario import Scenario
from adsim.types import Floats

BIDDERS: dict[str, Callable[[np.random.Generator], Bidder]] = {
    "truthful": lambda rng: Truthful(),
    "dm": ValueBased,
    "ips": PolicyBased,
    "dr": DoublyRobust,
}
"""Names as the papers have them: direct method, inverse propensity score, doubly robust."""


class Game:
    """The advertisers of one market, as they learn.

    Parameters
    ----------
    scenario : Scenario
        With a catalogue as source of its traffic; its mechanism, ticks and opportunities do not matter.
    mechanism, rates, bidder : str
        As in `adsim.experiments.auctiongym.study`.
    seed : int
        Of the market, and of what the advertisers draw.
    """

    def __init__(self, scenario: Scenario, mechanism: str, rates: str, bidder: str, seed: int) -> None:
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
            if seat[0].size == 0:
                continue
            won = sale.won[seat]
            self.bidders[n].learn(Feedback(predicted[seat], value[seat], factor[seat], won, earned[seat]))
            shown = seat[0][won]
            self.choices[n].learn(context[shown], item[seat][won], clicks[shown])
        self.played += count
        return sale

    def _clicks(self, sale: Sale, participants: NDArray[np.int64], rate: Floats) -> NDArray[np.bool_]:
        """Whether what was sold is clicked; (T,)."""
        auction, seat = np.arange(sale.winner.size), np.maximum(sale.winner, 0)
        clicks = self.rounds.clicks(self.played, participants[auction, seat], rate[auction, seat])
        return clicks & (sale.winner >= 0)
