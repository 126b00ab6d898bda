"""Runge-Kutta schemes as data: a table of coefficients that checks its own order when it is built.

A scheme with s stages takes k_i = f(t + c_i h, y + h sum_j a_ij k_j) and steps to y + h sum_i b_i k_i. The order
conditions are those of the rooted trees up to order 5 (Hairer, Norsett and Wanner, "Solving Ordinary Differential
Equations I", section II.2); they are asked of the weights, of the embedded weights and of the dense output alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from corank.errors import InputError

LARGEST_COEFFICIENT = 100.0
"""A step of float32 loses as many units of its last digit; schemes beyond it lie next to a singular curve."""

_ROUNDING = 1e-11  # relative to the largest coefficient, of sums of a few products in float64
_WHERE = (0.15, 0.5, 0.85)  # of a step, where dense output is held to its conditions

Row = tuple[float, ...]
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Tableau:
    """The coefficients of an explicit Runge-Kutta scheme.

    Attributes:
        nodes: c, where in a step each stage is evaluated; the first is 0.
        matrix: the rows of a below the diagonal; row i has i entries.
        weights: b, of the step.
        order: the order of the step, up to 5.
        embedded: the weights of the scheme that is compared with the step for its error, if there is one.
        embedded_order: its order.
        dense: row i holds the coefficients of theta, theta^2, ... in b_i(theta): the solution at t + theta h is
            y + h sum_i b_i(theta) k_i.
        dense_order: the order of that polynomial.

    Raises:
        InputError: rows that do not sum to their nodes, a wrong order, coefficients beyond `LARGEST_COEFFICIENT`.

    Example:
        >>> Tableau(nodes=(0, 0.5), matrix=((), (0.5,)), weights=(0, 1), order=2).stages
        2
        >>> Tableau(nodes=(0, 0.5), matrix=((), (0.5,)), weights=(0.5, 0.5), order=2)
        Traceback (most recent call last):
        corank.errors.InputError: the weights must satisfy the conditions of order 2, got an error of 0.25
    """

    nodes: Row
    matrix: tuple[Row, ...]
    weights: Row
    order: int
    embedded: Row | None = None
    embedded_order: int = 0
    dense: tuple[Row, ...] | None = None
    dense_order: int = 0

    def __post_init__(self) -> None:
        stages = len(self.nodes)
        if [len(row) for row in self.matrix] != list(range(stages)) or len(self.weights) != stages:
            raise InputError(f"a scheme of {stages} nodes needs as many weights and rows of 0, 1, 2, ... entries")
        if not 1 <= self.order <= 5:
            raise InputError(f"order must be between 1 and 5, got {self.order}")
        largest = max((abs(entry) for row in (*self.matrix, self.weights) for entry in row), default=0.0)
        if not largest <= LARGEST_COEFFICIENT:  # also where it is no number
            raise InputError(
                f"coefficients must be at most {LARGEST_COEFFICIENT:g} in size, got {largest:.4g}: "
                "the scheme lies next to a singular one"
            )
        rounding = _ROUNDING * (1 + largest) ** 3
        off = float(np.abs(self.full_matrix.sum(1) - np.array(self.nodes)).max())
        if off > rounding:
            raise InputError(f"every row of the matrix must sum to its node, got a difference of {off:.4g}")
        self._check("weights", np.array(self.weights), self.order, 1.0, rounding)
        if self.embedded is not None:
            self._check("embedded weights", np.array(self.embedded), self.embedded_order, 1.0, rounding)
        if self.dense is not None:
            for theta in _WHERE:
                self._check("dense output", self.dense_weights(theta), self.dense_order, theta, rounding)

    @property
    def stages(self) -> int:
        """How often one step evaluates the field."""
        return len(self.nodes)

    @property
    def reuses_last_stage(self) -> bool:
        """Whether the last stage is the first one of the next step, so that a step costs one evaluation less."""
        return self.nodes[-1] == 1 and self.matrix[-1] == self.weights[:-1] and self.weights[-1] == 0

    @cached_property
    def full_matrix(self) -> Floats:
        """The matrix a with its zeros."""
        return np.array([[*row, *[0.0] * (len(self.nodes) - len(row))] for row in self.matrix])

    @cached_property
    def error_weights(self) -> Floats | None:
        """Weights minus embedded weights: what the estimate of a step's error is made of."""
        return None if self.embedded is None else np.array(self.weights) - np.array(self.embedded)

    def dense_weights(self, theta: float | Floats) -> Floats:
        """The weights b(theta) of the solution at a share of the step; a row for each share given."""
        assert self.dense is not None
        powers = np.stack([np.asarray(theta, dtype=float) ** (k + 1) for k in range(len(self.dense[0]))], -1)
        weights: Floats = powers @ np.array(self.dense).T
        return weights

    def _check(self, name: str, weights: Floats, order: int, theta: float, rounding: float) -> None:
        off = max(abs(error) for error in self.order_errors(weights, order, theta))
        if not off <= rounding:
            raise InputError(f"the {name} must satisfy the conditions of order {order}, got an error of {off:.4g}")

    def order_errors(self, weights: Floats, order: int, theta: float = 1.0) -> list[float]:
        """By how much weights miss each condition up to an order, at a share theta of the step.

        Condition of a tree with r vertices and density gamma: sum_i b_i phi_i = theta^r / gamma.
        """
        a, c = self.full_matrix, np.array(self.nodes, dtype=float)
        ac, ac2 = a @ c, a @ c**2
        trees: list[tuple[int, float, Floats]] = [
            (1, 1, np.ones_like(c)),
            (2, 2, c),
            (3, 3, c**2),
            (3, 6, ac),
            (4, 4, c**3),
            (4, 8, c * ac),
            (4, 12, ac2),
            (4, 24, a @ ac),
            (5, 5, c**4),
            (5, 10, c**2 * ac),
            (5, 20, ac**2),
            (5, 15, c * ac2),
            (5, 20, a @ c**3),
            (5, 30, c * (a @ ac)),
            (5, 40, a @ (c * ac)),
            (5, 60, a @ ac2),
            (5, 120, a @ (a @ ac)),
        ]
        return [float(weights @ phi) - theta**size / gamma for size, gamma, phi in trees if size <= order]
