from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.ode import (
    Chebyshev,
    DormandPrince5,
    adjoint_bound,
    gradient_error,
    logarithmic_norm,
    reference_gradient,
    round_trip_error,
)

from .fields import Linear, Timed, states


def test_the_reference_gradient_is_that_of_the_exact_solution() -> None:
    field = Linear()
    found = reference_gradient(field.float(), states().float(), [0.0, 1.0], lambda z: z.square().sum())
    exact = Linear()
    with torch.no_grad():
        exact.matrix.copy_(field.matrix)
    (gradient,) = torch.autograd.grad(exact.exact(states().float().double(), 1.0).square().sum(), exact.matrix)
    torch.testing.assert_close(found, gradient.reshape(-1), rtol=1e-7, atol=1e-8)
    solver = DormandPrince5(rtol=1e-5, atol=1e-5)
    loss = lambda z: z.square().sum()  # noqa: E731
    assert 1e-8 < gradient_error(field, states().float(), [0.0, 1.0], loss, solver=solver) < 1e-3


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(InputError, match="must have parameters"):
        gradient_error(nn.Identity(), states(), [0.0, 1.0], torch.sum)
    with pytest.raises(InputError, match="is zero"):
        gradient_error(Linear(), states(), [0.0, 1.0], lambda z: 0 * z.sum())


def test_the_round_trip_is_closed_where_the_reverse_is_stable_only() -> None:
    turning = lambda t, z: torch.stack([z[..., 1], -z[..., 0]], -1)  # noqa: E731
    solver = DormandPrince5(rtol=1e-6, atol=1e-6)
    assert round_trip_error(turning, states(size=2), [0.0, 3.0], solver=solver) < 1e-4
    assert round_trip_error(lambda t, z: -40 * z, states(), [0.0, 1.0], solver=solver) > 1


def test_the_logarithmic_norm_bounds_the_matrix_exponential() -> None:
    for seed in range(5):
        matrix = torch.randn(4, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        grown = torch.linalg.matrix_norm(torch.linalg.matrix_exp(0.7 * matrix), 2)
        assert grown <= torch.exp(0.7 * logarithmic_norm(matrix)) * (1 + 1e-12)


@pytest.mark.parametrize("nodes", [5, 9])
def test_the_corrected_bounds_hold(nodes: int) -> None:
    field, z0 = Timed(), states(batch=1)
    cotangent = torch.tensor([[1.0, -2.0, 0.5]], dtype=torch.float64)
    found = adjoint_bound(field, z0, [0.0, 2.0], cotangent, interpolation=Chebyshev(nodes=nodes))
    assert 0 < found.size <= found.size_bound
    assert 0 < found.error <= found.error_bound


def test_the_bounds_are_sharp_for_a_scalar_field() -> None:
    def field(t: Tensor, z: Tensor) -> Tensor:  # J is what it is bounded by
        return -z * z

    found = adjoint_bound(
        field, torch.tensor([2.0], dtype=torch.float64), [0.0, 2.0], torch.ones(1, dtype=torch.float64),
        interpolation=Chebyshev(nodes=5),
    )  # fmt: skip
    assert found.size == pytest.approx(found.size_bound, rel=1e-6)
    assert found.error <= found.error_bound
    with pytest.raises(InputError, match="two ascending"):
        adjoint_bound(field, torch.ones(1), [1.0, 0.0], torch.ones(1))
