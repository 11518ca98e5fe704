"""Field-weighted factorization machines: fields meet in inner products, each pair of fields with a learnt weight.

Pan et al., "Field-weighted Factorization Machines for Click-Through Rate Prediction" (WWW 2018, arXiv 1806.03514).
Tables are those of `adsim.kernels.factorization`. Columns of one field, as the entries of a history, are added up
first, and do not meet each other. Fields are the inner axis, filled up to a multiple of `LANES` by fields that have
neither features nor strength: loops over fields are longer than loops over factors.
"""

import numpy as np

from adsim.kernels.factorization import HALF, ONE, ZERO, step
from adsim.kernels.jit import jit
from adsim.kernels.linear import probability

LANES = 8


@jit
def sum_fields(slots, values, fields, table, start, strength, logits, vectors, mixed, products):
    """Logits and the fields' vectors of rows.

    ``logit = start + sum_j w_j x_j + sum_{f < g} r_fg <E_f, E_g>``, ``E_f = sum_{j in f} v_j x_j``; fields (c,),
    strength r (f, f), symmetric with a zero diagonal; logits (n,), vectors (n, k, f); scratch: mixed
    (k, f), products (f,).
    """
    for i in range(slots.shape[0]):
        linear = _sum_row(slots[i], values[i], fields, table, vectors[i])
        mix_row(vectors[i], strength, mixed)
        logits[i] = start + linear + _crosses(vectors[i], mixed, products)


@jit
def mix_fields(vectors, strength, mixed):
    """``mixed[i, k, g] = sum_f r_fg E_fk`` of each row; vectors (n, k, f), strength (f, g), mixed (n, k, g)."""
    for i in range(vectors.shape[0]):
        mix_row(vectors[i], strength, mixed[i])


@jit
def learn_fields(slots, values, fields, labels, weights, table, strength, squares, rule, scratch):
    """One pass over rows, in their order; slots (n, c), values (n, c - plain), labels and weights (n,).

    ``squares`` (f, f) are Adagrad's for ``strength``; scratch: vectors, mixed (k, f), products (f,), meets (k,).
    """
    vectors, mixed, products, meets = scratch
    factors, plain = np.uint64(meets.size), slots.shape[1] - values.shape[1]
    intercept = table[table.shape[0] - 1]
    for i in range(slots.shape[0]):
        linear = _sum_row(slots[i], values[i], fields, table, vectors)
        mix_row(vectors, strength, mixed)
        error = (probability(intercept[0] + linear + _crosses(vectors, mixed, products)) - labels[i]) * weights[i]
        for j in range(slots.shape[1]):
            x = ONE if j < plain else values[i, j - plain]
            if x != ZERO:
                row, slope, f = table[slots[i, j]], error * x, fields[j]
                step(row, 0, 1, slope + rule.l2 * row[0], rule.rate)
                for k in range(meets.size):
                    meets[k] = mixed[k, f]
                for k in range(factors):
                    gradient = slope * meets[k] + rule.l2 * row[2 + k]
                    step(row, 2 + k, 2 + factors + k, gradient, rule.rate)
        step(intercept, 0, 1, error, rule.rate)
        _move_strength(strength, squares, vectors, error, rule.rate, products)


@jit
def mix_row(vectors, strength, mixed):
    """``mixed[k, g] = sum_f r_fg E_fk``; vectors (k, f), strength (f, g), mixed (k, g)."""
    for k in range(vectors.shape[0]):
        x, to = vectors[k], mixed[k]
        for g in range(np.uint64(strength.shape[1])):
            to[g] = ZERO
        for f in range(0, strength.shape[0], 4):
            x0, x1, x2, x3 = x[f], x[f + 1], x[f + 2], x[f + 3]
            r0, r1, r2, r3 = strength[f], strength[f + 1], strength[f + 2], strength[f + 3]
            for g in range(np.uint64(strength.shape[1])):
                to[g] += x0 * r0[g] + x1 * r1[g] + x2 * r2[g] + x3 * r3[g]


@jit
def _move_strength(strength, squares, vectors, error, rate, products):
    """Both halves of the matrix alike, so that it stays symmetric; ``products`` (f,) is scratch."""
    whole = vectors.shape[0] // 4 * 4
    for f in range(strength.shape[0]):
        row, total = strength[f], squares[f]
        for g in range(np.uint64(products.size)):
            products[g] = ZERO
        for k in range(0, whole, 4):
            x0, x1, x2, x3 = vectors[k, f], vectors[k + 1, f], vectors[k + 2, f], vectors[k + 3, f]
            v0, v1, v2, v3 = vectors[k], vectors[k + 1], vectors[k + 2], vectors[k + 3]
            for g in range(np.uint64(products.size)):
                products[g] += x0 * v0[g] + x1 * v1[g] + x2 * v2[g] + x3 * v3[g]
        for k in range(whole, vectors.shape[0]):
            x, v = vectors[k, f], vectors[k]
            for g in range(np.uint64(products.size)):
                products[g] += x * v[g]
        for g in range(np.uint64(products.size)):
            gradient = error * products[g]
            total[g] += gradient * gradient
            row[g] -= rate * gradient / np.sqrt(total[g])
        row[f] = ZERO


@jit
def _sum_row(slot, value, fields, table, vectors):
    """The linear part; the fields' vectors are filled."""
    linear, plain = ZERO, slot.size - value.size
    vectors[:] = ZERO
    for j in range(slot.size):
        row, x, f = table[slot[j]], ONE if j < plain else value[j - plain], fields[j]
        linear += row[0] * x
        for k in range(vectors.shape[0]):
            vectors[k, f] += row[2 + k] * x
    return linear


@jit
def _crosses(vectors, mixed, products):
    """``sum_{f < g} r_fg <E_f, E_g>``, half of ``sum_f <E_f, sum_g r_fg E_g>``."""
    crosses = ZERO
    products[:] = ZERO
    for k in range(vectors.shape[0]):
        x, y = vectors[k], mixed[k]
        for f in range(np.uint64(products.size)):
            products[f] += x[f] * y[f]
    for f in range(products.size):
        crosses += products[f]
    return HALF * crosses
