"""Between rows of auctions and tiles of them."""

import numpy as np

from adsim.kernels.jit import jit

ELEMENTS = 1 << 15
"""Elements of a tile at which a market's eight or so tiles still share a megabyte of cache."""

BLOCK = 128
"""Rows transposed together: their cache lines stay in the first-level cache from one column to the next."""


def tile_width(candidates: int) -> int:
    """Opportunities in a tile: a power of two from 32 to 512."""
    return 1 << min(9, max(5, (ELEMENTS // candidates).bit_length() - 1))


@jit
def load_tile(rows, first, width, tile):
    """Transpose ``rows[first : first + width]`` into ``tile[:, :width]``; a single row fills every column."""
    origin = np.uint64(0 if rows.shape[0] == 1 else first)
    stride = np.uint64(0 if rows.shape[0] == 1 else 1)
    for block in range(0, width, BLOCK):
        start, stop = np.uint64(block), np.uint64(min(width, block + BLOCK))
        for n in range(rows.shape[1]):
            for t in range(start, stop):
                tile[n, t] = rows[origin + stride * t, n]


@jit
def to_tiles(rows, tiles):
    """Cut rows (T, N) into tiles (T / B, N, B); what is left of the last tile stays untouched."""
    width = tiles.shape[2]
    for i in range(tiles.shape[0]):
        load_tile(rows, i * width, min(width, rows.shape[0] - i * width), tiles[i])


@jit
def count_outside(values, low, high):
    """How many of the numbers are not within [low, high]; a NaN never is."""
    outside = 0
    for i in range(values.size):
        outside += np.int64(not ((values[i] >= low) & (values[i] <= high)))
    return outside
