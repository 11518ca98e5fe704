"""What a period is expected to be worth while part of its conversions is luck."""

import numpy as np

from adsim.types import Floats

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(5)


def expected_score(won: Floats, coming: Floats, cost: Floats, unit: Floats, power: float = 2.0) -> Floats:
    """Mean of ``value * min((value / cost)**power, 1)`` where the value to come is Poisson; derived, from no paper.

    With value and cost in shares of what the budget affords at target, ``value = cost`` is on target, and power 2 is
    the score (`adsim.envs.score.score`). The number of conversions to come is taken as normal with the variance of a
    Poisson, and integrated at the five nodes of Gauss and Hermite.

    Parameters
    ----------
    won : array
        Value so far.
    coming : array
        Mean of the value to come; not negative.
    cost : array
        Of the whole period.
    unit : array
        Value of a conversion. All in the same shares; shapes broadcast.
    power : float
        How much a missed target costs.
    """
    mean, spread = np.asarray(won + coming), np.sqrt(coming * unit)
    value = np.maximum(mean[..., None] + spread[..., None] * NODES, 0.0)
    kept = np.minimum((value / np.maximum(cost, 1e-9)[..., None]) ** power, 1.0)
    return (value * kept) @ (WEIGHTS / WEIGHTS.sum())
