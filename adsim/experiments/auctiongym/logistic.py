"""Bayesian logistic regression in a few dimensions."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from adsim.types import Floats


def laplace(x: Floats, y: NDArray[np.bool_], mean: Floats, precision: Floats) -> tuple[Floats, Floats]:
    """Mode and diagonal precision after rows ``x`` (n, d) with outcomes ``y`` (n,), from those before; (d,) each.

    The mode minimises the log loss plus half of ``sum precision (m - mean)^2``; Newton's steps are halved until they
    descend.
    """
    mode = mean.copy()

    def loss(m: Floats) -> float:
        logit = x @ m
        return float(np.logaddexp(0, logit).sum() - logit[y].sum() + precision @ (m - mean) ** 2 / 2)

    found = loss(mode)
    for _ in range(50):
        rate = expit(x @ mode)
        gradient = x.T @ (rate - y) + precision * (mode - mean)
        step = np.linalg.solve((x.T * (rate * (1 - rate))) @ x + np.diag(precision), gradient)
        while loss(mode - step) > found:
            step /= 2
            if np.abs(step).max() < 1e-12:
                break
        mode = mode - step
        before, found = found, loss(mode)
        if before - found <= 1e-9 * (1 + found):
            break
    rate = expit(x @ mode)
    return mode, precision + (rate * (1 - rate)) @ x**2
