"""Features as slots of a table: the hashing trick (Weinberger et al. 2009, arXiv 0902.2206).

A slot is the top bits of ``mix(id + 1) ^ salt``, with a salt for each column, so that equal values of two fields get
different slots. Values outside a field's range share one slot of the field.
"""

from typing import Any, NamedTuple

import numpy as np

from adsim.kernels.counter import M1, mix
from adsim.kernels.jit import jit

F = np.float32
NONE, ONE = np.uint32(0), np.uint32(1)
NOTHING = np.uint64(0)


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
    raw = np.uint32(value)
    return mix(np.uint64(raw + ONE if raw < np.uint32(size) else NONE))


@jit
def hash_pair(first, second):
    """64 bits for two hashed values, in their order."""
    return first * M1 + second


@jit
def fill_slots(ids, history, numbers, columns, slots, values, raw, words):
    """Slots of all columns, and values of those that are not plain; a column at a time, which vectorises.

    ids (n, fields), history (n, length), numbers (n, m); slots int32 (n, columns), values float32
    (n, columns that are not plain); scratch: raw int32 (n,), words uint64 (2, n).
    """
    length, plain = history.shape[1], slots.shape[1] - values.shape[1]
    for c in range(slots.shape[1]):
        if plain <= c < plain + length:
            _hash_entries(history, c - plain, columns, values, raw, words[0])
        else:
            _hash_fields(ids, columns.fields[c], columns.sizes, raw, words)
        salt, word = columns.salts[c], words[0]
        for i in range(np.uint64(raw.size)):
            raw[i] = np.int32((word[i] ^ salt) >> columns.shift)
        for i in range(raw.size):
            slots[i, c] = raw[i]
    for k in range(columns.numbers.size):
        for i in range(raw.size):
            values[i, length + k] = numbers[i, columns.numbers[k]]


@jit
def fill_hashes(ids, sizes, which, raw, hashes):
    """64 bits for some fields of each row; which (c,), hashes uint64 (c, n); scratch: raw int32 (n,)."""
    for c in range(which.size):
        _hash_field(ids, which[c], sizes[which[c]], raw, hashes[c])


@jit
def _hash_fields(ids, fields, sizes, raw, words):
    """What one column holds of each row, into ``words[0]``."""
    if fields[0] >= 0:
        _hash_field(ids, fields[0], sizes[fields[0]], raw, words[0])
    else:
        words[0][:] = NOTHING
    if fields[1] >= 0:
        first, second = words[0], words[1]
        _hash_field(ids, fields[1], sizes[fields[1]], raw, second)
        for i in range(np.uint64(raw.size)):
            first[i] = hash_pair(first[i], second[i])


@jit
def _hash_field(ids, field, size, raw, words):
    for i in range(raw.size):
        raw[i] = ids[i, field]
    for i in range(np.uint64(raw.size)):
        words[i] = hash_value(raw[i], size)


@jit
def _hash_entries(history, k, columns, values, raw, words):
    """One entry of each history, and its value: 0 where there is none."""
    _hash_field(history, k, columns.target, raw, words)
    for i in range(raw.size):
        values[i, k] = columns.scale if np.uint32(raw[i]) < np.uint32(columns.target) else F(0)
