"""Checked arrays of money and value, for computations that stand on plain arrays."""

import numpy as np
from numpy.typing import ArrayLike

from adsim.errors import AdsimError
from adsim.types import Floats


def amounts(name: str, given: ArrayLike, shape: tuple[int | None, ...], *, unlimited: bool = False) -> Floats:
    """As float64, each at least 0.

    Parameters
    ----------
    name : str
        What the caller calls them.
    given : array
        Numbers.
    shape : tuple
        That they must have; None is any length.
    unlimited : bool
        Whether inf is allowed.

    Raises
    ------
    AdsimError
        When the shape is another, or a number is NaN, negative, or infinite without leave.
    """
    array = np.asarray(given, np.float64)
    if array.ndim != len(shape) or any(due not in (None, n) for n, due in zip(array.shape, shape, strict=True)):
        due = ", ".join("any" if length is None else str(length) for length in shape)
        raise AdsimError(f"{name}: has shape {array.shape}, must have ({due}).")
    bad = ~((array >= 0) & (unlimited | np.isfinite(array)))
    if bad.any():
        place = tuple(int(index) for index in np.argwhere(bad)[0])
        where = f"{name}[{', '.join(map(str, place))}]" if place else name
        most = "" if unlimited else " and finite"
        raise AdsimError(f"{where} = {array[place]}: must be a number of at least 0{most}.")
    return array
