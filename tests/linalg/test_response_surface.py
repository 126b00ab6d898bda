"""Response surfaces recover what they can represent and keep the bound of the eigenvalues left out."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from corank.errors import InputError
from corank.linalg import fit_response_surface


def normal(rows: int, columns: int, seed: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_quadratic_in_two_directions_is_recovered() -> None:
    directions = torch.linalg.qr(normal(9, 2, 1))[0]
    x = normal(300, 9, 2)

    def quadratic(points: Tensor) -> Tensor:
        z = points @ directions
        return 3 + z[:, 0] - 2 * z[:, 1] + 0.5 * z[:, 0] ** 2 - z[:, 0] * z[:, 1] + 4 * z[:, 1] ** 2

    found = fit_response_surface(
        x[:200] @ directions,
        quadratic(x[:200]),
        order=2,
        z_heldout=x[200:] @ directions,
        values_heldout=quadratic(x[200:]),
        eigenvalues_left_out=0.0,
    )
    assert (found.samples, found.samples_heldout, found.eigenvalues_left_out) == (200, 100, 0)
    assert max(found.error, found.error_heldout) <= 1e-8
    assert min(found.explained, found.explained_heldout) >= 1 - 1e-12
    far = 10 * normal(5, 9, 3)
    torch.testing.assert_close(found.evaluate(far @ directions), quadratic(far), rtol=1e-7, atol=0)


def test_the_linear_function_of_the_papers_example() -> None:
    # f(x) = a^T x - b with a = (1, -1), b = 1, x uniform on the unit square: C = a a^T, one active direction
    a = torch.tensor([1.0, -1.0], dtype=torch.float64)
    x = torch.rand(100, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values, vectors = torch.linalg.eigh(torch.outer(a, a))
    active = vectors[:, -1:]
    torch.testing.assert_close(active.abs(), torch.full((2, 1), 0.5**0.5).double())
    found = fit_response_surface(x @ active, x @ a - 1, order=1, eigenvalues_left_out=float(values[0]))
    assert found.error <= 1e-9
    # the first principal component sees nothing of it
    uncentred = torch.tensor([[1 / 3, 1 / 4], [1 / 4, 1 / 3]], dtype=torch.float64)
    principal = torch.linalg.eigh(uncentred)[1][:, -1:]
    assert fit_response_surface(x @ principal, x @ a - 1, order=1).explained <= 0.1


@given(order=st.integers(0, 3), variables=st.integers(1, 3), seed=st.integers(0, 99))
def test_agrees_with_a_monomial_least_squares_fit(order: int, variables: int, seed: int) -> None:
    z = (normal(60, variables, seed) * torch.tensor([1.0, 0.01, 30.0])[:variables] + 2).double()
    values = torch.sin(3 * z[:, 0]) + normal(60, 1, seed + 1)[:, 0]
    scaled = ((z - z.mean(0)) / z.std(0)).numpy()
    powers = [p for p in np.ndindex(*(order + 1,) * variables) if sum(p) <= order]
    design = np.stack([np.prod(scaled**p, axis=1) for p in powers], axis=1)
    expected = design @ np.linalg.lstsq(design, values.numpy(), rcond=None)[0]
    found = fit_response_surface(z, values, order)
    torch.testing.assert_close(found.evaluate(z), torch.from_numpy(expected), rtol=0, atol=1e-6)
    residual = expected - values.numpy()
    assert found.error == pytest.approx(float(np.sqrt(np.mean(residual**2))), rel=1e-6)
    assert found.explained == pytest.approx(1 - float(np.mean(residual**2) / values.numpy().var()), abs=1e-6)


def test_errors_keep_the_bound_of_the_eigenvalues_left_out() -> None:
    # c(x) = sum w_i sin(x_i), x standard normal: the constant of the inequality is 1, C is diagonal plus rank one
    weights = 0.5 ** torch.arange(8, dtype=torch.float64)
    x = normal(20_000, 8, 4)
    gradients, values = weights * x.cos(), (x.sin() * weights).sum(1)
    squares, vectors = torch.linalg.eigh(gradients.T @ gradients / len(x))
    squares, vectors = squares.flip(0).clamp(min=0), vectors.flip(1)
    for rank in (1, 2, 4):
        z, left_out = x @ vectors[:, :rank], float(squares[rank:].sum())
        found = fit_response_surface(
            z[:10_000], values[:10_000], 5, z_heldout=z[10_000:], values_heldout=values[10_000:],
            eigenvalues_left_out=left_out,
        )  # fmt: skip
        assert found.error_heldout**2 <= left_out
        assert found.explained_heldout >= 1 - left_out / float(values.var())


def test_held_out_rows_tell_of_noise_that_was_fitted() -> None:
    z, values = normal(40, 2, 5), normal(40, 1, 6)[:, 0]
    found = fit_response_surface(z, values, 4, z_heldout=normal(500, 2, 7), values_heldout=normal(500, 1, 8)[:, 0])
    assert found.error < 0.9 < 1.1 < found.error_heldout
    assert found.explained_heldout < 0 < found.explained


def test_dependent_and_constant_variables() -> None:
    z = normal(50, 1, 9)
    z = torch.cat([z, 2 * z, torch.full_like(z, 3.0)], dim=1)
    found = fit_response_surface(z, z[:, 0] ** 2, 2)
    assert found.error <= 1e-5
    constant = fit_response_surface(z, torch.full((50,), 2.0), 1)
    assert constant.error <= 1e-8
    assert math.isnan(constant.explained)
    assert math.isnan(constant.error_heldout)


def test_wrong_input_is_refused() -> None:
    z, values = normal(20, 2, 10), normal(20, 1, 11)[:, 0]
    refused = [
        (lambda: fit_response_surface(values, values, 1), r"both at least 1, got \(20,\)"),
        (lambda: fit_response_surface(z, values[:3], 1), r"values must have shape \(20,\), one a row of z, got \(3,\)"),
        (lambda: fit_response_surface(z, values, 9), "order 9 in 2 variables needs 55 samples, got 20"),
        (lambda: fit_response_surface(z, values, -1), "order must be at least 0, got -1"),
        (lambda: fit_response_surface(z, values / 0, 1), "values must be finite"),
        (lambda: fit_response_surface(z, values, 1, z_heldout=z), "given together, got one of them"),
        (
            lambda: fit_response_surface(z, values, 1, z_heldout=z[:, :1], values_heldout=values),
            r"held-out z must have 2 variables, got 1",
        ),
        (lambda: fit_response_surface(z, values, 1).evaluate(z[:, :1]), r"points must have shape \(batch, 2\)"),
    ]
    for call, message in refused:
        with pytest.raises(InputError, match=message):
            call()
