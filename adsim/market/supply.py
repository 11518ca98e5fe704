"""Supply: the world's traffic, and the only holder of true rates."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim.kernels.auction import UNCAPPED, Candidates
from adsim.kernels.counter import fill_streams, fill_uniforms, log_mean_exp, mix
from adsim.kernels.settlement import CLICK, CONVERSION, EXPOSURE
from adsim.kernels.tiles import tile_width
from adsim.kernels.traffic import CONSTANT, DIMENSIONS, LOGNORMAL, UNIFORM
from adsim.market.catalogue import CatalogueTraffic, draw_ads
from adsim.market.click_traffic import ClickTraffic
from adsim.market.distributions import Constant, Distribution, LogNormal, Uniform
from adsim.market.forecast_traffic import ForecastTraffic
from adsim.market.scenario import CampaignTable, ContextualTraffic, IndependentTraffic, Scenario
from adsim.market.world import (
    CATALOGUE,
    CONTEXTUAL,
    FORECAST,
    INDEPENDENT,
    LAID,
    Catalogue,
    Forecast,
    Laid,
    Phases,
    Scratch,
    Stream,
    Truth,
    World,
)
from adsim.predictors.distortion import ErrorModel
from adsim.predictors.oracle import Oracle
from adsim.types import Floats

CHARGE_ON = {"exposure": EXPOSURE, "click": CLICK, "conversion": CONVERSION}
HIGHEST_RATE = 1 - 1e-7
"""Rates are kept below 1, where their logit is finite."""
_TRAITS = 1000
"""Streams of per-campaign traits are numbered from here, those of the traffic from 0."""
_ZERO = np.float32(0)


class Tiles(NamedTuple):
    """Room for one tile of a market's traffic."""

    truth: Truth
    scratch: Scratch
    candidates: Candidates


class Traits(NamedTuple):
    """What the seeds give the campaigns of E markets; each (E, N)."""

    value: Floats
    quality: Floats
    ctr_bias: Floats
    cvr_bias: Floats


class Seeds:
    """Uniform draws of E markets addressed by (seed, trait, campaign): adding a campaign changes nobody else's."""

    def __init__(self, seeds: NDArray[np.uint64]) -> None:
        self.keys = np.array([mix(seed) for seed in seeds], np.uint64)

    def __len__(self) -> int:
        return self.keys.size

    def streams(self, first: int, count: int) -> NDArray[np.uint64]:
        """Keys of numbered streams, (E, count)."""
        keys = np.empty((self.keys.size, count), np.uint64)
        fill_streams(self.keys, first, keys)
        return keys

    def uniforms(self, trait: int, count: int) -> Floats:
        """One draw per campaign, (E, count)."""
        values = np.empty((self.keys.size, count))
        fill_uniforms(self.streams(_TRAITS + trait, 1)[:, 0], 0, values)
        return values

    def normals(self, trait: int, count: int) -> Floats:
        """One standard normal draw per campaign, (E, count)."""
        from scipy.special import ndtri

        return np.asarray(ndtri(np.maximum(self.uniforms(trait, count), 2.0**-53)))


class Trait:
    """Numbers of the per-campaign draws."""

    VALUE, QUALITY, CTR, CVR, BUDGET, TARGET, STOCK, BIAS = range(8)
    DIRECTIONS = 100


def draw_traits(scenario: Scenario, seeds: Seeds) -> Traits:
    """Values, quality and mean rates of all campaigns."""
    value = per_campaign(scenario, seeds, Trait.VALUE, lambda table: table.value)
    quality = per_campaign(scenario, seeds, Trait.QUALITY, lambda table: table.quality)
    traffic = scenario.traffic
    if not isinstance(traffic, ContextualTraffic):
        blank = np.zeros((len(seeds), scenario.size))
        return Traits(value, quality, blank, blank)
    index = np.arange(scenario.size)
    rates = [
        np.minimum(rate.sample(seeds.uniforms(trait, scenario.size), index), HIGHEST_RATE)
        for rate, trait in ((traffic.ctr, Trait.CTR), (traffic.cvr, Trait.CVR))
    ]
    ctr_bias, cvr_bias = (np.log(rate / (1 - rate)) for rate in rates)
    return Traits(value, quality, ctr_bias, cvr_bias)


def conversions_per_exposure(scenario: Scenario, traits: Traits) -> Floats:
    """True mean over all users, (E, N)."""
    traffic = scenario.traffic
    if not isinstance(traffic, ContextualTraffic):
        return np.ones_like(traits.value)
    ctr = _mean_rate(traits.ctr_bias, np.hypot(traffic.ctr_affinity, traffic.ctr_noise))
    return ctr * _mean_rate(traits.cvr_bias, np.hypot(traffic.cvr_affinity, traffic.cvr_noise))


