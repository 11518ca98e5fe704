"""Compiled loops: arrays in, arrays out. No classes, no input or output, no Python objects.

Values live in tiles: float32 arrays of shape (candidates, width), the opportunities contiguous, so that every
inner loop runs over opportunities and vectorises without fastmath. Loops over a window ``[start, stop)`` of a
tile take unsigned bounds: signed ones would bring numba's wrap-around of negative indices, which stops LLVM's
vectoriser.
"""
