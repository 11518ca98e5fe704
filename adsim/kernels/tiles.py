"""Between rows of auctions and tiles of them."""

import numpy as np

from adsim.kernels.jit import jit

ELEMENTS = 1 << 15
"""Elements of a tile at which a market's eight or so tiles still share a megabyte of cache."""


def tile_width(candidates: int) -> int:
    """Opportunities in a tile: a power of two from 64 to 512."""
    return 1 << min(9, max(6, (ELEMENTS // candidates).bit_length() - 1))


@jit
def load_tile(rows, first, width, tile):
    """Transpose ``rows[first : first + width]`` into ``tile[:, :width]``; a single row fills every column.

    Eight columns at a time: half a cache line of each row, and as many streams as the processor follows.
    """
    origin = np.uint64(0 if rows.shape[0] == 1 else first)
    stride = np.uint64(0 if rows.shape[0] == 1 else 1)
    n = 0
    while n + 8 <= rows.shape[1]:
        for t in range(np.uint64(width)):
            row = origin + stride * t
            tile[n, t] = rows[row, n]
            tile[n + 1, t] = rows[row, n + 1]
            tile[n + 2, t] = rows[row, n + 2]
            tile[n + 3, t] = rows[row, n + 3]
            tile[n + 4, t] = rows[row, n + 4]
            tile[n + 5, t] = rows[row, n + 5]
            tile[n + 6, t] = rows[row, n + 6]
            tile[n + 7, t] = rows[row, n + 7]
        n += 8
    while n < rows.shape[1]:
        for t in range(np.uint64(width)):
            tile[n, t] = rows[origin + stride * t, n]
        n += 1


@jit
def to_tiles(rows, tiles):
    """Cut rows (T, N) into tiles (T / B, N, B); what is left of the last tile stays untouched."""
    width = tiles.shape[2]
    for i in range(tiles.shape[0]):
        load_tile(rows, i * width, min(width, rows.shape[0] - i * width), tiles[i])


@jit
def count_outside(tile, width, low, high, flags):
    """How many of the first opportunities have a number not within [low, high]; a NaN never is.

    ``flags`` is scratch, int32 (B,): one verdict for each opportunity, so that the loop stays vertical.
    """
    last = np.uint64(width)
    for t in range(last):
        flags[t] = 0
    n = 0
    while n + 4 <= tile.shape[0]:
        for t in range(last):
            flag = flags[t]
            for u in range(4):
                x = tile[n + u, t]
                flag = flag if (x >= low) & (x <= high) else np.int32(1)
            flags[t] = flag
        n += 4
    while n < tile.shape[0]:
        for t in range(last):
            x = tile[n, t]
            flags[t] = flags[t] if (x >= low) & (x <= high) else np.int32(1)
        n += 1
    outside = 0
    for t in range(last):
        outside += flags[t]
    return outside


@jit
def total(row, width):
    """Sum of the first opportunities, in eight interleaved parts that the processor adds at once."""
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    t = 0
    while t + 8 <= width:
        s0 += row[t]
        s1 += row[t + 1]
        s2 += row[t + 2]
        s3 += row[t + 3]
        s4 += row[t + 4]
        s5 += row[t + 5]
        s6 += row[t + 6]
        s7 += row[t + 7]
        t += 8
    while t < width:
        s0 += row[t]
        t += 1
    return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
