"""Phases that draw a tile of opportunities: contexts, true rates, amounts, user experience, posted prices.

Each phase is a flat loop over one tile; opportunity ``t`` of the tile is number ``first + t`` of the period, and
every draw is addressed by that number, so that neither the tile width nor the ticks change a single bit.
"""

import numpy as np

from adsim.kernels.bits import fma
from adsim.kernels.counter import coarse_normals, draw, normal, normal_pair, stream, uniform
from adsim.kernels.elementary import exp, log, sigmoid
from adsim.kernels.jit import jit

DIMENSIONS = 8
"""Latent features of a context: what fits the registers of one pass."""

NEAREST = np.float32(1e-7)
"""Of a rate to 0 and 1 for a finite logit."""
CONSTANT, UNIFORM, LOGNORMAL = range(3)
"""Distributions of a draw: ``a``; uniform on [a, b); ``a exp(b z)``."""


@jit
def draw_contexts(key, first, context, width):
    """Independent standard normal features, (DIMENSIONS, width)."""
    origin = np.uint64(first)
    for d in range(0, DIMENSIONS, 2):
        key_d = stream(key, d)
        for t in range(np.uint64(width)):
            x, y = normal_pair(draw(key_d, origin + t))
            context[d, t] = x
            context[d + 1, t] = y


@jit
def affinity_logits(ctr_bias, ctr_direction, cvr_bias, cvr_direction, context, ctr, cvr, width):
    """``bias[n] + direction[n] . context[:, t]`` for clicks and conversions: each context is read once for both."""
    c0, c1, c2, c3 = context[0], context[1], context[2], context[3]
    c4, c5, c6, c7 = context[4], context[5], context[6], context[7]
    for n in range(ctr_bias.size):
        d, e = ctr_direction[n], cvr_direction[n]
        d0, d1, d2, d3, d4, d5, d6, d7 = d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]
        e0, e1, e2, e3, e4, e5, e6, e7 = e[0], e[1], e[2], e[3], e[4], e[5], e[6], e[7]
        click, buy, a, b = ctr[n], cvr[n], ctr_bias[n], cvr_bias[n]
        for t in range(np.uint64(width)):
            x = fma(d3, c3[t], fma(d2, c2[t], fma(d1, c1[t], fma(d0, c0[t], a))))
            y = fma(e3, c3[t], fma(e2, c2[t], fma(e1, c1[t], fma(e0, c0[t], b))))
            click[t] = fma(d7, c7[t], fma(d6, c6[t], fma(d5, c5[t], fma(d4, c4[t], x))))
            buy[t] = fma(e7, c7[t], fma(e6, c6[t], fma(e5, c5[t], fma(e4, c4[t], y))))


@jit
def add_noise(key, sigma, first, logit, count, width):
    """Add ``sigma`` times an own normal draw to each pair of campaign and opportunity."""
    origin = np.uint64(first)
    for n in range(count):
        key_n, row = stream(key, n), logit[n]
        for t in range(np.uint64(width)):
            row[t] = fma(sigma, normal(draw(key_n, origin + t)), row[t])


@jit
def logits_to_rates(logit, count, width):
    """Replace logits by probabilities."""
    for n in range(count):
        row = logit[n]
        for t in range(np.uint64(width)):
            row[t] = sigmoid(row[t])


@jit
def experience_scores(key, first, logit, bias, slope, sigma, constant, experience, width):
    """Log-normal scores ``exp(slope (logit - bias) + sigma z + constant)``, correlated with the click logit."""
    origin = np.uint64(first)
    for n in range(bias.size):
        key_n, row, out, b = stream(key, n), logit[n], experience[n], bias[n]
        for t in range(np.uint64(width)):
            out[t] = exp(fma(slope, row[t] - b, fma(sigma, normal(draw(key_n, origin + t)), constant)))


@jit
def sample(kind, a, b, word):
    """One draw of a distribution from a random word."""
    if kind == UNIFORM:
        return fma(b - a, uniform(word), a)
    if kind == LOGNORMAL:
        x, _ = normal_pair(word)
        return a * exp(b * x)
    return a


@jit
def draw_row(key, kind, a, b, first, row, width):
    """A row of independent draws of one distribution."""
    origin = np.uint64(first)
    if kind == UNIFORM:
        for t in range(np.uint64(width)):
            row[t] = sample(UNIFORM, a, b, draw(key, origin + t))
    elif kind == LOGNORMAL:
        for t in range(np.uint64(width)):
            row[t] = sample(LOGNORMAL, a, b, draw(key, origin + t))
    else:
        for t in range(np.uint64(width)):
            row[t] = a


@jit
def basket_amounts(key, sigma, constant, first, value, basket, amount, bound, width):
    """Value of a conversion: the campaign's value times the opportunity's basket ``exp(sigma z + constant)``.

    ``bound`` gets each campaign's largest amount on the tile.
    """
    origin = np.uint64(first)
    largest = basket[0] - basket[0]
    for t in range(np.uint64(width)):
        basket[t] = exp(fma(sigma, normal(draw(key, origin + t)), constant))
        largest = max(largest, basket[t])
    for n in range(value.size):
        v, row = value[n], amount[n]
        bound[n] = v * largest
        for t in range(np.uint64(width)):
            row[t] = v * basket[t]


