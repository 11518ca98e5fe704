"""The compiled side of supply: its parameters and the phases that fill one tile.

Nothing of `World` or `Truth` is ever handed to an agent or a mechanism; those get `Candidates`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim.kernels import catalogue, forecasts, traffic
from adsim.kernels.counter import stream
from adsim.kernels.jit import inline, jit
from adsim.kernels.settlement import CONVERSION

CONTEXTUAL, INDEPENDENT, LAID, CATALOGUE, FORECAST = range(5)
"""Sources of traffic."""

Singles = NDArray[np.float32]


class Phases(NamedTuple):
    """Parts of the period with factors of their own; P of them, 0 where amounts and prices are not scaled."""

    cuts: NDArray[np.int64]
    """First opportunity of each, and the number of all; (P + 1,)."""
    value: Singles
    """Factor on the value of a conversion; (P,)."""
    price: Singles
    """Factor on the posted competing bid; (P,)."""


class Laid(NamedTuple):
    """Traffic laid out ahead, from where features are drawn and predictors asked; of E markets, W opportunities.

    Without rows where traffic is drawn tile by tile; predictions and quality without where nobody has learned. An ad
    that cannot be shown yet has rates of 0.
    """

    first: NDArray[np.int64]
    """The opportunity in the first column; (1,)."""
    ctr: Singles
    """True rates; (E, N, W), of one market (N, W)."""
    cvr: Singles
    pctr: Singles
    """Predicted rates."""
    pcvr: Singles
    quality: Singles
    """What exploration multiplies scores with."""


class Catalogue(NamedTuple):
    """The ads of campaigns with catalogues, I each, as `adsim.kernels.catalogue.best_ad` takes them; else empty."""

    slope: Singles
    """(N, I, D)"""
    bias: Singles
    """(N, I)"""
    inverse: Singles
    """(N, I)"""
    seats: np.float32
    """Campaigns that take part."""
    spread: np.float32


class Forecast(NamedTuple):
    """Predictions that truth follows, as `adsim.kernels.forecasts` takes them; without rows in other worlds."""

    cuts: NDArray[np.int64]
    """First opportunity of each tick, and the number of all; (ticks + 1,)."""
    mean: Singles
    """(N, ticks)"""
    spread: Singles
    """(N, ticks)"""
    uncertainty: Singles
    """(N,)"""
    lean: Singles
    """(N,)"""


class World(NamedTuple):
    """Parameters of the traffic of a market of ``N`` campaigns; of E markets, arrays have E rows, see `world_of`."""

    source: int
    keys: NDArray[np.uint64]
    """One per random stream, in the order of `Stream`; (streams,)."""
    value: Singles
    """Value per conversion; (N,)."""
    ctr_bias: Singles
    ctr_direction: Singles
    """(N, 8)"""
    ctr_noise: np.float32
    cvr_bias: Singles
    cvr_direction: Singles
    cvr_noise: np.float32
    basket: tuple[np.float32, np.float32]
    """Spread and constant of the logarithm of an opportunity's basket; without spread, only phases change amounts."""
    has_experience: bool
    experience: tuple[np.float32, np.float32, np.float32]
    """Slope on the click logit, spread and constant of the logarithm of user experience."""
    amounts: tuple[int, np.float32, np.float32]
    """Distribution of the value draws of an independent source."""
    catalogue: Catalogue
    posted: tuple[int, np.float32, np.float32]
    """Distribution of the posted competing bid."""
    has_posted: bool
    phases: Phases
    has_errors: bool
    ctr_error: tuple[np.float32, np.float32]
    """Spread and constant of the logarithm of the prediction error."""
    cvr_error: tuple[np.float32, np.float32]
    ctr_error_bias: Singles
    cvr_error_bias: Singles
    ctr_error_slope: np.float32
    """Above 0 where errors distort the logits of click rates; bias and spread are then the logit's."""
    charge_on: int
    laid: Laid
    forecast: Forecast


