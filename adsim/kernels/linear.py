"""Sums of weights over the slots of a row, and of all ads over all opportunities of a block.

A table has a row of numbers per slot, and one more at its end for the intercept; its first column holds weights.
"""

import numpy as np

from adsim.kernels.bits import fma
from adsim.kernels.counter import draw, normal, stream
from adsim.kernels.elementary import sigmoid
from adsim.kernels.hashing import hash_pair
from adsim.kernels.jit import jit

F = np.float32
LARGEST_LOGIT = F(15)
"""Probabilities stay between 3e-7 and 1 - 3e-7, so that every log loss is finite."""


@jit
def probability(logit):
    """Sigmoid of a logit, held between -15 and 15."""
    return sigmoid(min(max(logit, -LARGEST_LOGIT), LARGEST_LOGIT))


@jit
def sum_weights(slots, values, table, column, start, sums):
    """``start + sum_j table[slot_j, column] x_j`` of each row; slots (n, c), values (n, c - plain), sums (n,)."""
    count, plain = slots.shape[1], slots.shape[1] - values.shape[1]
    for i in range(slots.shape[0]):
        slot, total = slots[i], start
        for j in range(plain):
            total += table[slot[j], column]
        for j in range(plain, count):
            total += table[slot[j], column] * values[i, j - plain]
        sums[i] = total


@jit
def add_outer(of_context, of_ad, sums):
    """``sums[a, t] = of_context[t] + of_ad[a]``."""
    for a in range(of_ad.size):
        own, row = of_ad[a], sums[a]
        for t in range(of_context.size):
            row[t] = of_context[t] + own


@jit
def add_products(of_ad, of_context, sums):
    """``sums[a, t] += sum_k of_ad[a, k] of_context[k, t]``; of_ad (N, k), of_context (k, n)."""
    count, width = of_context.shape
    whole = count // 4 * 4
    for a in range(of_ad.shape[0]):
        own, row = of_ad[a], sums[a]
        for k in range(0, whole, 4):
            w0, w1, w2, w3 = own[k], own[k + 1], own[k + 2], own[k + 3]
            c0, c1, c2, c3 = of_context[k], of_context[k + 1], of_context[k + 2], of_context[k + 3]
            for t in range(width):
                row[t] = fma(w3, c3[t], fma(w2, c2[t], fma(w1, c1[t], fma(w0, c0[t], row[t]))))
        for k in range(whole, count):
            w, c = own[k], of_context[k]
            for t in range(width):
                row[t] = fma(w, c[t], row[t])


@jit
def add_crosses(of_context, of_ad, reverse, salts, shift, table, column, sums):
    """Add the weights of crosses of a context field and an ad field, given hashes (crosses, n) and (crosses, N).

    ``reverse`` (crosses,) tells where the ad field comes first.
    """
    for a in range(sums.shape[0]):
        row = sums[a]
        for c in range(salts.size):
            own, context, salt = of_ad[c, a], of_context[c], salts[c]
            for t in range(context.size):
                found = hash_pair(own, context[t]) if reverse[c] else hash_pair(context[t], own)
                row[t] += table[np.int64((found ^ salt) >> shift), column]


@jit
def logits_to_probabilities(logits):
    """Replace logits (ads, opportunities) by probabilities."""
    for a in range(logits.shape[0]):
        row = logits[a]
        for t in range(row.size):
            row[t] = probability(row[t])


@jit
def sample_probabilities(key, first, scale, logits, variances):
    """Replace logits by probabilities of normal draws around them, ``scale`` deviations wide.

    The draw of ad ``a`` and opportunity ``t`` is a function of (key, a, first + t).
    """
    origin = np.uint64(first)
    for a in range(logits.shape[0]):
        key_a, row, variance = stream(key, a), logits[a], variances[a]
        for t in range(np.uint64(row.size)):
            spread = scale * np.sqrt(variance[t])
            row[t] = probability(fma(spread, normal(draw(key_a, origin + t)), row[t]))
