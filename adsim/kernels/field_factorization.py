"""Field-weighted factorization machines: fields meet in inner products, each pair of fields with a learnt weight.

Pan et al., "Field-weighted Factorization Machines for Click-Through Rate Prediction" (WWW 2018, arXiv 1806.03514).
Tables are those of `adsim.kernels.factorization`. Columns of one field, as the entries of a history, are added up
first, and do not meet each other.
"""

import numpy as np

from adsim.kernels.factorization import HALF, ONE, ZERO, step
from adsim.kernels.jit import jit
from adsim.kernels.linear import probability


@jit
def sum_fields(slots, values, fields, table, start, strength, factors, logits, vectors, scratch):
    """Logits and the fields' vectors of rows.

    ``logit = start + sum_j w_j x_j + sum_{f < g} r_fg <E_f, E_g>``, ``E_f = sum_{j in f} v_j x_j``; fields (c,),
    strength r (f, f), symmetric with a zero diagonal; logits (n,), vectors (n, f, k), scratch (f, k).
    """
    for i in range(slots.shape[0]):
        linear = _sum_row(slots[i], values[i], fields, table, factors, vectors[i])
        logits[i] = start + linear + _crosses(strength, factors, vectors[i], scratch)


@jit
def mix_fields(vectors, strength, factors, mixed):
    """``mixed[i, g] = sum_f r_fg E_f`` of each row; vectors (n, f, k), strength (f, g), mixed (n, g, k)."""
    for i in range(vectors.shape[0]):
        for g in range(strength.shape[1]):
            for k in range(factors):
                mixed[i, g, k] = ZERO
            for f in range(strength.shape[0]):
                r = strength[f, g]
                for k in range(factors):
                    mixed[i, g, k] += r * vectors[i, f, k]


@jit
def learn_fields(slots, values, fields, labels, weights, table, strength, squares, rule, factors, vectors, mixed):
    """One pass over rows, in their order; slots (n, c), values (n, c - plain), labels and weights (n,).

    ``squares`` (f, f) are Adagrad's of the upper half of ``strength``; scratch: vectors, mixed (f, k).
    """
    plain = slots.shape[1] - values.shape[1]
    intercept = table[table.shape[0] - 1]
    for i in range(slots.shape[0]):
        linear = _sum_row(slots[i], values[i], fields, table, factors, vectors)
        p = probability(intercept[0] + linear + _crosses(strength, factors, vectors, mixed))
        error = (p - labels[i]) * weights[i]
        step(intercept, 0, 1, error, rule.rate)
        _move_strength(strength, squares, vectors, error, rule.rate, factors)
        for j in range(slots.shape[1]):
            x = ONE if j < plain else values[i, j - plain]
            if x != ZERO:
                row, slope, meets = table[slots[i, j]], error * x, mixed[fields[j]]
                step(row, 0, 1, slope + rule.l2 * row[0], rule.rate)
                for k in range(factors):
                    gradient = slope * meets[k] + rule.l2 * row[2 + k]
                    step(row, 2 + k, 2 + factors + k, gradient, rule.rate)


@jit
def _move_strength(strength, squares, vectors, error, rate, factors):
    for f in range(strength.shape[0]):
        for g in range(f + 1, strength.shape[0]):
            product = ZERO
            for k in range(factors):
                product += vectors[f, k] * vectors[g, k]
            gradient = error * product
            total = squares[f, g] + gradient * gradient
            squares[f, g] = total
            moved = strength[f, g] - rate * gradient / np.sqrt(total)
            strength[f, g] = moved
            strength[g, f] = moved


@jit
def _sum_row(slot, value, fields, table, factors, vectors):
    """The linear part; the fields' vectors are filled."""
    linear, plain = ZERO, slot.size - value.size
    for f in range(vectors.shape[0]):
        for k in range(factors):
            vectors[f, k] = ZERO
    for j in range(slot.size):
        row, x, to = table[slot[j]], ONE if j < plain else value[j - plain], vectors[fields[j]]
        linear += row[0] * x
        for k in range(factors):
            to[k] += row[2 + k] * x
    return linear


@jit
def _crosses(strength, factors, vectors, mixed):
    """``sum_{f < g} r_fg <E_f, E_g>``; ``mixed[f] = sum_g r_fg E_g`` is filled."""
    crosses = ZERO
    for f in range(strength.shape[0]):
        to = mixed[f]
        for k in range(factors):
            to[k] = ZERO
        for g in range(strength.shape[0]):
            r = strength[f, g]
            for k in range(factors):
                to[k] += r * vectors[g, k]
        for k in range(factors):
            crosses += to[k] * vectors[f, k]
    return HALF * crosses
