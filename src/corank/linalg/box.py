"""The shortest step from a point to a plane that does not leave a box: how far a linear function is from its zero.

The step is `clip(x - t n) - x` for the least t that reaches the plane, by the conditions of Karush, Kuhn and Tucker.
The value of the function there is convex, piecewise linear and falling in t, so that Newton's iteration from t = 0
rises to its zero in finitely many steps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from corank.errors import InputError

ITERATIONS = 100  # each passes at least one corner of a piecewise linear function; a handful is usual


def shortest_steps(
    points: Tensor, normals: Tensor, values: Tensor, bounds: tuple[float, float] | None = None
) -> tuple[Tensor, Tensor]:
    """Steps to where `values + normals . step` is zero, as short as can be.

    Args:
        points: `(m, n)`, within the bounds.
        normals: `(m, n)` gradients of linear functions.
        values: `(m,)` of these functions at the points; where one is not positive the step is zero.
        bounds: of every coordinate before and after the step; None where there are none.

    Returns:
        `(m,)` Euclidean lengths in float64, infinite where no step within the bounds reaches the plane, and `(m, n)`
        the steps, zero there.

    Raises:
        InputError: tensors that do not belong together.

    Example:
        >>> lengths, steps = shortest_steps(
        ...     torch.tensor([[0.5, 0.1]]), torch.tensor([[1.0, 1.0]]), torch.tensor([0.5]), (0.0, 1.0)
        ... )
        >>> [round(number, 3) for number in steps[0].tolist()]
        [-0.4, -0.1]
    """
    if points.ndim != 2 or normals.shape != points.shape or values.shape != points.shape[:1]:
        came = f"{tuple(points.shape)}, {tuple(normals.shape)} and {tuple(values.shape)}"
        raise InputError(f"points and normals must be (m, n) with m values, got {came}")
    x, slopes, value = points.double(), normals.double(), values.double()
    low, high = (-torch.inf, torch.inf) if bounds is None else bounds
    t = torch.zeros_like(value)
    steps, left = torch.zeros_like(x), value
    for _ in range(ITERATIONS):
        is_free = ((steps + x > low) | (slopes < 0)) & ((steps + x < high) | (slopes > 0))
        fall = (slopes.square() * is_free).sum(1)
        is_going = (left > 1e-12 * value.abs()) & (fall > 0)
        if not bool(is_going.any()):
            break
        t = torch.where(is_going, t + left / fall.clamp_min(torch.finfo(fall.dtype).tiny), t)
        steps = (x - t[:, None] * slopes).clamp(low, high) - x
        left = value + (slopes * steps).sum(1)
    is_reached = left <= 1e-9 * value.abs()
    steps = torch.where(is_reached[:, None] & (value > 0)[:, None], steps, 0.0)
    lengths = torch.where(is_reached, steps.norm(dim=1), torch.inf)
    return lengths, steps.to(points.dtype)
