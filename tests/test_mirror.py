"""A step of mirror descent is the argmin that defines it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from adsim.kernels.mirror import ENTROPIC, EUCLIDEAN, descend


def divergence(reference: int, x: float, y: float) -> float:
    """Bregman's, of ``x**2 / 2`` or ``x log x``."""
    if reference == EUCLIDEAN:
        return (x - y) ** 2 / 2
    return float(x * np.log(x / y) - x + y) if x > 0 else y


@pytest.mark.parametrize("reference", [EUCLIDEAN, ENTROPIC])
@settings(deadline=None, max_examples=200)
@given(dual=st.floats(0.01, 10), gradient=st.floats(-3, 3), step=st.floats(0.01, 1))
def test_a_step_minimises_the_linear_term_and_the_divergence(
    reference: int, dual: float, gradient: float, step: float
) -> None:
    def objective(mu: float) -> float:
        return gradient * mu + divergence(reference, mu, dual) / step

    found = descend.py_func(reference, dual, gradient, step)
    best = minimize_scalar(objective, bounds=(0, 20 * dual + 10), method="bounded", options={"xatol": 1e-10})
    assert found >= 0
    assert found == pytest.approx(best.x, rel=1e-4, abs=1e-5)
    assert objective(found) <= best.fun + 1e-12 * max(1, abs(best.fun))


@pytest.mark.parametrize("reference", [EUCLIDEAN, ENTROPIC])
def test_without_a_gradient_nothing_moves(reference: int) -> None:
    assert descend.py_func(reference, 0.7, 0.0, 0.5) == 0.7
