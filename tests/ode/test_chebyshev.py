from __future__ import annotations

import numpy as np
import pytest

from corank.ode.chebyshev import (
    barycentric_row,
    barycentric_weights,
    clenshaw_curtis_weights,
    coefficient_matrix,
    nodes,
    printed_weights,
)


def interpolation_error(weights: np.ndarray) -> float:
    grid = np.array(nodes(17, 0.0, 1.0))
    places = np.linspace(0, 1, 200)
    found = np.array([barycentric_row(t, grid, weights) @ np.exp(3 * grid) for t in places])
    return float(np.abs(found - np.exp(3 * places)).max())


def test_the_corrected_weights_interpolate_to_rounding_and_the_printed_ones_do_not() -> None:
    # The largest value is 20, a unit of its last digit 4e-15.
    assert interpolation_error(barycentric_weights(17)) < 1e-13
    assert 1e-5 < interpolation_error(printed_weights(17)) < 1e-2


@pytest.mark.parametrize("count", [3, 4, 5, 9, 14, 17])
def test_interpolation_and_quadrature_are_exact_for_polynomials(count: int) -> None:
    grid, weights = np.array(nodes(count)), barycentric_weights(count)
    for degree in range(count):
        row = barycentric_row(0.37, grid, weights)
        assert row @ grid**degree == pytest.approx(0.37**degree, abs=1e-13)
        integral = 2 / (degree + 1) if degree % 2 == 0 else 0.0
        assert clenshaw_curtis_weights(count) @ grid**degree == pytest.approx(integral, abs=1e-13)


def test_coefficients_are_those_of_the_chebyshev_polynomials() -> None:
    grid = np.array(nodes(9))
    for degree in range(9):
        found = coefficient_matrix(9) @ np.cos(degree * np.arccos(grid))
        expected = np.eye(9)[degree] * (-1) ** degree
        np.testing.assert_allclose(found, expected, atol=1e-14)


def test_a_grid_runs_from_its_start_to_its_end_in_either_direction() -> None:
    down = nodes(5, 2.0, -1.0)
    assert down[0] == 2.0
    assert down[-1] == -1.0
    assert sorted(down, reverse=True) == down
    assert barycentric_row(down[2], np.array(down), barycentric_weights(5)).tolist() == [0, 0, 1, 0, 0]
