"""Streaming least squares recovers what is linear, agrees with a direct solver and knows its own residual."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from corank.errors import InputError
from corank.linalg import HermiteBasis, StreamingLeastSquares


def normal(rows: int, columns: int, seed: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def fitted(x: Tensor, y: Tensor, batch: int = 16) -> StreamingLeastSquares:
    fit = StreamingLeastSquares(x.shape[1], y.shape[1])
    for part_x, part_y in zip(x.split(batch), y.split(batch), strict=True):
        fit.update(part_x, part_y)
    return fit


@settings(max_examples=25, deadline=None)
@given(features=st.integers(1, 12), targets=st.integers(1, 4), batch=st.integers(1, 50), seed=st.integers(0, 99))
def test_linear_maps_are_recovered_exactly(features: int, targets: int, batch: int, seed: int) -> None:
    x, truth = normal(5 * features + 10, features, seed), normal(features, targets, seed + 1)
    fit = fitted(x, x @ truth, batch)
    assert fit.samples == len(x)
    # The ridge moves the solution by its size relative to the smallest eigenvalue, here within a factor 100.
    torch.testing.assert_close(fit.solve(), truth, rtol=0, atol=1e-7)
    torch.testing.assert_close(fit.solve(ridge=0.0), truth, rtol=0, atol=1e-11)


def test_a_polynomial_is_recovered_exactly() -> None:
    basis = HermiteBasis(variables=4, order=3)
    truth, z = normal(basis.terms, 2, 1), normal(10 * basis.terms, 4, 2)
    design = basis.evaluate(z)
    fit = fitted(design, design @ truth)
    torch.testing.assert_close(fit.solve(ridge=0.0), truth, rtol=0, atol=1e-10)
    assert fit.mean_squared_residual(truth) <= 1e-13 * float((design @ truth).square().sum(1).mean())


def test_agrees_with_a_direct_solver_and_merges_like_one_stream() -> None:
    x, y = normal(200, 9, 3), normal(200, 3, 4)
    direct = torch.linalg.lstsq(x, y).solution
    whole, parts = fitted(x, y), fitted(x[:70], y[:70])
    parts.merge(fitted(x[70:], y[70:]))
    assert parts.samples == whole.samples == 200
    for fit in (whole, parts):
        torch.testing.assert_close(fit.solve(), direct, rtol=0, atol=1e-8)
        residual = float((x @ direct - y).square().sum(1).mean())
        assert fit.mean_squared_residual(direct) == pytest.approx(residual, rel=1e-10)
    zero = torch.zeros(9, 3)
    assert whole.mean_squared_residual(zero) == pytest.approx(float(y.square().sum(1).mean()), rel=1e-12)


@pytest.mark.parametrize("ridge", [0.0, 1e-10])
@pytest.mark.parametrize("seed", range(12))  # rounding makes the last pivot zero, negative or tiny
def test_dependent_features_get_the_smallest_solution(ridge: float, seed: int) -> None:
    x = normal(50, 3, seed)
    x = torch.cat([x, x @ normal(3, 1, seed + 5)], dim=1)
    y = normal(50, 2, seed + 1)
    smallest = torch.linalg.pinv(x) @ y
    torch.testing.assert_close(fitted(x, y).solve(ridge), smallest, rtol=0, atol=1e-5)


@pytest.mark.parametrize("ridge", [0.0, 1e-10])
def test_fewer_samples_than_features(ridge: float) -> None:
    x, y = normal(5, 20, 7), normal(5, 2, 8)
    coefficients = fitted(x, y).solve(ridge)
    torch.testing.assert_close(x @ coefficients, y, rtol=0, atol=1e-6)
    assert float(coefficients.norm()) <= float((torch.linalg.pinv(x) @ y).norm()) * (1 + 1e-4)


def test_all_features_zero() -> None:
    fit = fitted(torch.zeros(4, 3), torch.ones(4, 1))
    assert torch.equal(fit.solve(), torch.zeros(3, 1, dtype=torch.float64))
    assert fit.mean_squared_residual(torch.zeros(3, 1)) == 1.0


def test_ridge_shrinks() -> None:
    x, y = normal(100, 4, 9), normal(100, 1, 10)
    fit = fitted(x, y)
    norms = [float(fit.solve(ridge).norm()) for ridge in (0.0, 0.1, 1.0, 10.0)]
    assert norms == sorted(norms, reverse=True)
    gram = x.T @ x
    expected = torch.linalg.solve(gram + 0.1 * gram.diagonal().mean() * torch.eye(4, dtype=torch.float64), x.T @ y)
    torch.testing.assert_close(fit.solve(0.1), expected, rtol=1e-9, atol=0)


def test_wrong_input_is_refused_and_leaves_no_trace() -> None:
    fit = StreamingLeastSquares(2, 1)
    nan = torch.full((3, 1), float("nan"))
    refused = [
        (lambda: StreamingLeastSquares(0, 1), "features must be at least 1, got 0"),
        (lambda: StreamingLeastSquares(1, 0), "targets must be at least 1, got 0"),
        (
            lambda: fit.update(torch.zeros(3, 3), torch.zeros(3, 1)),
            r"x must have shape \(batch, 2\), got \(3, 3\)",
        ),
        (
            lambda: fit.update(torch.zeros(3, 2), torch.zeros(3, 2)),
            r"y must have shape \(batch, 1\), got \(3, 2\)",
        ),
        (lambda: fit.update(torch.zeros(3, 2), torch.zeros(2, 1)), "equally many rows, got 3 and 2"),
        (lambda: fit.update(torch.ones(3, 2), nan), "y must be finite, got nan in row 0"),
        (lambda: fit.merge(StreamingLeastSquares(3, 1)), r"got \(3, 1\) for \(2, 1\)"),
        (lambda: fit.solve(), "at least one sample, got 0"),
        (lambda: fit.mean_squared_residual(torch.zeros(2, 1)), "at least one sample, got 0"),
    ]
    for call, message in refused:
        with pytest.raises(InputError, match=message):
            call()
    assert fit.samples == 0
    fit.update(torch.eye(2), torch.ones(2, 1))
    torch.testing.assert_close(fit.solve(), torch.ones(2, 1, dtype=torch.float64))
    with pytest.raises(InputError, match="ridge must be at least 0, got -1"):
        fit.solve(ridge=-1)
    with pytest.raises(InputError, match=r"shape \(2, 1\), got \(1, 2\)"):
        fit.mean_squared_residual(torch.zeros(1, 2))
