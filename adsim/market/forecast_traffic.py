"""`[traffic]` in AuctionNet's manner: categories of campaigns, predictions that err, traffic that no curve foretells.

Su et al., "AuctionNet: A Novel Benchmark for Decision-Making in Large-Scale Games" (NeurIPS 2024, arXiv 2412.10798),
and the generator that its authors published. An exposure converts at once; there are no clicks apart.
"""

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from adsim.types import Floats

if TYPE_CHECKING:
    from adsim.market.supply import Seeds

TRAFFIC_WINDOW, VALUE_WINDOW = 4, 8
"""Ticks with one factor on the traffic, and on mean values."""
LEAST_SPREAD = 0.1
CURVE, CATEGORY, MEMBER, SPREAD, TICK_SPREAD, UNCERTAINTY, BELOW, ABOVE = range(300, 308)
"""Numbers of the draws, beside `adsim.market.supply.Trait`."""


class Forecasts(NamedTuple):
    """What the seeds give E markets."""

    mean: NDArray[np.float32]
    """Of predicted conversion rates; (E, N, ticks)."""
    spread: NDArray[np.float32]
    """Their standard deviation; (E, N, ticks)."""
    uncertainty: NDArray[np.float32]
    """Mean uncertainty of a prediction, relative to it; (E, N)."""
    lean: NDArray[np.float32]
    """Mean of what really converts, in uncertainties above the prediction; (E, N)."""


class ForecastTraffic(BaseModel):
    """`[traffic]` whose predicted conversion rates are drawn, and true rates from them."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    source: Literal["auctionnet"]
    curve: Literal["flat", "day"] | tuple[Annotated[float, Field(gt=0)], ...] = "flat"
    """Traffic that is expected over the ticks: flat, a day's two humps, or relative weights, one a tick."""
    curve_spread: float = Field(0.4, ge=0, lt=1)
    """Traffic comes with a factor uniform within so much of 1, anew every 4 ticks."""
    categories: int = Field(6, ge=1)
    """Campaigns next to each other, as many in each, whose values move together."""
    rate: float = Field(0.0005, gt=0, le=1)
    """Mean predicted conversion rate of an exposure."""
    category_spread: float = Field(0.7, ge=0, lt=1)
    """A category's mean rate has a factor uniform within so much of 1, anew every 8 ticks."""
    member_spread: float = Field(0.5, ge=0, lt=1)
    """So have its campaigns, but the first."""
    spread: float = Field(0.5, ge=0, le=1)
    """Standard deviation of predicted rates over their mean, of the average campaign."""
    uncertainty: float = Field(0.15, ge=0, le=0.3)
    """Standard deviation of what really converts over its prediction, of the average campaign; at most 0.3."""
    bias: float = Field(2.0, ge=0)
    """What really converts lies within 0 to so many such deviations, drawn for each campaign, below and above."""
    experience: None = None

    def check(self, campaigns: int) -> None:
        """Complain of categories that are not of one size.

        Raises
        ------
        ValueError
            When they are not.
        """
        if campaigns % self.categories:
            raise ValueError(f"traffic.categories = {self.categories} do not share {campaigns} campaigns equally")

    def shares(self, expected: Floats, seeds: "Seeds") -> Floats:
        """Share of the period's opportunities that each tick really has; (E, ticks)."""
        factor = _around_one(self.curve_spread, seeds, CURVE, 1, expected.size, TRAFFIC_WINDOW)[:, 0]
        weights = expected * factor
        return weights / weights.sum(axis=1, keepdims=True)

    def draw(self, campaigns: int, ticks: int, seeds: "Seeds") -> Forecasts:
        """The campaigns of E markets.

        Deviations over means are normal around `spread` with deviation 0.1, once a campaign, and around that with a
        fifth of it, once a tick; below 0 they count as 0.1, above 1 as 1. Uncertainties are normal around
        `uncertainty` with deviation 0.4 of it; below 0 they change the sign, above 0.3 they count as 0.2.

        What converts is published as normal around the prediction, cut off ``2 u`` deviations below and ``2 u'``
        above, u and u' uniform for each campaign. An exposure converts or does not, so that only the mean of this
        can be seen: the lean, drawn once for each campaign (our simplification; nothing else changes).
        """
        groups = _around_one(self.category_spread, seeds, CATEGORY, self.categories, ticks, VALUE_WINDOW)
        own = _around_one(self.member_spread, seeds, MEMBER, campaigns, ticks, VALUE_WINDOW)
        own[:, :: campaigns // self.categories] = 1
        ratio = np.repeat(groups, campaigns // self.categories, axis=1) * own
        mean = np.minimum(self.rate * ratio, 1)
        typical = _kept(self.spread + 0.1 * seeds.normals(SPREAD, campaigns)) if self.spread else np.zeros(1)
        changes = seeds.normals(TICK_SPREAD, campaigns * ticks).reshape(len(seeds), campaigns, ticks)
        spread = _kept(typical[..., None] * (1 + 0.2 * changes)) if self.spread else np.zeros(mean.shape)
        return Forecasts(
            mean.astype(np.float32),
            (mean * spread).astype(np.float32),
            self._uncertainties(campaigns, seeds).astype(np.float32),
            self._leans(campaigns, seeds).astype(np.float32),
        )

    def _uncertainties(self, campaigns: int, seeds: "Seeds") -> Floats:
        drawn = np.abs(self.uncertainty * (1 + 0.4 * seeds.normals(UNCERTAINTY, campaigns)))
        return np.where(drawn > 0.3, 0.2, drawn)

    def _leans(self, campaigns: int, seeds: "Seeds") -> Floats:
        from scipy.special import ndtr

        below, above = (self.bias * seeds.uniforms(side, campaigns) for side in (BELOW, ABOVE))
        within = ndtr(above) - ndtr(-below)
        return (_density(below) - _density(above)) / np.maximum(within, 1e-12)


def _density(x: Floats) -> Floats:
    """Of the standard normal."""
    return np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi)


def _around_one(spread: float, seeds: "Seeds", trait: int, rows: int, ticks: int, window: int) -> Floats:
    """Factors uniform within ``spread`` of 1, the same for ``window`` ticks; (E, rows, ticks)."""
    windows = -(-ticks // window)
    draws = seeds.uniforms(trait, rows * windows).reshape(len(seeds), rows, windows)
    return np.repeat(1 + spread * (2 * draws - 1), window, axis=2)[:, :, :ticks]


def _kept(ratio: Floats) -> Floats:
    """Deviations over means, as the generator mends impossible ones."""
    return np.where(ratio < 0, LEAST_SPREAD, np.minimum(ratio, 1))
