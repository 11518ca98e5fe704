"""Linear programs by HiGHS, through scipy."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize

from adsim.errors import AdsimError
from adsim.types import Floats


class Solution(NamedTuple):
    """Of ``min objective @ x`` subject to ``rows @ x <= limits``."""

    x: Floats
    minimum: float
    duals: Floats
    """Of the rows, at least 0: what the minimum loses per unit of limit."""


def minimise(
    objective: Floats, rows: Any, limits: Floats, bounds: tuple[float, float] | Sequence[tuple[float, float]]
) -> Solution:
    """Solve a program that has a solution.

    Parameters
    ----------
    objective : array (n,)
        Coefficients.
    rows : array or sparse array (m, n)
        Constraints.
    limits : array (m,)
        What each row of `rows` is at most. HiGHS has absolute tolerances of 1e-7: keep the largest numbers near 1.
    bounds : tuple or sequence of tuples
        Least and most of every variable, or of each.

    Raises
    ------
    AdsimError
        When HiGHS finds no solution.
    """
    solution = optimize.linprog(objective, A_ub=rows, b_ub=limits, bounds=bounds, method="highs")
    if solution.x is None or solution.fun is None:
        raise AdsimError(f"HiGHS found no optimum: {solution.message} Are values of very different sizes?")
    return Solution(solution.x, float(solution.fun), -np.asarray(solution.ineqlin.marginals))
