"""Chebyshev grids of the second kind, which include both ends: interpolation, coefficients, quadrature.

Nodes -cos(pi k / N), k = 0..N, mapped to an interval. Their barycentric weights are (-1)^k, halved at the two ends
(Berrut and Trefethen 2004, "Barycentric Lagrange interpolation", equation 5.4). The weights that Daulbaev's thesis
prints after its equation 2.7, (-1)^n sin((2n + 1) pi / (2N + 2)), are those of the grid of the first kind, which has
no ends: on this grid they interpolate, but no longer by the polynomial.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def nodes(count: int, start: float = -1.0, end: float = 1.0) -> list[float]:
    """The grid of an interval from its start to its end, which may lie below it.

    Example:
        >>> nodes(3, 0.0, 4.0)
        [0.0, 2.0, 4.0]
    """
    last = count - 1
    angles = (math.pi * (2 * k - last) / (2 * last) for k in range(1, last))
    shares = [0.5 * (1 + math.sin(angle)) for angle in angles]  # sines are exact in the middle
    return [start, *(start + (end - start) * share for share in shares), end]


@cache
def barycentric_weights(count: int) -> Floats:
    """The weights of the grid, up to a common factor."""
    weights: Floats = (-1.0) ** np.arange(count, dtype=np.float64)
    weights[[0, -1]] /= 2
    return weights


@cache
def printed_weights(count: int) -> Floats:
    """The weights as the thesis prints them: of a grid without ends, for reproduction only."""
    n = np.arange(count, dtype=np.float64)
    weights: Floats = (-1.0) ** n * np.sin((2 * n + 1) * np.pi / (2 * count))
    return weights


def barycentric_row(t: float, grid: Floats, weights: Floats) -> Floats:
    """What the values at the nodes are multiplied with to give the interpolant at t.

    Example:
        >>> grid = np.array(nodes(5))
        >>> bool(abs(barycentric_row(0.3, grid, barycentric_weights(5)) @ grid**4 - 0.3**4) < 1e-15)
        True
    """
    away = t - grid
    (hit,) = np.nonzero(away == 0)
    if len(hit):
        row = np.zeros(len(grid))
        row[hit[0]] = 1
        return row
    shares: Floats = weights / away
    shares /= shares.sum()
    return shares


@cache
def clenshaw_curtis_weights(count: int) -> Floats:
    """The quadrature weights of the grid on [-1, 1]: exact for polynomials of degree below `count`.

    Example:
        >>> bool(abs(clenshaw_curtis_weights(5) @ np.array(nodes(5))**4 - 2 / 5) < 1e-15)
        True
    """
    last = count - 1
    k = np.arange(count)
    weights = np.ones(count)
    for j in range(1, last // 2 + 1):
        weights -= (1 if 2 * j == last else 2) * np.cos(2 * j * k * np.pi / last) / (4 * j * j - 1)
    weights *= 2 / last
    weights[[0, -1]] /= 2
    return weights


@cache
def coefficient_matrix(count: int) -> Floats:
    """From the values at the nodes to the Chebyshev coefficients of the interpolant, lowest degree first.

    The grid runs from -1 to 1, so that the coefficient of an odd degree has its sign turned.
    """
    last = count - 1
    matrix: Floats = 2 / last * np.cos(np.pi * np.outer(np.arange(count), np.arange(count)) / last)
    matrix[:, [0, -1]] /= 2
    matrix[[0, -1]] /= 2
    return matrix
