"""Random numbers as a function of what they are for: a hash of (seed, stream, entity, opportunity).

Any draw can be asked for at any time, so nothing depends on the order of evaluation, on threads or processes, or
on which auction runs. The hash is the finaliser of splitmix64 (Steele, Lea & Flood 2014), nested.
"""

import numpy as np

from adsim.kernels.bits import to_float
from adsim.kernels.elementary import cosine_sine, log
from adsim.kernels.jit import jit

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
M1, M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
S8, S11, S16, S27, S30, S31, S32, S40 = (np.uint64(bits) for bits in (8, 11, 16, 27, 30, 31, 32, 40))
EVEN_WORDS, EVEN_BYTES = np.uint64(0x0000FFFF0000FFFF), np.uint64(0x00FF00FF00FF00FF)
LOW_WORD = np.uint64(0xFFFF)
LOW24 = np.uint64(0xFFFFFF)
F = np.float32
INVERSE_24_BITS = F(2.0**-24)
INVERSE_53_BITS = 2.0**-53
NORMAL_MEAN, NORMAL_SCALE = F(131070.0), F((4 * (65536.0**2 - 1) / 12) ** -0.5)
"""Mean and inverse deviation of the sum of four uniform 16-bit integers."""
COARSE_MEAN, COARSE_SCALE = F(510.0), F((4 * (256.0**2 - 1) / 12) ** -0.5)
"""The same of four uniform 8-bit integers."""


@jit
def mix(z):
    """The finaliser: 64 bits to 64 bits, one to one, every output bit depending on every input bit."""
    z = (z ^ (z >> S30)) * M1
    z = (z ^ (z >> S27)) * M2
    return z ^ (z >> S31)


@jit
def stream(key, number):
    """The key of a numbered sub-stream of ``key``."""
    return mix(np.uint64(key) + GOLDEN * np.uint64(number + 1))


@jit
def draw(key, index):
    """64 random bits for an index; a loop over consecutive indices vectorises."""
    return mix(np.uint64(key) + GOLDEN * np.uint64(index))


@jit
def uniform(word):
    """The high 24 bits of a word as a float32 in [0, 1)."""
    return to_float(np.int32(word >> S40)) * INVERSE_24_BITS


@jit
def uniform_double(word):
    """The high 53 bits of a word as a float64 in [0, 1)."""
    return np.float64(word >> S11) * INVERSE_53_BITS


@jit
def normal(word):
    """A near-normal draw: four 16-bit uniforms summed, variance 1, |z| < 3.47, kurtosis 2.70."""
    pairs = (word & EVEN_WORDS) + ((word >> S16) & EVEN_WORDS)
    total = np.int32(pairs) + np.int32(pairs >> S32)
    return (to_float(np.int32(total)) - NORMAL_MEAN) * NORMAL_SCALE


@jit
def coarse_normals(word):
    """Two near-normal draws of one word: four 8-bit uniforms summed each, 1021 levels, |z| < 3.46."""
    pairs = (word & EVEN_BYTES) + ((word >> S8) & EVEN_BYTES)
    totals = pairs + (pairs >> S16)
    x = to_float(np.int32(totals & LOW_WORD)) - COARSE_MEAN
    y = to_float(np.int32((totals >> S32) & LOW_WORD)) - COARSE_MEAN
    return x * COARSE_SCALE, y * COARSE_SCALE


@jit
def normal_pair(word):
    """Two independent normal draws of one word (Box and Muller 1958)."""
    u = to_float(np.int32(word & LOW24)) * INVERSE_24_BITS + F(2.9802322e-08)
    radius = np.sqrt(F(-2.0) * log(u))
    cosine, sine = cosine_sine(uniform(word))
    return radius * cosine, radius * sine


@jit
def fill_streams(keys, first, streams):
    """Keys of the sub-streams numbered from ``first``; keys (E,), streams (E, count)."""
    for e in range(keys.size):
        for i in range(streams.shape[1]):
            streams[e, i] = stream(keys[e], first + i)


@jit
def fill_uniforms(keys, first, values):
    """Uniform float64 draws in [0, 1), one per key and index from ``first`` on; keys (E,), values (E, n)."""
    for e in range(keys.size):
        for i in range(values.shape[1]):
            values[e, i] = uniform_double(draw(keys[e], np.uint64(first + i)))


def log_mean_exp(sigma: float, *, coarse: bool = False) -> float:
    """``log E[exp(sigma z)]`` of `normal` (or `coarse_normals`), exactly: what makes a log-normal factor unbiased."""
    levels, scale = (256, COARSE_SCALE) if coarse else (65536, NORMAL_SCALE)
    parts = (np.arange(levels) - (levels - 1) / 2) * float(scale)
    return float(4 * np.log(np.mean(np.exp(sigma * parts))))
