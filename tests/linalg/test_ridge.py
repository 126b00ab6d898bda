"""The cross-validated ridge against refits without each sample, scikit-learn and normal equations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge, RidgeCV
from torch import Tensor

from corank.errors import InputError
from corank.linalg import leave_one_out_ridge


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def noisy(samples: int, features: int, targets: int = 2, noise: float = 1.0) -> tuple[Tensor, Tensor]:
    x = normal(samples, features) @ (torch.eye(features) + 0.3 * normal(features, features, seed=1)) + 2
    y = x @ normal(features, targets, seed=2) + noise * normal(samples, targets, seed=3) - 1
    return x, y


def batches(x: Tensor, y: Tensor, size: int = 7) -> list[tuple[Tensor, Tensor]]:
    return list(zip(x.split(size), y.split(size), strict=True))


def alpha_of(ridge: float, x: Tensor) -> float:
    """Scikit-learn's penalty belongs to sums, not means, and to the features' own units."""
    return ridge * len(x) * float(x.var(0, correction=0).mean())


@pytest.mark.parametrize(("samples", "features"), [(30, 5), (20, 18), (15, 25)])
def test_its_errors_are_those_of_refits_without_each_sample(samples: int, features: int) -> None:
    x, y = noisy(samples, features)
    ridges = (1e-3, 0.1, 10.0)
    found = leave_one_out_ridge(batches(x, y), ridges)
    for ridge, error in zip(ridges, found.errors.tolist(), strict=True):
        squares = 0.0
        for index in range(samples):
            rest = torch.arange(samples) != index
            refit = Ridge(alpha=alpha_of(ridge, x), solver="svd").fit(x[rest].numpy(), y[rest].numpy())
            squares += float(((refit.predict(x[index : index + 1].numpy()) - y[index].numpy()) ** 2).sum())
        assert error == pytest.approx(squares / samples, rel=1e-8)


@pytest.mark.parametrize(("samples", "features"), [(60, 20), (25, 24), (20, 40)])
def test_it_chooses_and_fits_like_scikit_learn(samples: int, features: int) -> None:
    x, y = noisy(samples, features, noise=3.0)
    ridges = tuple(10.0**power for power in range(-6, 3))
    found = leave_one_out_ridge(batches(x, y), ridges)
    expected = RidgeCV([alpha_of(ridge, x) for ridge in ridges]).fit(x.numpy(), y.numpy())
    assert alpha_of(found.ridge, x) == pytest.approx(expected.alpha_)
    np.testing.assert_allclose(found.coefficients.T, expected.coef_, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(found.intercept, expected.intercept_, rtol=1e-6, atol=1e-8)
    assert found.samples == samples


def test_noise_asks_for_a_larger_ridge_and_gains_by_it() -> None:
    clean, loud = (leave_one_out_ridge(batches(*noisy(50, 40, noise=noise))) for noise in (0.0, 5.0))
    assert clean.ridge <= 1e-8
    assert loud.ridge >= 1e-2
    x = noisy(5000, 40)[0][50:]  # the first fifty were learnt from
    least = torch.linalg.lstsq(torch.cat([noisy(50, 40)[0], torch.ones(50, 1)], 1), noisy(50, 40, noise=5.0)[1])
    plain = torch.cat([x, torch.ones(len(x), 1)], 1) @ least.solution
    truth = x @ normal(40, 2, seed=2) - 1
    assert (x @ loud.coefficients + loud.intercept - truth).square().mean() < 0.5 * (plain - truth).square().mean()


def test_a_fit_through_every_sample_is_not_taken_for_a_good_one() -> None:
    """With more features than samples a tiny ridge leaves no residual, and leaving one out tells nothing."""
    x, y = noisy(10, 30)
    found = leave_one_out_ridge([(x, y)], (1e-14, 1.0))
    assert math.isinf(found.errors[0])
    assert found.ridge == 1.0


@pytest.mark.parametrize(
    ("samples", "ridges", "named"),
    [
        ([(normal(3, 2), normal(3, 1))], (0.1, 0.0), "positive and finite numbers, got 0.0"),
        ([(normal(3, 2), normal(3, 1))], (), "positive and finite numbers, got none"),
        ([(torch.ones(3, 2), normal(3, 1))], (0.1,), "the 2 features must vary, got constant ones"),
        ([(normal(1, 2), normal(1, 1))], (0.1,), "1 folds need at least 2 samples, got 1"),
        ([], (0.1,), "at least 2 samples, got 0"),
        ([(normal(3, 2), normal(2, 1))], (0.1,), r"equally many rows, got \(3, 2\), \(2, 1\)"),
        ([(normal(3, 2) / 0, normal(3, 1))], (0.1,), "must be finite"),
    ],
)
def test_what_cannot_be_fitted_is_refused(samples: list, ridges: tuple[float, ...], named: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(InputError, match=named):
        leave_one_out_ridge(samples, ridges)
