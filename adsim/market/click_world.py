"""The click world of a seed: features for predictors, and the true rates, which they never get."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from adsim.kernels.click_world import (
    CLICKS,
    CONVERSIONS,
    HOUR,
    ClickTables,
    Room,
    draw_contexts,
    fill_delays,
    fill_rates,
    rates_of,
)
from adsim.market.click_tables import Catalogue, draw_catalogue, draw_people, draw_tables, intercept
from adsim.market.click_traffic import ClickTraffic
from adsim.predictors.features import Ads, Contexts, Field, Schema, Singles

BLOCK = 512
"""Opportunities whose logits are turned into rates at once."""
SAMPLE = 20_000
"""Pairs by which intercepts are set."""

Longs = NDArray[np.int64]


class ClickWorld:
    """Users, pages and ads with features, and what clicks and conversions depend on.

    Opportunities are numbered; any may be asked for in any order. Numbers below 0 are of the time before the period,
    when ads had not yet begun to drift.

    Parameters
    ----------
    traffic : ClickTraffic
        Parameters.
    seed : int
        From 0 to 2**64 - 1.
    ads : int
        Size of the catalogue.
    opportunities : int
        Of the period, over which ads enter and drift.
    """

    schema: Schema
    ads: Ads
    """What predictors may know of the ads."""
    entry: Longs
    """First opportunity at which each ad can be shown, (A,)."""
    category: Longs
    """Of each ad, (A,)."""
    popularity: Singles
    """Relative frequency of each ad in traffic of before, (A,)."""

    def __init__(self, traffic: ClickTraffic, seed: int, ads: int, opportunities: int) -> None:
        catalogue = draw_catalogue(traffic, seed, ads, opportunities)
        self.traffic, self.seed = traffic, seed
        self.schema = _schema(traffic, ads)
        self.ads = _features(self.schema, catalogue)
        self.entry, self.category = catalogue.entry, catalogue.category
        self.popularity = catalogue.popularity.astype(np.float32)
        self._room = Room(
            np.zeros(HOUR + 1, np.int32),
            np.full(traffic.length, -1, np.int32),
            np.zeros(traffic.length, np.float32),
            np.zeros(traffic.categories, np.float32),
            np.zeros(traffic.categories, np.float32),
        )
        self._tables: ClickTables = draw_tables(traffic, seed, catalogue, draw_people(traffic, seed), opportunities)
        self._set_intercepts(ads, opportunities)

    def _set_intercepts(self, ads: int, opportunities: int) -> None:
        """Give rates their means, over pairs of all times and ads."""
        generator = np.random.default_rng([self.seed, ads])
        pairs = generator.integers(opportunities, size=SAMPLE), generator.integers(ads, size=SAMPLE)
        rates = self.true_rates_of(*pairs)
        for kind, mean in ((CLICKS, self.traffic.ctr), (CONVERSIONS, self.traffic.cvr)):
            self._tables.bias[kind] = intercept(logit(rates[kind].astype(np.float64)), mean)

    def contexts(self, first: int, count: int) -> Contexts:
        """What predictors may know of consecutive opportunities."""
        length = self.traffic.length
        ids, history = np.empty((count, HOUR + 1), np.int32), np.empty((count, length), np.int32)
        age = np.empty((count, length), np.float32)
        draw_contexts(self._tables, np.int64(first), ids, history, age)
        return Contexts(self.schema, ids, history, age, np.zeros((count, 0), np.float32))

    def true_rates(self, first: int, count: int, ctr: Singles, cvr: Singles) -> None:
        """Rates of the first N ads for consecutive opportunities, into the first columns of ctr and cvr (N, n)."""
        for start in range(0, count, BLOCK):
            stop = min(start + BLOCK, count)
            fill_rates(self._tables, np.int64(first), start, stop, self._room, ctr, cvr)

    def true_rates_of(self, opportunity: NDArray[np.integer], ad: NDArray[np.integer]) -> tuple[Singles, Singles]:
        """Rates of pairs, (n,) each: the same bits as `true_rates` gives."""
        ctr, cvr = np.empty((2, len(ad)), np.float32)
        rates_of(self._tables, np.asarray(opportunity, np.int64), np.asarray(ad, np.int64), self._room, ctr, cvr)
        return ctr, cvr

    def delays(self, opportunity: NDArray[np.integer], ad: NDArray[np.integer]) -> Singles:
        """Hours from click to conversion of pairs, if there is one; (n,)."""
        hours = np.empty(len(ad), np.float32)
        fill_delays(self._tables, np.asarray(opportunity, np.int64), np.asarray(ad, np.int64), hours)
        return hours

    def key(self, stream: int) -> np.uint64:
        """Of a random stream."""
        return np.uint64(self._tables.keys[stream])

    def times(self, opportunity: NDArray[np.integer]) -> NDArray[np.float64]:
        """Hours since the period began, (n,)."""
        return np.asarray((np.asarray(opportunity) + 0.5) * self._tables.hours)


def _schema(traffic: ClickTraffic, ads: int) -> Schema:
    return Schema(
        context=(
            Field("user", traffic.users),
            Field("segment", traffic.segments),
            Field("page", traffic.pages),
            Field("device", traffic.devices),
            Field("hour", 24),
        ),
        ad=(Field("ad", ads), Field("advertiser", traffic.advertisers), Field("category", traffic.categories)),
        history="category",
        length=traffic.length,
        ad_numbers=traffic.content_size,
    )


def _features(schema: Schema, catalogue: Catalogue) -> Ads:
    ids = np.stack([np.arange(len(catalogue.category)), catalogue.advertiser, catalogue.category], axis=1)
    return Ads(schema, ids.astype(np.int32), catalogue.content.astype(np.float32))
