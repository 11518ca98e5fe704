"""Campaigns with catalogues of ads, of which each opportunity gets the best: AuctionGym's world.

O. Jeunen, S. Murphy & B. Allison, "Learning to bid with AuctionGym" (AdKDD 2022).
"""

from typing import Annotated, Literal, NamedTuple, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from adsim.market.distributions import LogNormal, Positive
from adsim.types import Floats

_TRAIT = 200
"""Number of the first per-ad draw."""


class Interval(BaseModel):
    """What is drawn uniformly from [low, high)."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> "Interval":
        if self.low > self.high:
            raise ValueError(f"low = {self.low:g} lies above high = {self.high:g}")
        return self


class CatalogueTraffic(BaseModel):
    """`[traffic]` of contexts for which campaigns have catalogues of ads; a click is a conversion.

    A context is normal, as are the ads' embeddings; an ad is clicked with probability sigmoid(embedding . context +
    intercept). A campaign shows the ad with the highest true rate times click value.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    source: Literal["catalogue"]
    curve: Literal["flat", "day"] | tuple[Annotated[float, Field(gt=0)], ...] = "flat"
    participants: int | None = Field(None, ge=1)
    """Campaigns that compete for an opportunity, drawn uniformly without replacement; all unless given."""
    items: int = Field(12, ge=1, le=10_000)
    """Ads of each campaign."""
    dimension: int = Field(5, ge=1, le=64)
    """Features of a context."""
    observed: int | None = Field(None, ge=0)
    """How many of them learned rates see, the first ones; all unless given."""
    spread: float = Field(1.0, gt=0, le=10)
    """Standard deviation of a context's features, and of an embedding's."""
    intercept: Interval = Interval(low=-4.0, high=-3.0)
    click_value: Positive = LogNormal(distribution="lognormal", median=1.1051709180756477, sigma=0.2)
    """Value of a click on an ad; the campaign's value multiplies it."""
    catalogue_seed: int | None = Field(None, ge=0)
    """Draw all catalogues from numpy's generator of that seed, as AuctionGym does; else from the market's seed."""
    experience: None = None

    @model_validator(mode="after")
    def _agree(self) -> "CatalogueTraffic":
        if self.observed is not None and self.observed > self.dimension:
            raise ValueError(f"observed = {self.observed}: a context has {self.dimension} features")
        if self.catalogue_seed is not None and not isinstance(self.click_value, LogNormal):
            raise ValueError("catalogue_seed draws log-normal values: make click_value one, or leave the seed out")
        return self

    def check(self, campaigns: int) -> None:
        """Refuse more participants than campaigns.

        Raises
        ------
        ValueError
            When there are.
        """
        if self.participants is not None and self.participants > campaigns:
            raise ValueError(f"traffic.participants = {self.participants}: there are {campaigns} campaigns")

    def seats(self, campaigns: int) -> int:
        """How many compete for an opportunity."""
        return campaigns if self.participants is None else self.participants


class Uniforms(Protocol):
    """What numbered draws come from, see `adsim.market.supply.Seeds`."""

    def __len__(self) -> int: ...

    def uniforms(self, trait: int, count: int) -> Floats:
        """One draw per number, (E, count)."""

    def normals(self, trait: int, count: int) -> Floats:
        """Standard normal ones, (E, count)."""


class Ads(NamedTuple):
    """The catalogues of E markets of N campaigns: I ads each, of D features."""

    embedding: Floats
    """(E, N, I, D)"""
    intercept: Floats
    """(E, N, I)"""
    value: Floats
    """Of a click; (E, N, I)."""


def draw_ads(table: CatalogueTraffic, campaigns: int, seeds: Uniforms) -> Ads:
    """The catalogues: all markets have the same where the table has a seed."""
    markets = len(seeds)
    if table.catalogue_seed is not None:
        ads = _as_auctiongym(table, campaigns, table.catalogue_seed)
        return Ads._make(np.broadcast_to(field, (markets, *field.shape)) for field in ads)
    shape, count = (markets, campaigns, table.items), campaigns * table.items
    first, interval = _TRAIT + 2, table.intercept
    features = [seeds.normals(first + d, count).reshape(shape) for d in range(table.dimension)]
    drawn = table.click_value.sample(seeds.uniforms(_TRAIT, count), np.arange(count))
    level = seeds.uniforms(_TRAIT + 1, count).reshape(shape)
    return Ads(
        table.spread * np.stack(features, axis=3),
        interval.low + (interval.high - interval.low) * level,
        np.asarray(drawn).reshape(shape),
    )


def _as_auctiongym(table: CatalogueTraffic, campaigns: int, seed: int) -> Ads:
    """Its order of draws: embeddings of all agents, then their values, then intercepts, each agent by agent."""
    value, interval = table.click_value, table.intercept
    assert isinstance(value, LogNormal)
    generator = np.random.default_rng(seed)
    shape, agents = (table.items, table.dimension), range(campaigns)
    embedding = np.stack([generator.normal(0.0, table.spread, shape) for _ in agents])
    worth = np.stack([generator.lognormal(np.log(value.median), value.sigma, table.items) for _ in agents])
    drop = np.stack([generator.random((table.items, 1))[:, 0] for _ in agents])
    return Ads(embedding, interval.high - (interval.high - interval.low) * drop, worth)
