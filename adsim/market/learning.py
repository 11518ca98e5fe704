"""The learned predictors of one market: fitted on an earlier log, asked ahead of a tick, taught after it.

They are given features and what was seen to happen, never a true rate.
"""

from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim import registry
from adsim.kernels.counter import fill_streams, fill_uniforms, mix
from adsim.market.learning_table import LearningTable
from adsim.predictors.features import Ads, Contexts, Rows, Singles, pair
from adsim.predictors.learner import Learner
from adsim.types import Floats

EXPLORED = np.float32(1e6)
"""What the score of an ad that exploration chose is multiplied with, and its price divided by."""
LEAST_PROPENSITY = 0.01
"""Rows weigh as if they had been shown with this probability at least."""
_STREAM = 2000
"""Exploration draws from the streams of the seed that are numbered from here."""


class Log(NamedTuple):
    """Impressions of an earlier period, n of them; arrays (n,)."""

    rows: Rows
    click: NDArray[np.bool_]
    conversion: NDArray[np.bool_]
    delay: Singles
    """Hours from click to conversion, NaN without one."""


class Shown(NamedTuple):
    """What a tick showed, n impressions; arrays (n,)."""

    opportunity: NDArray[np.int64]
    """Within the tick."""
    ad: NDArray[np.int64]
    click: NDArray[np.bool_]
    conversion: NDArray[np.bool_]
    delay: Singles
    """Hours from click to conversion, NaN without one."""
    propensity: Floats
    """Probability that this ad was shown."""


class _Waiting(NamedTuple):
    """Clicks whose conversions are still waited for."""

    due: float
    """Hour at which no more is waited for."""
    rows: Rows
    converted: NDArray[np.bool_]
    weights: Floats


class Learning:
    """Predictors of clicks and conversions, and how they learn.

    Parameters
    ----------
    terms : LearningTable
        What they learn from, and when.
    learner : Learner
        The predictor of clicks; one of its kind predicts conversions unless the terms name another.
    ads : Ads
        The campaigns' ads.
    entry : array (N,)
        First opportunity at which each can be shown.
    seed : int
        Of the market.
    """

    def __init__(self, terms: LearningTable, learner: Learner, ads: Ads, entry: NDArray[np.int64], seed: int) -> None:
        self.terms, self._ads, self._entry = terms, ads, entry
        self._order = np.argsort(entry, kind="stable")
        self._keys = np.empty((1, 3), np.uint64)
        fill_streams(np.array([mix(np.uint64(seed))], np.uint64), _STREAM, self._keys)
        other = terms.conversion
        self.click = learner.begin(ads.schema, seed)
        same = type(learner)(**learner.parameters())
        conversion: Learner = registry.create("predictors", *registry.parse(other)) if other else same
        self.conversion = conversion.begin(ads.schema, seed)
        self._waiting: deque[_Waiting] = deque()

    def fit(self, log: Log) -> None:
        """Learn from an earlier log, from scratch; conversions that came too late count as none."""
        self.click.fit(log.rows, log.click)
        if log.click.any():
            converted = log.conversion & (log.delay <= self.terms.window)
            self.conversion.fit(log.rows.take(log.click), converted[log.click])

    def predict(self, contexts: Contexts, first: int, pctr: Singles, pcvr: Singles, quality: Singles) -> None:
        """Predict rates of all ads, and set the factors on scores that exploration asks for; (N, n) each.

        ``first`` is the number of the first opportunity.
        """
        self.click.predict_grid(contexts, self._ads, pctr)
        self.conversion.predict_grid(contexts, self._ads, pcvr)
        quality[:] = 1
        if self.click.explores:
            self.click.sample_grid(contexts, self._ads, int(self._keys[0, 2]), first, quality)
            quality /= pctr
        if self.terms.explore > 0:
            chosen = self.explored(first, len(contexts))
            lucky = np.flatnonzero(chosen >= 0)
            quality[chosen[lucky], lucky] *= EXPLORED

    def explored(self, first: int, count: int) -> NDArray[np.int64]:
        """The ad that exploration puts first in each opportunity, -1 where it leaves the auction alone; (count,)."""
        draws = np.empty((2, count))
        fill_uniforms(self._keys[0, :2], first, draws)
        present = self.present(first, count)
        chosen = self._order[np.minimum((draws[1] * present).astype(np.int64), np.maximum(present - 1, 0))]
        return np.where((draws[0] < self.terms.explore) & (present > 0), chosen, -1)

    def present(self, first: int, count: int) -> NDArray[np.int64]:
        """How many ads can be shown at each opportunity, (count,)."""
        return np.searchsorted(self._entry[self._order], first + np.arange(count), side="right")

    def learn(self, contexts: Contexts, shown: Shown, hour: float) -> None:
        """Learn from what was shown until ``hour`` of the period, and from conversions no longer waited for."""
        rows, weights = pair(contexts, shown.opportunity, self._ads, shown.ad), self._weights(shown.propensity)
        if len(rows):
            self.click.partial_fit(rows, shown.click, weights)
        if shown.click.any():
            converted = shown.conversion & (shown.delay <= self.terms.window)
            kept = shown.click
            due = hour + self.terms.window
            self._waiting.append(_Waiting(due, rows.take(kept), converted[kept], weights[kept]))
        while self._waiting and self._waiting[0].due <= hour:
            known = self._waiting.popleft()
            self.conversion.partial_fit(known.rows, known.converted, known.weights)

    def _weights(self, propensity: Floats) -> Floats:
        if not self.terms.reweight or not propensity.size:
            return np.ones_like(propensity)
        weights = 1 / np.maximum(propensity, LEAST_PROPENSITY)
        return np.asarray(weights / weights.mean())
