"""Linear programs by HiGHS: a known solution with its duals, and none."""

import numpy as np
import pytest

from adsim.errors import AdsimError
from adsim.experiments.optimum.linear_programs import minimise


def test_duals_are_what_the_minimum_loses_per_unit_of_limit() -> None:
    rows, limits = np.array([[1.0, 1.0], [1.0, 0.0]]), np.array([3.0, 2.0])
    found = minimise(np.array([-2.0, -1.0]), rows, limits, (0, np.inf))
    np.testing.assert_allclose(found.x, [2, 1])
    assert found.minimum == pytest.approx(-5)
    np.testing.assert_allclose(found.duals, [1, 1])


def test_a_program_without_a_solution_is_refused() -> None:
    with pytest.raises(AdsimError, match="HiGHS found no optimum"):
        minimise(np.array([1.0]), np.array([[1.0]]), np.array([-1.0]), (0, 1))
