"""An offline click log of a click world: what one policy showed, and what came of it."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adsim.errors import AdsimError
from adsim.kernels.click_policy import choose_ads, happen
from adsim.kernels.click_world import CLICK, CONVERSION, POLICY
from adsim.market.click_world import ClickWorld, Longs
from adsim.predictors.features import Rows, Singles, pair
from adsim.types import Floats


@dataclass(frozen=True)
class ClickLog:
    """Impressions in the order of time, an ad each; all arrays (n,)."""

    rows: Rows
    opportunity: Longs
    ad: Longs
    time: Floats
    """Hours since the period began."""
    clicks: Singles
    """0 or 1."""
    conversions: Singles
    """0 or 1, of clicks only; what happens after the log's end counts, too: see ``delay``."""
    delay: Singles
    """Hours from click to conversion, NaN without one."""
    propensity: Floats
    """Probability that this ad was shown, given the context."""

    def __len__(self) -> int:
        return len(self.opportunity)

    def take(self, which: NDArray[np.integer] | NDArray[np.bool_] | slice) -> "ClickLog":
        """Some of the impressions."""
        arrays: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)[1:]}
        return ClickLog(self.rows.take(which), **{name: array[which] for name, array in arrays.items()})


@dataclass(frozen=True)
class TrueRates:
    """What nobody who predicts may see; (n,) each."""

    ctr: Singles
    cvr: Singles


def draw_log(
    world: ClickWorld, count: int, *, first: int = 0, recent: float = 0.4, uniform: bool = False
) -> tuple[ClickLog, TrueRates]:
    """A log of consecutive opportunities, one ad shown on each.

    Parameters
    ----------
    world : ClickWorld
        Where it is drawn.
    count : int
        Number of impressions.
    first : int
        Opportunity of the first; ``-count`` for a log that ends when the period begins.
    recent : float
        Probability that the ad is of a category that the user lately looked at.
    uniform : bool
        Show all ads equally often, instead of in proportion to their popularity.

    Returns
    -------
    ClickLog, TrueRates
        The log, and the true rates of its impressions.

    Raises
    ------
    AdsimError
        When the count is not positive, or ``recent`` is no probability.
    """
    if count < 1:
        raise AdsimError(f"impressions = {count}: must be 1 or more.")
    if not 0 <= recent <= 1:
        raise AdsimError(f"recent = {recent}: must be a probability, from 0 to 1.")
    contexts, opportunity = world.contexts(first, count), first + np.arange(count, dtype=np.int64)
    ad, propensity = np.empty(count, np.int64), np.empty(count)
    popularity = np.ones(len(world.ads)) if uniform else world.popularity.astype(np.float64)
    room = np.empty(world.traffic.categories)
    key, begin = world.key, np.int64(first)
    choose_ads(
        key(POLICY), begin, contexts.history, world.category, popularity, world.entry, recent, room, ad, propensity
    )
    ctr, cvr = world.true_rates_of(opportunity, ad)
    clicks, conversions = np.empty((2, count), np.float32)
    happen(key(CLICK), begin, ad, ctr, clicks)
    happen(key(CONVERSION), begin, ad, cvr, conversions)
    conversions *= clicks
    delay = np.where(conversions > 0, world.delays(opportunity, ad), np.float32(np.nan))
    rows = pair(contexts, np.arange(count), world.ads, ad)
    log = ClickLog(rows, opportunity, ad, world.times(opportunity), clicks, conversions, delay, propensity)
    return log, TrueRates(ctr, cvr)