def per_campaign(
    scenario: Scenario,
    seeds: Seeds,
    trait: int,
    field: Callable[[CampaignTable], Distribution | None],
    missing: float = 0.0,
) -> Floats:
    """A field of the campaign tables, drawn for each campaign; ``missing`` where a table lacks it; (E, N)."""
    uniforms = seeds.uniforms(trait, scenario.size)
    values, start = np.full_like(uniforms, missing), 0
    for table in scenario.campaigns:
        distribution, members = field(table), slice(start, start + table.count)
        if distribution is not None:
            values[:, members] = distribution.sample(uniforms[:, members], np.arange(table.count))
        start += table.count
    return values


def make_world(scenario: Scenario, seeds: Seeds, traits: Traits, laid: Laid, bounds: NDArray[np.int64]) -> World:
    """The compiled traffic's parameters."""
    shape = len(seeds), scenario.size
    traffic = scenario.traffic
    directions = np.zeros((2, *shape, DIMENSIONS), np.float32)
    noises, basket, experience, has_experience = (0.0, 0.0), 0.0, (0.0, 0.0, 0.0), False
    source, amounts = CATALOGUE, (CONSTANT, np.float32(1), _ZERO)
    if isinstance(traffic, ContextualTraffic):
        source = CONTEXTUAL
        directions = _directions(seeds, scenario.size, (traffic.ctr_affinity, traffic.cvr_affinity))
        noises, basket = (traffic.ctr_noise, traffic.cvr_noise), traffic.basket
        has_experience = traffic.experience is not None
        experience = _experience(traffic)
    elif isinstance(traffic, IndependentTraffic):
        source, amounts = INDEPENDENT, _compiled(traffic.value)
    elif isinstance(traffic, ClickTraffic):
        source = LAID
    elif isinstance(traffic, ForecastTraffic):
        source = FORECAST
    errors = _errors(scenario, seeds)
    biased = np.any(errors.ctr_bias != 1) or np.any(errors.cvr_bias != 1)
    return World(
        source=source,
        keys=seeds.streams(0, Stream.COUNT),
        value=traits.value.astype(np.float32),
        ctr_bias=traits.ctr_bias.astype(np.float32),
        ctr_direction=directions[0],
        ctr_noise=np.float32(noises[0]),
        cvr_bias=traits.cvr_bias.astype(np.float32),
        cvr_direction=directions[1],
        cvr_noise=np.float32(noises[1]),
        basket=_unbiased(basket),
        has_experience=has_experience,
        experience=(np.float32(experience[0]), np.float32(experience[1]), np.float32(experience[2])),
        amounts=amounts,
        catalogue=_catalogue(scenario, seeds),
        posted=_compiled(scenario.competition.price) if scenario.competition else (CONSTANT, _ZERO, _ZERO),
        has_posted=scenario.competition is not None,
        phases=_phases(scenario),
        has_errors=bool(errors.ctr_sigma or errors.cvr_sigma or errors.ctr_slope or biased),
        ctr_error=_unbiased(errors.ctr_sigma, coarse=True),
        cvr_error=_unbiased(errors.cvr_sigma, coarse=True),
        ctr_error_bias=errors.ctr_bias.reshape(shape).astype(np.float32),
        cvr_error_bias=errors.cvr_bias.reshape(shape).astype(np.float32),
        ctr_error_slope=np.float32(errors.ctr_slope),
        charge_on=CHARGE_ON[scenario.auction.charge],
        laid=laid,
        forecast=_forecast(scenario, seeds, bounds),
    )


def _errors(scenario: Scenario, seeds: Seeds) -> ErrorModel:
    """What distorts the truth; nothing where predictors learn."""
    normals = np.stack([seeds.normals(Trait.BIAS + k, scenario.size).ravel() for k in range(2)])
    predictor = Oracle() if scenario.predictor.learns else scenario.predictor.create()
    return predictor.errors(normals)


def make_tiles(world: World) -> Tiles:
    """Room for one tile; with posted competition, one candidate more than campaigns."""
    size = world.value.shape[1]
    rows = size + world.has_posted
    shape = rows, tile_width(rows)

    def ones() -> NDArray[np.float32]:
        return np.ones(shape, np.float32)

    truth = Truth(ones(), ones(), ones())
    apart = world.has_errors or world.laid.pctr.size > 0 or world.source == FORECAST
    pctr, pcvr = (ones(), ones()) if apart else (truth.ctr, truth.cvr)
    width = shape[1]
    scratch = Scratch(
        pctr,
        pcvr,
        np.zeros((world.catalogue.slope.shape[3] or DIMENSIONS, width), np.float32),
        np.ones(width, np.float32),
        np.zeros((2, width), np.float32),
        np.zeros(size, np.float32),
    )
    value = ones()
    candidates = Candidates(
        value=value,
        rate=pctr if world.charge_on == CLICK else ones(),
        quality=ones(),
        experience=np.zeros(shape, np.float32),
        liquid=value,
        multiplier=np.ones(rows, np.float32),
        cap=np.full(rows, UNCAPPED, np.float32),
        liquid_rate=np.ones(rows, np.float32),
    )
    return Tiles(truth, scratch, candidates)


