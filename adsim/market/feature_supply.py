"""Traffic laid out ahead of a tick: true rates of worlds with features, and what predictors make of the features."""

import numpy as np
from numpy.typing import NDArray

from adsim.market.click_log import draw_log
from adsim.market.click_traffic import ClickTraffic
from adsim.market.click_world import ClickWorld
from adsim.market.curve import tick_bounds, traffic_share
from adsim.market.learning import EXPLORED, Learning, Log, Shown
from adsim.market.learning_table import LearningTable
from adsim.market.scenario import Scenario
from adsim.market.tally import COLUMNS, tally_candidates, tally_shown
from adsim.market.world import Laid
from adsim.predictors.features import Ads
from adsim.types import Floats

CHUNK = 4096
"""Opportunities that are predicted at once."""


def nothing_laid(markets: int) -> Laid:
    """Where traffic is drawn tile by tile."""
    blank = np.zeros((markets, 0, 0), np.float32)
    return Laid(np.zeros(1, np.int64), blank, blank, blank, blank, blank)


class FeatureSupply:
    """The worlds of E markets and, where the scenario's predictor learns, their predictors.

    Parameters
    ----------
    scenario : Scenario
        Of all markets.
    traffic : ClickTraffic
        Its traffic.
    seeds : array (E,)
        Of the markets.
    """

    def __init__(self, scenario: Scenario, traffic: ClickTraffic, seeds: NDArray[np.uint64]) -> None:
        self._scenario, self._seeds, self._learns = scenario, seeds, scenario.predictor.learns
        self._hours = 24 * traffic.days / scenario.market.opportunities
        opportunities, size = scenario.market.opportunities, scenario.size
        self.worlds = [ClickWorld(traffic, int(seed), traffic.ads, opportunities) for seed in seeds]
        self.width = int(np.diff(tick_bounds(traffic_share(scenario), opportunities)).max())
        """The most opportunities that can be laid out at once (W)."""
        shape = len(seeds), size, self.width
        predicted = shape if self._learns else (len(seeds), 0, 0)
        arrays = [np.zeros(each, np.float32) for each in (shape, shape, predicted, predicted, predicted)]
        self.laid = Laid(np.zeros(1, np.int64), *arrays)
        width = self.width if self._learns else 0
        self.shown = np.full((len(seeds), width, len(scenario.auction.slot_exposure)), -1, np.int32)
        """See `Accounts.shown`; (E, W, K)."""
        self._room = np.empty((5 if self._learns else 2) * size * min(CHUNK, self.width), np.float32)
        self.learning: list[Learning] = []
        self._taught = True

    def open(self) -> None:
        """Begin the period, with predictors that have seen nothing of it."""
        ticks = self._scenario.market.ticks if self._learns else 0
        self.tallies = np.zeros((len(self.worlds), ticks, len(COLUMNS)))
        """How good predictions were in each tick, see `adsim.market.tally`; (E, ticks, columns)."""
        self._lying = 0, 0
        if self._learns and self._taught:
            self.learning = [self._make(world, seed) for world, seed in zip(self.worlds, self._seeds, strict=True)]
            self._taught = False

    def _make(self, world: ClickWorld, seed: int) -> Learning:
        """The predictors of one market, fitted on its earlier log."""
        terms, size = self._scenario.learning or LearningTable(), self._scenario.size
        ads = Ads(world.schema, world.ads.ids[:size], world.ads.numbers[:size])
        learning = Learning(terms, self._scenario.predictor.create(), ads, world.entry[:size], int(seed))
        if terms.before:
            log, _ = draw_log(world, terms.before, first=-terms.before)
            learning.fit(Log(log.rows, log.clicks > 0, log.conversions > 0, log.delay))
        return learning

    def lay(self, first: int, last: int) -> None:
        """Lay out opportunities ``first`` to ``last``, at most W, unless they lie there already."""
        if self._lying == (first, last):
            return
        self._lying, self.laid.first[0] = (first, last), first
        self._contexts = [world.contexts(first, last - first) for world in self.worlds if self._learns]
        for e in range(len(self.worlds)):
            for start in range(first, last, CHUNK):
                self._lay(e, start, min(CHUNK, last - start), start - first)

    def _lay(self, e: int, start: int, count: int, column: int) -> None:
        """A chunk of one market: whole rows are filled, then copied, so that kernels see contiguous arrays."""
        world, columns = self.worlds[e], slice(column, column + count)
        shape = 5 if self._learns else 2, self._scenario.size, count
        rows = self._room[: np.prod(shape)].reshape(shape)
        world.true_rates(start, count, rows[0], rows[1])
        if self._learns:
            self.learning[e].predict(self._contexts[e].take(columns), start, *rows[2:])
        absent = world.entry[: self._scenario.size, None] > start + np.arange(count)
        rows[:4, absent] = 0
        for laid, filled in zip(self.laid[1:], rows, strict=False):
            laid[e, :, columns] = filled

    def learn(self, tick: int, worth: Floats) -> None:
        """Teach the predictors what the tick that lies here has shown; ``worth`` (E, N): scores per pCTR * pCVR."""
        first, last = self._lying
        order = np.arange(first, last) % self.width
        for e, learning in enumerate(self.learning):
            codes = self.shown[e, order]
            laid = Laid(self.laid.first, *(rows[e] for rows in self.laid[1:]))
            room = np.empty((3, last - first), np.float32)
            tally_candidates(laid.ctr, laid.pctr, len(laid.ctr), last - first, room, self.tallies[e, tick])
            tally_shown(laid.ctr, laid.pctr, codes, self.tallies[e, tick])
            if learning.terms.update:
                shown = self._shown(e, codes, laid, worth[e])
                learning.learn(self._contexts[e], shown, self._hours * last)
                self._taught = True
        if self._taught:
            self._lying = 0, 0
        self.shown[:] = -1

    def _shown(self, e: int, codes: NDArray[np.int32], laid: Laid, worth: Floats) -> Shown:
        """What a tick showed, and how probable that was."""
        first = int(laid.first[0])
        opportunity, slot = np.nonzero(codes >= 0)
        code = codes[opportunity, slot].astype(np.int64)
        ad = code // 4
        return Shown(
            opportunity,
            ad,
            code // 2 % 2 == 1,
            code % 2 == 1,
            np.where(code % 2 == 1, self.worlds[e].delays(first + opportunity, ad), np.float32(np.nan)),
            self._propensity(self.learning[e], laid, worth, opportunity, ad, codes.shape[1]),
        )

    def _propensity(
        self,
        learning: Learning,
        laid: Laid,
        worth: Floats,
        opportunity: NDArray[np.int64],
        ad: NDArray[np.int64],
        slots: int,
    ) -> Floats:
        """Probability that an ad is shown: explore / ads, and the rest where it is among the best anyway.

        Exact with one slot and multipliers that do not change within the tick; derived here.
        """
        explore = learning.terms.explore
        if explore == 0:
            return np.ones(ad.size)
        first, count = int(laid.first[0]), self._lying[1] - self._lying[0]
        quality, chosen = laid.quality[:, :count].copy(), learning.explored(first, count)
        lucky = np.flatnonzero(chosen >= 0)
        quality[chosen[lucky], lucky] /= EXPLORED
        score = worth[:, None] * (laid.pctr * laid.pcvr)[:, :count] * quality
        ranked = np.argsort(-score, axis=0, kind="stable")[:slots, opportunity]
        best = (ranked == ad).any(axis=0)
        return np.asarray(explore / learning.present(first, count)[opportunity] + (1 - explore) * best)
