"""Orthogonal matching pursuit from sums against scikit-learn on the samples, fold by fold, and its recovery."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression, OrthogonalMatchingPursuit
from torch import Tensor

from corank.errors import InputError
from corank.linalg import cross_validated_pursuit


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def sparse(samples: int, features: int, noise: float = 0.3) -> tuple[Tensor, Tensor, Tensor]:
    """Two targets, each with three features of its own."""
    x = normal(samples, features) * torch.linspace(0.5, 2, features, dtype=torch.float64) + 1
    truth = torch.zeros(features, 2, dtype=torch.float64)
    truth[[1, 4, 6], 0] = torch.tensor([2.0, -1.0, 1.5], dtype=torch.float64)
    truth[[0, 4, 8], 1] = torch.tensor([1.0, 2.0, -2.0], dtype=torch.float64)
    return x, x @ truth + 3 + noise * normal(samples, 2, seed=1), truth


def batches(x: Tensor, y: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    return list(zip(x.split(size), y.split(size), strict=True))


@pytest.mark.parametrize(("samples", "features"), [(200, 12), (60, 40), (30, 50)])
def test_the_features_that_matter_are_found_even_among_more_than_there_are_samples(samples: int, features: int) -> None:
    x, y, truth = sparse(samples, features, noise=0.02)
    found = cross_validated_pursuit(batches(x, y, 13))
    assert bool((found.coefficients[truth != 0] != 0).all())
    torch.testing.assert_close(found.coefficients, truth, rtol=0, atol=0.05)
    torch.testing.assert_close(found.intercept, torch.full((2,), 3.0, dtype=torch.float64), rtol=0, atol=0.1)
    assert found.nonzeros.tolist() == (found.coefficients != 0).sum(0).tolist()
    assert int(found.nonzeros.max()) < features / 2


def standardised(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(0)) / x.std(0)


def test_paths_and_errors_are_those_of_scikit_learn_on_the_samples() -> None:
    x, y, _ = sparse(63, 12)
    found = cross_validated_pursuit(batches(x, y, 10), folds=3)
    assert found.errors.shape == (13, 2)
    points, fold = x.numpy(), np.arange(63) % 3
    for target in range(2):
        values = y.numpy()[:, target]
        for count in range(1, 13):
            squares = 0.0
            for out in range(3):
                train = fold != out
                chosen = OrthogonalMatchingPursuit(n_nonzero_coefs=count, fit_intercept=True)
                support = chosen.fit(standardised(points[train]), values[train]).coef_ != 0
                refit = LinearRegression().fit(points[train][:, support], values[train])
                squares += ((refit.predict(points[~train][:, support]) - values[~train]) ** 2).sum()
            assert float(found.errors[count, target]) == pytest.approx(squares / 63, rel=1e-6)
        mean = sum(((values[fold == out] - values[fold != out].mean()) ** 2).sum() for out in range(3)) / 63
        assert float(found.errors[0, target]) == pytest.approx(mean)
        best = int(found.errors[:, target].argmin())
        assert int(found.nonzeros[target]) == best
        support = OrthogonalMatchingPursuit(n_nonzero_coefs=best).fit(standardised(points), values).coef_ != 0
        refit = LinearRegression().fit(points[:, support], values)
        np.testing.assert_allclose(found.coefficients[support, target], refit.coef_, rtol=1e-8)
        assert float(found.intercept[target]) == pytest.approx(float(refit.intercept_))


def test_noise_alone_needs_few_features_and_a_constant_none() -> None:
    x = normal(200, 30)
    found = cross_validated_pursuit([(x, torch.cat([normal(200, 1, seed=5), torch.full((200, 1), 4.0)], 1))])
    assert int(found.nonzeros[0]) <= 3
    assert int(found.nonzeros[1]) == 0
    assert float(found.intercept[1]) == pytest.approx(4.0)


def test_features_that_are_constant_or_twice_there_do_no_harm() -> None:
    x, y, truth = sparse(100, 12, noise=0.0)
    doubled = torch.cat([x, x[:, :5], torch.ones(100, 1)], 1)
    found = cross_validated_pursuit([(doubled, y)])
    torch.testing.assert_close(doubled @ found.coefficients + found.intercept, x @ truth + 3, rtol=0, atol=1e-6)
    assert not found.coefficients[-1].any()


@pytest.mark.parametrize(
    ("samples", "folds", "named"),
    [(40, 1, "folds must be at least 2, got 1"), (9, 5, "5 folds need at least 10 samples, got 9")],
)
def test_what_cannot_be_fitted_is_refused(samples: int, folds: int, named: str) -> None:
    with pytest.raises(InputError, match=named):
        cross_validated_pursuit([(normal(samples, 3), normal(samples, 1))], folds)
