"""Ridge regression in closed form, for the penalty that predicts a part of the samples best."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from corank.errors import InputError
from corank.linalg.validated_ridge import RIDGES, validated_ridge

ROUNDING = 1e-8  # of an eigendecomposition beside a Cholesky factorisation, at ridges down to 1e-4


def solved(x: Tensor, y: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """The minimiser by the normal equations of `[x, 1]`, whose intercept has no penalty."""
    m, features = x.shape
    unit = x.var(0, correction=0).mean()
    design = torch.cat([x, torch.ones(m, 1, dtype=x.dtype)], 1)
    penalty = torch.diag(torch.cat([unit.expand(features) * ridge, torch.zeros(1, dtype=x.dtype)]))
    both = torch.linalg.solve(design.T @ design / m + penalty, design.T @ y / m)
    return both[:-1], both[-1]


def problem(m: int, features: int, targets: int, noise: float, seed: int) -> tuple[Tensor, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    x = torch.randn(m, features, generator=chance, dtype=torch.float64) * 0.7 ** torch.arange(features) + 3
    truth = torch.randn(features, targets, generator=chance, dtype=torch.float64)
    return x, x @ truth + 2 + noise * torch.randn(m, targets, generator=chance, dtype=torch.float64)


@given(st.integers(10, 60), st.integers(1, 8), st.integers(1, 3), st.sampled_from([0.0, 1.0, 30.0]), st.integers(0, 99))
def test_it_is_the_closed_form_for_the_ridge_that_predicts_the_last_fifth_best(
    m: int, features: int, targets: int, noise: float, seed: int
) -> None:
    x, y = problem(m, features, targets, noise, seed)
    coefficients, intercept, ridge = validated_ridge(x, y)
    expected = solved(x, y, ridge)
    torch.testing.assert_close(coefficients, expected[0], rtol=ROUNDING, atol=ROUNDING)
    torch.testing.assert_close(intercept, expected[1], rtol=ROUNDING, atol=10 * ROUNDING)
    fitting = m - m // 5
    errors = {}
    for candidate in RIDGES:
        matrix, constant = solved(x[:fitting], y[:fitting], candidate)
        errors[candidate] = float((y[fitting:] - x[fitting:] @ matrix - constant).square().sum())
    assert errors[ridge] <= min(errors.values()) * (1 + 1e-6) + 1e-12


@given(st.integers(10, 30), st.integers(1, 40), st.integers(0, 99))
def test_it_predicts_its_samples_no_worse_than_the_mean(m: int, features: int, seed: int) -> None:
    x, y = problem(m, features, 2, 5.0, seed)
    coefficients, intercept, _ = validated_ridge(x, y)
    missed = (y - x @ coefficients - intercept).square().sum()
    assert float(missed) <= float((y - y.mean(0)).square().sum()) * (1 + 1e-9)


def test_noise_asks_for_more_shrinkage() -> None:
    x, y = problem(60, 20, 1, 0.0, 0)
    noise = torch.randn(60, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert validated_ridge(x, y)[2] == min(RIDGES) < validated_ridge(x, noise)[2]


@given(st.floats(1e-3, 1e3), st.integers(0, 99))
def test_the_unit_of_x_does_not_matter(unit: float, seed: int) -> None:
    x, y = problem(30, 4, 2, 1.0, seed)
    one, other = validated_ridge(x, y), validated_ridge(unit * x, y)
    assert one[2] == other[2]
    torch.testing.assert_close(one[0], unit * other[0], rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(one[1], other[1], rtol=1e-6, atol=1e-6)


def test_features_that_never_change_are_left_alone() -> None:
    x, y = torch.full((20, 3), 7.0), torch.randn(20, 2, dtype=torch.float64)
    coefficients, intercept, _ = validated_ridge(x, y)
    assert torch.equal(coefficients, torch.zeros(3, 2, dtype=torch.float64))
    torch.testing.assert_close(intercept, y.mean(0))


@pytest.mark.parametrize(
    ("x", "y", "ridges", "said"),
    [
        (torch.ones(9, 2), torch.ones(9, 1), RIDGES, "at least 10 samples, got 9"),
        (torch.ones(10, 2), torch.ones(9, 1), RIDGES, r"got \(10, 2\) and \(9, 1\)"),
        (torch.ones(10), torch.ones(10, 1), RIDGES, r"got \(10,\) and \(10, 1\)"),
        (torch.ones(10, 2), torch.ones(10, 1), (), r"ridges must be positive, got \(\)"),
        (torch.ones(10, 2), torch.ones(10, 1), (1.0, 0.0), r"positive, got \(1.0, 0.0\)"),
    ],
)
def test_wrong_input_is_refused(x: Tensor, y: Tensor, ridges: tuple[float, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        validated_ridge(x, y, ridges)
