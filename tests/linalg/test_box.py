"""Shortest steps within a box: against a solver of quadratic programs, and by the conditions that they must meet."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from corank.errors import InputError
from corank.linalg import shortest_steps

DATA = torch.float64


def drawn(m: int, n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Points in the unit box, many of them at its sides, normals, and positive values."""
    chance = torch.Generator().manual_seed(seed)
    points = (1.6 * torch.rand(m, n, generator=chance, dtype=DATA) - 0.3).clamp(0, 1)
    normals = torch.randn(m, n, generator=chance, dtype=DATA)
    return points, normals, torch.rand(m, generator=chance, dtype=DATA)


def test_without_bounds_it_is_the_distance_to_the_plane() -> None:
    points, normals, values = drawn(20, 7, 0)
    lengths, steps = shortest_steps(points, normals, values)
    assert lengths.numpy() == pytest.approx((values / normals.norm(dim=1)).numpy(), rel=1e-12)
    assert (values + (normals * steps).sum(1)).abs().max() < 1e-12


@given(n=st.integers(1, 12), seed=st.integers(0, 500))
def test_no_shorter_step_within_the_box_reaches_the_plane(n: int, seed: int) -> None:
    """A step s to the plane within the box is the shortest if s = clip(x - t n) - x: the conditions are sufficient."""
    points, normals, values = drawn(8, n, seed)
    lengths, steps = shortest_steps(points, normals, values, (0.0, 1.0))
    for x, normal, value, length, step in zip(points, normals, values, lengths, steps, strict=True):
        corner = torch.where(normal > 0, -x, 1 - x)  # the farthest that the function can fall within the box
        if float(value + normal @ corner) > 1e-9:
            assert length == torch.inf
            assert not bool(step.any())
            continue
        assert float(value + normal @ step) == pytest.approx(0, abs=1e-8)
        assert bool(((x + step >= 0) & (x + step <= 1)).all())
        inside = (x + step > 1e-9) & (x + step < 1 - 1e-9)
        shares = -step[inside] / normal[inside]
        t = float(shares.max()) if bool(inside.any()) else np.inf
        assert shares.numpy() == pytest.approx(t, rel=1e-6, abs=1e-9)
        held = ~inside
        assert bool((step[held].abs() <= t * normal[held].abs() + 1e-8).all())
        assert bool((step * normal <= 1e-12).all())


def test_a_solver_of_quadratic_programs_finds_no_other() -> None:
    points, normals, values = drawn(5, 4, 3)
    lengths, _ = shortest_steps(points, normals, values, (0.0, 1.0))
    for x, normal, value, length in zip(points.numpy(), normals.numpy(), values.numpy(), lengths, strict=True):
        reaches = {"type": "eq", "fun": lambda s, n=normal, v=value: v + n @ s}
        found = minimize(lambda s: s @ s, np.zeros(4), bounds=list(zip(-x, 1 - x, strict=True)), constraints=[reaches])
        assert found.success == bool(length.isfinite())
        if found.success:
            assert float(length) == pytest.approx(np.sqrt(found.fun), rel=1e-3)


def test_what_is_there_already_does_not_move() -> None:
    points, normals, _ = drawn(3, 4, 1)
    lengths, steps = shortest_steps(points, normals, -torch.ones(3, dtype=DATA), (0.0, 1.0))
    assert lengths.tolist() == [0.0] * 3
    assert not bool(steps.any())


def test_tensors_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(InputError, match=r"points and normals must be .* got \(3, 4\), \(3, 5\) and \(3,\)"):
        shortest_steps(torch.zeros(3, 4), torch.zeros(3, 5), torch.zeros(3))
