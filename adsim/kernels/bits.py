"""Single machine operations that Python has no word for: bit casts, truncation, fused multiply-add."""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_FLOAT, _INT = ir.FloatType(), ir.IntType(32)


@intrinsic
def float_bits(typing: Any, x: Any) -> Any:
    """The bits of a float32 as an int32."""
    return types.int32(types.float32), lambda context, builder, signature, args: builder.bitcast(args[0], _INT)


@intrinsic
def bits_float(typing: Any, x: Any) -> Any:
    """The float32 with the bits of an int32."""
    return types.float32(types.int32), lambda context, builder, signature, args: builder.bitcast(args[0], _FLOAT)


@intrinsic
def truncate(typing: Any, x: Any) -> Any:
    """A float32 towards zero, as an int32."""
    return types.int32(types.float32), lambda context, builder, signature, args: builder.fptosi(args[0], _INT)


@intrinsic
def to_float(typing: Any, x: Any) -> Any:
    """An int32 as a float32, in one instruction."""
    return types.float32(types.int32), lambda context, builder, signature, args: builder.sitofp(args[0], _FLOAT)


@intrinsic
def fma(typing: Any, x: Any, y: Any, z: Any) -> Any:
    """``x * y + z`` rounded once, in float32."""
    f = types.float32
    return f(f, f, f), lambda context, builder, signature, args: builder.fma(*args)


if numba.config.DISABLE_JIT:  # plain-Python twins, to step through kernels in a debugger

    def float_bits(x: Any) -> Any:
        """The bits of a float32 as an int32."""
        return np.float32(x).view(np.int32)

    def bits_float(x: Any) -> Any:
        """The float32 with the bits of an int32."""
        return np.int32(x).view(np.float32)

    def truncate(x: Any) -> Any:
        """A float32 towards zero, as an int32."""
        return np.int32(x)

    def to_float(x: Any) -> Any:
        """An int32 as a float32."""
        return np.float32(x)

    def fma(x: Any, y: Any, z: Any) -> Any:
        """``x * y + z`` in float64, rounded to float32."""
        return np.float32(np.float64(x) * np.float64(y) + np.float64(z))
