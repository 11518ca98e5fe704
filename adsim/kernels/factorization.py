"""Factorization machines: a weight and a vector for each slot, which meet in inner products; Adagrad for each number.

Rendle, "Factorization Machines" (ICDM 2010). A table's row is ``[w, G, v_1 .. v_k, G_1 .. G_k]``, the G being sums of
squared gradients; the last row is the intercept's. The number of factors is unsigned and not known when kernels are
compiled: loops over it vectorise then, where a constant number would be unrolled into single operations.
"""

from typing import Any, NamedTuple

import numpy as np

from adsim.kernels.jit import jit
from adsim.kernels.linear import probability

F = np.float32
HALF, ONE, ZERO = F(0.5), F(1), F(0)


class Adagrad(NamedTuple):
    """Float32 each."""

    rate: Any
    """Learning rate."""
    l2: Any
    """Penalty on the numbers that a row touches."""


@jit
def sum_factors(slots, values, table, factors, start, logits, sums, squares):
    """Logits and vectors of rows.

    ``logit = start + sum_j w_j x_j + (|S|^2 - sum_j |v_j x_j|^2) / 2``, ``S = sum_j v_j x_j``; slots (n, c), values
    (n, c - plain), logits (n,), sums (n, k), squares (k,) as scratch.
    """
    for i in range(slots.shape[0]):
        linear = _sum_row(slots[i], values[i], table, factors, sums[i], squares)
        logits[i] = start + linear + _crosses(factors, sums[i], squares)


@jit
def learn_factors(slots, values, labels, weights, table, rule, factors, total, squares):
    """One pass over rows, in their order; slots (n, c), values (n, c - plain), labels and weights (n,).

    Scratch: total, squares (k,). Features that occur in the same row are updated one after another.
    """
    count, plain = slots.shape[1], slots.shape[1] - values.shape[1]
    intercept = table[table.shape[0] - 1]
    for i in range(slots.shape[0]):
        linear = _sum_row(slots[i], values[i], table, factors, total, squares)
        p = probability(intercept[0] + linear + _crosses(factors, total, squares))
        error = (p - labels[i]) * weights[i]
        step(intercept, 0, 1, error, rule.rate)
        for j in range(count):
            x = ONE if j < plain else values[i, j - plain]
            if x != ZERO:
                row, slope = table[slots[i, j]], error * x
                step(row, 0, 1, slope + rule.l2 * row[0], rule.rate)
                for k in range(factors):
                    v = row[2 + k]
                    step(row, 2 + k, 2 + factors + k, slope * (total[k] - v * x) + rule.l2 * v, rule.rate)


@jit
def step(row, number, squares, gradient, rate):
    """Adagrad (Duchi, Hazan & Singer 2011): ``G += g^2``, ``w -= rate g / sqrt(G)``."""
    total = row[squares] + gradient * gradient
    row[squares] = total
    row[number] -= rate * gradient / np.sqrt(total)


@jit
def _sum_row(slot, value, table, factors, total, squares):
    """The linear part; ``total[k] = sum_j v_jk x_j`` and ``squares[k] = sum_j (v_jk x_j)^2`` are filled."""
    linear, plain = ZERO, slot.size - value.size
    for k in range(factors):
        total[k] = ZERO
        squares[k] = ZERO
    for j in range(slot.size):
        row, x = table[slot[j]], ONE if j < plain else value[j - plain]
        linear += row[0] * x
        for k in range(factors):
            v = row[2 + k] * x
            total[k] += v
            squares[k] += v * v
    return linear


@jit
def _crosses(factors, total, squares):
    crosses = ZERO
    for k in range(factors):
        crosses += total[k] * total[k] - squares[k]
    return HALF * crosses
