"""Logistic regression by FTRL-proximal.

McMahan et al., "Ad Click Prediction: a View from the Trenches" (KDD 2013).
"""

from typing import Any, NamedTuple

import numpy as np

from adsim.kernels.jit import jit
from adsim.kernels.linear import probability

F = np.float32
ONE, ZERO = F(1), F(0)
WEIGHT, Z, SQUARES, ROOT = range(4)
"""Columns of the table: w; z; n, the sum of squared gradients; its root."""


class Rule(NamedTuple):
    """Float32 each."""

    speed: Any
    """Inverse of the learning rate alpha."""
    beta: Any
    """Smooths the learning rate of rare features."""
    l1: Any
    l2: Any


@jit
def learn_ftrl(slots, values, labels, weights, table, rule):
    """One pass over rows, in their order; slots (n, c), values (n, c - plain), labels and weights (n,).

    Features that occur in the same row are updated one after another.
    """
    count, plain = slots.shape[1], slots.shape[1] - values.shape[1]
    intercept = table[table.shape[0] - 1]
    for i in range(slots.shape[0]):
        slot, logit = slots[i], intercept[WEIGHT]
        for j in range(plain):
            logit += table[slot[j], WEIGHT]
        for j in range(plain, count):
            logit += table[slot[j], WEIGHT] * values[i, j - plain]
        error = (probability(logit) - labels[i]) * weights[i]
        _move(intercept, error, rule)
        for j in range(plain):
            _move(table[slot[j]], error, rule)
        for j in range(plain, count):
            if values[i, j - plain] != ZERO:
                _move(table[slot[j]], error * values[i, j - plain], rule)


@jit
def _move(row, gradient, rule):
    """``z += g - (sqrt(n + g^2) - sqrt(n)) w / alpha``, ``n += g^2``.

    Then ``w = (sgn(z) l1 - z) / ((beta + sqrt(n)) / alpha + l2)`` where ``|z| > l1``, else 0.
    """
    squares = row[SQUARES] + gradient * gradient
    root = np.sqrt(squares)
    z = row[Z] + (gradient - (root - row[ROOT]) * rule.speed * row[WEIGHT])
    row[WEIGHT] = (
        (np.copysign(rule.l1, z) - z) / ((rule.beta + root) * rule.speed + rule.l2) if abs(z) > rule.l1 else ZERO
    )
    row[Z], row[SQUARES], row[ROOT] = z, squares, root
