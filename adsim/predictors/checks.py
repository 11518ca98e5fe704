"""Parameters of predictors, checked."""

import math

from adsim.errors import AdsimError


def require_between(name: str, value: float, low: float, high: float = math.inf) -> float:
    """A finite number from ``low`` to ``high``, or an `AdsimError` that names it."""
    if not (low <= value <= high and math.isfinite(value)):
        bounds = f"lie between {low:g} and {high:g}" if math.isfinite(high) else f"be at least {low:g}"
        raise AdsimError(f"{name} = {value}: must {bounds}.")
    return float(value)


def require_positive(name: str, value: float) -> float:
    """A positive, finite number, or an `AdsimError` that names it."""
    if not 0 < value < math.inf:
        raise AdsimError(f"{name} = {value}: must be a positive number.")
    return float(value)


def require_count(name: str, value: int, low: int = 1, high: int = 2**31) -> int:
    """A whole number from ``low`` to ``high``, or an `AdsimError` that names it."""
    if int(value) != value or not low <= value <= high:
        bounds = f"from {low} to {high}" if high < 2**31 else f"of at least {low}"
        raise AdsimError(f"{name} = {value}: must be a whole number {bounds}.")
    return int(value)
