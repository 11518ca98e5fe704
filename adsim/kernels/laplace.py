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
    """One pass over rows, in their order; slots (n, c), values (n, c - plain), labels and weights (n,)."""
    count, plain = slots.shape[1], slots.shape[1] - values.shape[1]
    intercept = table[table.shape[0] - 1]
    for i in range(slots.shape[0]):
        slot, logit = slots[i], intercept[MEAN]
        for j in range(plain):
            logit += table[slot[j], MEAN]
        for j in range(plain, count):
            logit += table[slot[j], MEAN] * values[i, j - plain]
        p = probability(logit)
        residual, curvature = (labels[i] - p) * weights[i], p * (ONE - p) * weights[i]
        _move(intercept, ONE, residual, curvature)
        for j in range(plain):
            _move(table[slot[j]], ONE, residual, curvature)
        for j in range(plain, count):
            if values[i, j - plain] != ZERO:
                _move(table[slot[j]], values[i, j - plain], residual, curvature)


@jit
def _move(row, x, residual, curvature):
    """``1 / s += p (1 - p) x^2``, ``m += s (y - p) x``."""
    variance = row[VARIANCE] / (ONE + curvature * x * x * row[VARIANCE])
    row[VARIANCE] = variance
    row[MEAN] += variance * residual * x