class Stream:
    """Numbers of the random streams."""

    CONTEXT, CTR, CVR, BASKET, EXPERIENCE, AMOUNT, POSTED, ERRORS, SCAN, CLICKS, CONVERSIONS, AGENTS = range(12)
    COUNT = 12


CONTEXT, CTR, CVR, BASKET, EXPERIENCE, AMOUNT, POSTED, ERRORS = range(8)


class Truth(NamedTuple):
    """True rates and amounts of one tile; (M, B) each."""

    ctr: Singles
    cvr: Singles
    amount: Singles


class Scratch(NamedTuple):
    """Predictions and intermediate results of one tile."""

    pctr: Singles
    """(M, B); the array of true rates itself where predictions are perfect."""
    pcvr: Singles
    context: Singles
    """(8, B); of catalogues (D, B)."""
    basket: Singles
    """(B,)"""
    normals: Singles
    """(2, B)"""
    bound: Singles
    """Largest amount of each campaign on the tile; (N,)."""


@inline
def world_of(world, e):
    """One of several markets."""
    ads = world.catalogue
    return World(
        world.source,
        world.keys[e],
        world.value[e],
        world.ctr_bias[e],
        world.ctr_direction[e],
        world.ctr_noise,
        world.cvr_bias[e],
        world.cvr_direction[e],
        world.cvr_noise,
        world.basket,
        world.has_experience,
        world.experience,
        world.amounts,
        Catalogue(ads.slope[e], ads.bias[e], ads.inverse[e], ads.seats, ads.spread),
        world.posted,
        world.has_posted,
        world.phases,
        world.has_errors,
        world.ctr_error,
        world.cvr_error,
        world.ctr_error_bias[e],
        world.cvr_error_bias[e],
        world.ctr_error_slope,
        world.charge_on,
        Laid(
            world.laid.first,
            world.laid.ctr[e],
            world.laid.cvr[e],
            world.laid.pctr[e],
            world.laid.pcvr[e],
            world.laid.quality[e],
        ),
        Forecast(
            world.forecast.cuts[e],
            world.forecast.mean[e],
            world.forecast.spread[e],
            world.forecast.uncertainty[e],
            world.forecast.lean[e],
        ),
    )


@inline
def fill_tile(world, truth, scratch, candidates, first, width):
    """Draw opportunities ``first`` to ``first + width``: truth, predictions, then what candidates bid on."""
    count = world.value.size
    _draw(world, truth, scratch, candidates, first, count, width)
    phases, phased = world.phases, world.phases.value.size > 0
    if phased:
        largest = traffic.scale_phases(phases.cuts, phases.value, first, width, truth.amount, 0, count)
        for n in range(count):
            scratch.bound[n] *= largest
    _predict(world, truth, scratch, candidates.value, first, count, width)
    if world.charge_on == CONVERSION:
        traffic.conversion_rates(scratch.pctr, scratch.pcvr, candidates.rate, count, width)
    if world.has_posted:
        kind, a, b = world.posted
        traffic.draw_row(world.keys[POSTED], kind, a, b, first, candidates.value[count], width)
        if phased:
            traffic.scale_phases(phases.cuts, phases.price, first, width, candidates.value, count, count + 1)


@inline
def _draw(world, truth, scratch, candidates, first, count, width):
    """True rates and amounts."""
    if world.source == CONTEXTUAL:
        _contextual(world, truth, scratch, candidates.experience, first, count, width)
    elif world.source == LAID:
        _take(world.laid, first, truth.ctr, truth.cvr, scratch.pctr, scratch.pcvr, candidates.quality, width)
        if world.phases.value.size > 0:
            traffic.constant_amounts(world.value, truth.amount, scratch.bound, width)
    elif world.source == FORECAST:
        told = world.forecast
        forecasts.draw_forecasts(
            world.keys[CTR],
            first,
            told.cuts,
            told.mean,
            told.spread,
            told.uncertainty,
            told.lean,
            truth.ctr,
            scratch.pctr,
            width,
        )
        if world.phases.value.size > 0:
            traffic.constant_amounts(world.value, truth.amount, scratch.bound, width)
    elif world.source == CATALOGUE:
        _catalogue(world.keys, world.value, world.catalogue, truth.ctr, truth.amount, scratch, first, width)
    else:
        kind, a, b = world.amounts
        traffic.independent_amounts(
            world.keys[AMOUNT], kind, a, b, first, world.value, truth.amount, scratch.bound, width
        )


