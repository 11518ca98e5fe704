"""Bayesian logistic regression with a diagonal Laplace posterior, a row at a time.

Chapelle & Li, "An Empirical Evaluation of Thompson Sampling" (NeurIPS 2011), algorithm 3, with one Newton step a row
in place of an optimum per batch.
"""

import numpy as np

from adsim.kernels.jit import jit
from adsim.kernels.linear import probability

ONE, ZERO = np.float32(1), np.float32(0)
MEAN, VARIANCE = range(2)
"""Columns of the table: of each weight's posterior."""


@jit
def learn_laplace(slots, values, labels, weights, table):
    """One pass over rows, in their order; slots (n, c), values (n, c - plain), labels and weights (n,).

    The means make a Newton step of the row's log loss and their prior: with h = p (1 - p) and s the variances,
    ``m_j += s_j x_j (y - p) / (1 + h sum_k s_k x_k^2)``; then ``1 / s_j += h x_j^2``.
    """
    count, plain = slots.shape[1], slots.shape[1] - values.shape[1]
    intercept = table[table.shape[0] - 1]
    for i in range(slots.shape[0]):
        slot, logit, spread = slots[i], intercept[MEAN], intercept[VARIANCE]
        for j in range(plain):
            logit += table[slot[j], MEAN]
            spread += table[slot[j], VARIANCE]
        for j in range(plain, count):
            x = values[i, j - plain]
            logit += table[slot[j], MEAN] * x
            spread += table[slot[j], VARIANCE] * x * x
        p = probability(logit)
        curvature = p * (ONE - p) * weights[i]
        step = (labels[i] - p) * weights[i] / (ONE + curvature * spread)
        _move(intercept, ONE, step, curvature)
        for j in range(plain):
            _move(table[slot[j]], ONE, step, curvature)
        for j in range(plain, count):
            if values[i, j - plain] != ZERO:
                _move(table[slot[j]], values[i, j - plain], step, curvature)


@jit
def _move(row, x, step, curvature):
    row[MEAN] += row[VARIANCE] * step * x
    row[VARIANCE] = row[VARIANCE] / (ONE + curvature * x * x * row[VARIANCE])