def _directions(seeds: Seeds, size: int, strengths: tuple[float, float]) -> NDArray[np.float32]:
    """Directions in which campaigns like users, of given length; (2, E, N, 8)."""
    found = np.empty((2, len(seeds), size, DIMENSIONS), np.float32)
    for kind, strength in enumerate(strengths):
        first = Trait.DIRECTIONS + kind * DIMENSIONS
        normals = np.stack([seeds.normals(first + d, size) for d in range(DIMENSIONS)], axis=2)
        found[kind] = normals / np.linalg.norm(normals, axis=2, keepdims=True) * strength
    return found


def _experience(traffic: ContextualTraffic) -> tuple[float, float, float]:
    """Slope, spread and constant that give user experience its mean, spread and correlation with clicks."""
    table = traffic.experience
    if table is None:
        return 0.0, 0.0, 0.0
    spread = float(np.hypot(traffic.ctr_affinity, traffic.ctr_noise))
    correlation = table.correlation if spread > 0 else 0.0
    slope = table.sigma * correlation / spread if spread > 0 else 0.0
    own = table.sigma * float(np.sqrt(1 - correlation**2))
    growth = (slope * traffic.ctr_affinity) ** 2 / 2 + log_mean_exp(slope * traffic.ctr_noise) + log_mean_exp(own)
    return slope, own, float(np.log(table.mean)) - growth


def _catalogue(scenario: Scenario, seeds: Seeds) -> Catalogue:
    """The ads of campaigns with catalogues."""
    table = scenario.traffic
    if not isinstance(table, CatalogueTraffic):
        none = np.zeros((len(seeds), 0, 0), np.float32)
        return Catalogue(none.reshape(len(seeds), 0, 0, 0), none, none, _ZERO, _ZERO)
    ads = draw_ads(table, scenario.size, seeds)
    return Catalogue(
        slope=(-ads.embedding).astype(np.float32, order="C"),
        bias=(-ads.intercept - np.log(ads.value)).astype(np.float32, order="C"),
        inverse=(1 / ads.value).astype(np.float32, order="C"),
        seats=np.float32(table.seats(scenario.size)),
        spread=np.float32(table.spread),
    )


def _forecast(scenario: Scenario, seeds: Seeds, bounds: NDArray[np.int64]) -> Forecast:
    """Means and spreads of predictions, and what truth is like beside them."""
    table = scenario.traffic
    if not isinstance(table, ForecastTraffic):
        none = np.zeros((len(seeds), 0), np.float32)
        return Forecast(np.zeros((len(seeds), 0), np.int64), none[:, :, None], none[:, :, None], none, none)
    return Forecast(bounds, *table.draw(scenario.size, scenario.market.ticks, seeds))


def _phases(scenario: Scenario) -> Phases:
    """The period's phases, none without `[phases]`."""
    table = scenario.phases
    if table is None:
        return Phases(np.zeros(1, np.int64), np.zeros(0, np.float32), np.zeros(0, np.float32))
    span = scenario.market.opportunities
    return Phases(table.cuts(span), table.factors(table.value, span), table.factors(table.price, span))


def _unbiased(sigma: float, *, coarse: bool = False) -> tuple[np.float32, np.float32]:
    """Spread and constant of a log-normal factor of mean 1."""
    return np.float32(sigma), np.float32(-log_mean_exp(sigma, coarse=coarse) if sigma else 0.0)


def _compiled(distribution: Distribution) -> tuple[int, np.float32, np.float32]:
    """Code and parameters of a distribution that the kernels draw from."""
    if isinstance(distribution, Constant):
        return CONSTANT, np.float32(distribution.value), _ZERO
    if isinstance(distribution, Uniform):
        return UNIFORM, np.float32(distribution.low), np.float32(distribution.high)
    if isinstance(distribution, LogNormal):
        return LOGNORMAL, np.float32(distribution.median), np.float32(distribution.sigma)
    raise TypeError(f"{distribution} cannot be drawn per opportunity")


def _mean_rate(bias: Floats, spread: float) -> Floats:
    """Mean of sigmoid(bias + spread z), by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(31)
    rates = 1 / (1 + np.exp(-(bias[..., None] + spread * nodes)))
    return np.asarray(rates @ weights / weights.sum())
