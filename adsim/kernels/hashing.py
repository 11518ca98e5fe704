"""Features as slots of a table: the hashing trick (Weinberger et al. 2009, arXiv 0902.2206).

A slot is the top bits of ``mix(id + 1) ^ salt``, with a salt for each column, so that equal values of two fields get
different slots. Values outside a field's range share one slot of the field.
"""

from typing import Any, NamedTuple

import numpy as np

from adsim.kernels.counter import M1, mix
from adsim.kernels.jit import jit

F = np.float32


class Columns(NamedTuple):
    """How slots are made: plain columns first, whose value is 1, then entries of the history, then numbers."""

    fields: Any
    """Fields hashed into each column, -1 for none; int32 (columns, 2)."""
    salts: Any
    """uint64 (columns,)"""
    sizes: Any
    """Number of values of each field; int32 (fields,)."""
    numbers: Any
    """Which numbers have a column; int32 (those,)."""
    target: Any
    """Number of values of an entry of the history."""
    scale: Any
    """Value of the column of an entry; float32."""
    shift: Any
    """64 minus the bits of a slot; uint64."""


@jit
def hash_value(value, size):
    """64 bits for a value of a field; 0 for any value outside 0 to ``size - 1``."""
    known = value >= 0 and value < size
    return mix(np.uint64(value + 1 if known else 0))


@jit
def hash_pair(first, second):
    """64 bits for two hashed values, in their order."""
    return first * M1 + second


@jit
def hash_column(ids, fields, sizes):
    """64 bits for what one column holds of a row."""
    found = np.uint64(0)
    if fields[0] >= 0:
        found = hash_value(ids[fields[0]], sizes[fields[0]])
    if fields[1] >= 0:
        found = hash_pair(found, hash_value(ids[fields[1]], sizes[fields[1]]))
    return found


@jit
def fill_slots(ids, history, numbers, columns, slots, values):
    """Slots of all columns, and values of those that are not plain.

    ids (n, fields), history (n, length), numbers (n, m); slots int32 (n, columns), values float32
    (n, columns that are not plain).
    """
    fields, salts, sizes, shift = columns.fields, columns.salts, columns.sizes, columns.shift
    length, plain = history.shape[1], slots.shape[1] - values.shape[1]
    for i in range(slots.shape[0]):
        row, given, to, value = ids[i], numbers[i], slots[i], values[i]
        for c in range(plain):
            to[c] = np.int32((hash_column(row, fields[c], sizes) ^ salts[c]) >> shift)
        for k in range(length):
            entry = history[i, k]
            to[plain + k] = np.int32((hash_value(entry, columns.target) ^ salts[plain + k]) >> shift)
            value[k] = columns.scale if entry >= 0 and entry < columns.target else F(0)
        for k in range(columns.numbers.size):
            c = plain + length + k
            to[c] = np.int32((hash_column(row, fields[c], sizes) ^ salts[c]) >> shift)
            value[length + k] = given[columns.numbers[k]]


@jit
def fill_hashes(ids, sizes, which, hashes):
    """64 bits for some fields of each row; which (c,), hashes uint64 (c, n)."""
    for c in range(which.size):
        f, row = which[c], hashes[c]
        for i in range(row.size):
            row[i] = hash_value(ids[i, f], sizes[f])
