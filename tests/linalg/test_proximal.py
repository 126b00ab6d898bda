"""Proximal maps beat every other point, never move two points apart, and agree with what others compute."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from torch import Tensor

from corank.errors import InputError
from corank.linalg import group_norms, group_soft_threshold, singular_value_threshold, soft_threshold

Proximal = Callable[[Tensor, float], Tensor]
Norm = Callable[[Tensor], Tensor]

MAPS: dict[str, tuple[Proximal, Norm]] = {
    "soft": (soft_threshold, lambda w: w.abs().sum()),
    "rows": (lambda v, t: group_soft_threshold(v, t, 0), lambda w: w.square().sum(1).sqrt().sum()),
    "columns": (lambda v, t: group_soft_threshold(v, t, 1), lambda w: w.square().sum(0).sqrt().sum()),
    "singular values": (singular_value_threshold, lambda w: torch.linalg.matrix_norm(w, "nuc")),
}
every_map = pytest.mark.parametrize(("proximal", "norm"), MAPS.values(), ids=MAPS)


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def objective(w: Tensor, v: Tensor, threshold: float, norm: Norm) -> float:
    return float((w - v).square().sum() / 2 + threshold * norm(w))


@every_map
@pytest.mark.parametrize("threshold", [0.2, 0.9, 5.0])
def test_no_point_of_a_dense_grid_is_better(proximal: Proximal, norm: Norm, threshold: float) -> None:
    v = torch.tensor([[1.0, -0.45], [0.3, 0.75]], dtype=torch.float64)
    least = objective(proximal(v, threshold), v, threshold, norm)
    places = torch.linspace(-1, 1, 21, dtype=torch.float64)
    grid = torch.tensor(list(product(places.tolist(), repeat=4)), dtype=torch.float64).reshape(-1, 2, 2)
    distances = (grid - v).square().sum((1, 2)) / 2
    norms = torch.vmap(norm)(grid) if norm is not MAPS["singular values"][1] else torch.linalg.matrix_norm(grid, "nuc")
    values = distances + threshold * norms
    assert values.min() >= least - 1e-12
    assert values.min() <= least + 0.02  # of the grid's width 0.1: the grid does come near


@every_map
def test_a_solver_that_knows_no_proximal_maps_finds_the_same(proximal: Proximal, norm: Norm) -> None:
    v, threshold = normal(3, 2, seed=4), 0.6
    found = minimize(
        lambda w: objective(torch.from_numpy(w).reshape(3, 2), v, threshold, norm), v.numpy().ravel(), method="Powell",
        options={"xtol": 1e-10, "ftol": 1e-14, "maxiter": 20_000, "maxfev": 40_000},
    )  # fmt: skip
    least = objective(proximal(v, threshold), v, threshold, norm)
    assert least <= found.fun + 1e-12
    if norm is MAPS["soft"][1]:  # where coordinate search cannot get stuck
        np.testing.assert_allclose(found.x, proximal(v, threshold).numpy().ravel(), atol=1e-6)


@every_map
@given(
    rows=st.integers(1, 5), columns=st.integers(1, 5), threshold=st.floats(0, 3), scale=st.floats(1e-3, 1e3),
    seed=st.integers(0, 999), is_double=st.booleans(),
)  # fmt: skip
def test_it_is_firmly_nonexpansive(
    proximal: Proximal, norm: Norm, rows: int, columns: int, threshold: float, scale: float, seed: int, is_double: bool
) -> None:
    """`|p(x) - p(y)|^2 <= <p(x) - p(y), x - y>`, which no other multiple of a step has."""
    dtype = torch.float64 if is_double else torch.float32
    x, y = (scale * normal(rows, columns, seed=seed + shift, dtype=dtype) for shift in (0, 1000))
    moved = (proximal(x, threshold * scale) - proximal(y, threshold * scale)).double()
    eps = torch.finfo(dtype).eps
    assert moved.square().sum() <= (moved * (x - y)).sum() + 50 * eps * scale**2 * (1 + rows * columns)
    assert moved.norm() <= (x - y).double().norm() * (1 + 50 * eps) + 50 * eps * scale


@every_map
def test_the_threshold_nought_changes_nothing_and_a_large_one_leaves_nothing(proximal: Proximal, norm: Norm) -> None:
    for dtype in (torch.float64, torch.float32):
        v = normal(4, 6, dtype=dtype)
        v[2] = 0
        torch.testing.assert_close(proximal(v, 0.0), v)
        torch.testing.assert_close(proximal(v, 100.0), torch.zeros_like(v), atol=1e-6, rtol=0)
        torch.testing.assert_close(proximal(torch.zeros_like(v), 0.0), torch.zeros_like(v))


@given(st.integers(0, 999), st.floats(0, 2))
def test_what_is_taken_away_lies_in_the_dual_ball(seed: int, threshold: float) -> None:
    """Moreau: `v - prox(v)` is the projection on the ball of the dual norm, of radius the threshold."""
    v = normal(4, 3, seed=seed)
    assert (v - soft_threshold(v, threshold)).abs().max() <= threshold + 1e-12
    assert (v - group_soft_threshold(v, threshold, 1)).square().sum(0).sqrt().max() <= threshold + 1e-12
    assert torch.linalg.matrix_norm(v - singular_value_threshold(v, threshold), 2) <= threshold + 1e-12


def test_thresholded_entries_are_zeros_without_a_sign() -> None:
    zeros = soft_threshold(torch.tensor([-0.5, 0.5]), 1.0)
    assert torch.equal(torch.signbit(zeros), torch.tensor([False, False]))


@given(st.integers(0, 999), st.floats(1e-6, 1e3))
def test_small_groups_become_zeros_and_not_only_small(seed: int, threshold: float) -> None:
    v = normal(50, 3, seed=seed) * threshold / 10
    assert not group_soft_threshold(v, threshold).any()
    assert not group_soft_threshold(v.float(), threshold).any()
    assert not soft_threshold(v, threshold).any()


@pytest.mark.parametrize("dim", [0, 1])
def test_groups_of_a_kernel_are_all_weights_of_an_output_or_of_an_input(dim: int) -> None:
    kernel = normal(4, 3, 2, 2)
    expected = kernel.clone()
    for group in expected.unbind(dim):
        group *= max(0.0, 1 - 1.5 / float(group.norm()))
    torch.testing.assert_close(group_soft_threshold(kernel, 1.5, dim), expected)
    torch.testing.assert_close(group_norms(kernel, dim), torch.stack([group.norm() for group in kernel.unbind(dim)]))


@pytest.mark.parametrize("shape", [(40, 7), (7, 40), (12, 12), (1, 5), (5, 1)])
@pytest.mark.parametrize("threshold", [1e-7, 1e-4, 0.1, 2.0, 6.0])
@pytest.mark.parametrize("decay", [1.0, 1e-3, 0.0])
def test_the_small_gram_is_as_good_as_float32_for_any_threshold(
    shape: tuple[int, int], threshold: float, decay: float
) -> None:
    """Against the decomposition itself in float64, on singular values that fall to nothing."""
    left, _, right = torch.linalg.svd(normal(*shape, seed=sum(shape)), full_matrices=False)
    values = 5 * torch.logspace(0, -9, min(shape), dtype=torch.float64) ** (decay if decay else 1)
    values[1:] *= float(decay > 0)  # the last decay: rank one
    matrix = ((left * values) @ right).float()
    u, s, v = np.linalg.svd(matrix.double().numpy(), full_matrices=False)
    exact = torch.from_numpy((u * np.maximum(s - threshold, 0)) @ v)
    error = torch.linalg.matrix_norm(singular_value_threshold(matrix, threshold).double() - exact, 2)
    assert error <= 2 * torch.finfo(torch.float32).eps * 5


@pytest.mark.parametrize("wrong", [-0.1, math.nan, math.inf])
@pytest.mark.parametrize("proximal", [soft_threshold, group_soft_threshold, singular_value_threshold])
def test_a_wrong_threshold_is_refused(proximal: Proximal, wrong: float) -> None:
    with pytest.raises(InputError, match=f"threshold must be at least 0 and finite, got {wrong}"):
        proximal(normal(2, 2), wrong)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(InputError, match=r"two dimensions, got shape \(2, 2, 2\)"):
        singular_value_threshold(normal(2, 2, 2), 1.0)
    with pytest.raises(InputError, match="one of the 2 dimensions, counted from 0, got 2"):
        group_soft_threshold(normal(2, 2), 1.0, dim=2)
