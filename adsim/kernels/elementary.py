"""exp, log, sigmoid and cosine in float32: polynomials that vectorise and give the same bits everywhere.

No libm and no SVML: their results differ between machines, and calls into libm stop the vectoriser.
Coefficients of `exp` and `log`: Cephes (Moshier 1989), expf and logf; both err by at most 2 units in the last place.
"""

import numpy as np

from adsim.kernels.bits import bits_float, float_bits, fma, to_float, truncate
from adsim.kernels.jit import jit

F = np.float32
LOG2_E, LN2_HIGH, LN2_LOW = F(1.44269504088896341), F(0.693359375), F(-2.12194440e-4)
E0, E1, E2 = F(1.9875691500e-4), F(1.3981999507e-3), F(8.3334519073e-3)
E3, E4, E5 = F(4.1665795894e-2), F(1.6666665459e-1), F(5.0000001201e-1)
L0, L1, L2 = F(7.0376836292e-2), F(-1.1514610310e-1), F(1.1676998740e-1)
L3, L4, L5 = F(-1.2420140846e-1), F(1.4249322787e-1), F(-1.6668057665e-1)
L6, L7, L8 = F(2.0000714765e-1), F(-2.4999993993e-1), F(3.3333331174e-1)
ROOT_HALF = F(0.707106781186547524)
HALF, ONE, TWO, FOUR = F(0.5), F(1.0), F(2.0), F(4.0)
S1, S3, S5, S7 = F(1.5707963), F(-0.64596355), F(0.07968967), F(-0.0046737667)
C2, C4, C6, C8 = F(-1.2337006), F(0.25366950), F(-0.020863480), F(0.00091926)


@jit
def exp(x):
    """E to the x; x is clamped to [-87, 88]."""
    x = min(max(x, F(-87.0)), F(88.0))
    k = np.floor(fma(x, LOG2_E, HALF))
    r = fma(k, -LN2_LOW, fma(k, -LN2_HIGH, x))
    p = fma(fma(fma(fma(fma(E0, r, E1), r, E2), r, E3), r, E4), r, E5)
    p = fma(p, r * r, r) + ONE
    return p * bits_float(np.int32((truncate(k) + np.int32(127)) << np.int32(23)))


@jit
def sigmoid(x):
    """1 / (1 + exp(-x))."""
    return ONE / (ONE + exp(-x))


@jit
def log(x):
    """Natural logarithm of a positive, normal x."""
    bits = float_bits(x)
    exponent = np.int32((bits >> np.int32(23)) - np.int32(126))
    m = bits_float(np.int32((bits & np.int32(0x007FFFFF)) | np.int32(0x3F000000)))
    small = m < ROOT_HALF
    e = to_float(exponent) - (ONE if small else F(0.0))
    m = (m + m if small else m) - ONE
    z = m * m
    p = fma(fma(fma(fma(L0, m, L1), m, L2), m, L3), m, L4)
    p = fma(fma(fma(fma(p, m, L5), m, L6), m, L7), m, L8)
    p = fma(e, LN2_LOW, p * m * z) - HALF * z
    return fma(e, LN2_HIGH, m + p)


@jit
def cosine_sine(turn):
    """Cosine and sine of ``2 pi turn`` for a turn in [0, 1), by quadrant; absolute error 1e-6."""
    quarters = FOUR * turn
    k = np.floor(quarters + HALF)
    x = quarters - k
    quadrant = truncate(k)
    x2 = x * x
    sine = x * fma(fma(fma(S7, x2, S5), x2, S3), x2, S1)
    cosine = fma(fma(fma(fma(C8, x2, C6), x2, C4), x2, C2), x2, ONE)
    odd = (quadrant & np.int32(1)) == np.int32(1)
    c = sine if odd else cosine
    s = cosine if odd else sine
    c_sign = np.int32(((quadrant + np.int32(1)) & np.int32(2)) << np.int32(30))
    s_sign = np.int32((quadrant & np.int32(2)) << np.int32(30))
    return bits_float(np.int32(float_bits(c) ^ c_sign)), bits_float(np.int32(float_bits(s) ^ s_sign))