@jit
def constant_amounts(value, amount, bound, width):
    """Value of a conversion: the campaign's value."""
    for n in range(value.size):
        v, row = value[n], amount[n]
        bound[n] = v
        for t in range(np.uint64(width)):
            row[t] = v


@jit
def independent_amounts(key, kind, a, b, first, value, amount, bound, width):
    """Value of a conversion: the campaign's value times an own draw for each opportunity."""
    for n in range(value.size):
        v, row = value[n], amount[n]
        draw_row(stream(key, n), kind, a, b, first, row, width)
        largest = v - v
        for t in range(np.uint64(width)):
            row[t] = v * row[t]
            largest = max(largest, row[t])
        bound[n] = largest


@jit
def scale_phases(cuts, factor, first, width, rows, begin, end):
    """Multiply ``rows[begin:end]`` by the factor of each opportunity's phase; returns the largest factor on the tile.

    Phase ``p`` lasts from opportunity ``cuts[p]`` of the period to ``cuts[p + 1]``.
    """
    p, after = 0, factor.size
    while after - p > 1:
        middle = (p + after) // 2
        if cuts[middle] <= first:
            p = middle
        else:
            after = middle
    largest = factor[p]
    while p < factor.size and cuts[p] < first + width:
        x, start, stop = factor[p], max(cuts[p] - first, 0), min(cuts[p + 1] - first, width)
        largest = max(largest, x)
        for n in range(begin, end):
            row = rows[n]
            for t in range(np.uint64(start), np.uint64(stop)):
                row[t] *= x
        p += 1
    return largest


@jit
def predict_with_errors(
    key, first, truth, ctr_error, cvr_error, ctr_bias, cvr_bias, normals, pctr, pcvr, value, width
):
    """``min(1, rate * bias * exp(sigma z + constant))`` for both rates, and the value per exposure they predict.

    Log-normal errors of prescribed bias and spread; ``ctr_error`` and ``cvr_error`` are (sigma, constant). Three
    short loops over a row are faster than one long one, which runs out of registers; ``normals`` is their scratch.
    """
    ctr, cvr, amount = truth
    (ctr_sigma, ctr_constant), (cvr_sigma, cvr_constant) = ctr_error, cvr_error
    for n in range(ctr_bias.size):
        _draw_normals(stream(key, n), first, normals[0], normals[1], width)
        _distort(ctr[n], ctr_bias[n], ctr_sigma, ctr_constant, normals[0], pctr[n], width)
        _distort(cvr[n], cvr_bias[n], cvr_sigma, cvr_constant, normals[1], pcvr[n], width)
        _multiply(pctr[n], pcvr[n], amount[n], value[n], width)


@jit
def predict_distorted_logits(key, first, truth, slope, sigma, bias, normals, pctr, pcvr, value, width):
    """``logit(pCTR) = slope logit(CTR) + bias + sigma z``, exact pCVR, and the value per exposure they predict.

    True rates within 1e-7 of 0 or 1 count as that far from it; ``normals`` is scratch.
    """
    ctr, cvr, amount = truth
    for n in range(bias.size):
        rate, out, b, z, exact, same = ctr[n], pctr[n], bias[n], normals[0], cvr[n], pcvr[n]
        _draw_normals(stream(key, n), first, z, normals[1], width)
        for t in range(np.uint64(width)):
            p = min(max(rate[t], NEAREST), np.float32(1) - NEAREST)
            logit = log(p) - log(np.float32(1) - p)
            out[t] = sigmoid(fma(slope, logit, fma(sigma, z[t], b)))
            same[t] = exact[t]
        _multiply(out, same, amount[n], value[n], width)


@jit
def _draw_normals(key, first, x, y, width):
    origin = np.uint64(first)
    for t in range(np.uint64(width)):
        x[t], y[t] = coarse_normals(draw(key, origin + t))


@jit
def _distort(rate, bias, sigma, constant, z, predicted, width):
    for t in range(np.uint64(width)):
        predicted[t] = min(np.float32(1), rate[t] * bias * exp(fma(sigma, z[t], constant)))


@jit
def _multiply(x, y, z, product, width):
    for t in range(np.uint64(width)):
        product[t] = x[t] * y[t] * z[t]


@jit
def predict_exactly(truth, value, count, width):
    """The value per exposure that perfect predictions give: CTR * CVR * amount."""
    ctr, cvr, amount = truth
    for n in range(count):
        _multiply(ctr[n], cvr[n], amount[n], value[n], width)


@jit
def conversion_rates(pctr, pcvr, rate, count, width):
    """Predicted conversions per exposure: pCTR * pCVR."""
    for n in range(count):
        x, y, out = pctr[n], pcvr[n], rate[n]
        for t in range(np.uint64(width)):
            out[t] = x[t] * y[t]