@inline
def _predict(world, truth, scratch, value, first, count, width):
    """Predicted rates, and the values that they promise."""
    if world.ctr_error_slope > 0:
        traffic.predict_distorted_logits(
            world.keys[ERRORS],
            first,
            truth,
            world.ctr_error_slope,
            world.ctr_error[0],
            world.ctr_error_bias,
            scratch.normals,
            scratch.pctr,
            scratch.pcvr,
            value,
            width,
        )
    elif world.has_errors:
        traffic.predict_with_errors(
            world.keys[ERRORS],
            first,
            truth,
            world.ctr_error,
            world.cvr_error,
            world.ctr_error_bias,
            world.cvr_error_bias,
            scratch.normals,
            scratch.pctr,
            scratch.pcvr,
            value,
            width,
        )
    else:
        traffic.predicted_values(scratch.pctr, scratch.pcvr, truth.amount, value, count, width)


@inline
def _contextual(world, truth, scratch, experience, first, count, width):
    keys, ctr, cvr = world.keys, truth.ctr, truth.cvr
    traffic.draw_contexts(keys[CONTEXT], first, scratch.context, width)
    traffic.affinity_logits(
        world.ctr_bias, world.ctr_direction, world.cvr_bias, world.cvr_direction, scratch.context, ctr, cvr, width
    )
    if world.ctr_noise > 0:
        traffic.add_noise(keys[CTR], world.ctr_noise, first, ctr, count, width)
    if world.has_experience:
        slope, sigma, constant = world.experience
        traffic.experience_scores(
            keys[EXPERIENCE], first, ctr, world.ctr_bias, slope, sigma, constant, experience, width
        )
    traffic.logits_to_rates(ctr, count, width)
    if world.cvr_noise > 0:
        traffic.add_noise(keys[CVR], world.cvr_noise, first, cvr, count, width)
    traffic.logits_to_rates(cvr, count, width)
    sigma, constant = world.basket
    if sigma > 0:
        traffic.basket_amounts(
            keys[BASKET], sigma, constant, first, world.value, scratch.basket, truth.amount, scratch.bound, width
        )
    elif world.phases.value.size > 0:
        traffic.constant_amounts(world.value, truth.amount, scratch.bound, width)


@jit
def _take(laid, first, ctr, cvr, pctr, pcvr, quality, width):
    """A tile of traffic that was laid out ahead."""
    column = first - laid.first[0]
    traffic.take_columns(laid.ctr, column, ctr, width)
    traffic.take_columns(laid.cvr, column, cvr, width)
    traffic.take_columns(laid.pctr, column, pctr, width)
    traffic.take_columns(laid.pcvr, column, pcvr, width)
    traffic.take_columns(laid.quality, column, quality, width)


@jit
def _catalogue(keys, value, ads, ctr, amount, scratch, first, width):
    """A campaign that takes no part has an amount of 0, and `adsim.market.markets.LEAST_BID` is more."""
    key, left = keys[AMOUNT], scratch.basket
    catalogue.draw_features(keys[CONTEXT], first, ads.spread, scratch.context, width)
    for t in range(width):
        left[t] = ads.seats
    cost, kept = scratch.normals[0], scratch.normals[1]
    for n in range(value.size):
        here = amount[n]
        catalogue.take_part(stream(key, n), first, value.size - n, left, here, width)
        catalogue.best_ad(ads.slope[n], ads.bias[n], ads.inverse[n], scratch.context, cost, kept, ctr[n], width)
        catalogue.rate_and_amount(value[n], cost, kept, here, ctr[n], amount[n], width)
        scratch.bound[n] = 0
        for i in range(ads.inverse.shape[1]):
            scratch.bound[n] = max(scratch.bound[n], value[n] / ads.inverse[n, i])
