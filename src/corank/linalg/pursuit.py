"""Sparse regression: few features an output, by orthogonal matching pursuit, how few by cross-validation.

Everything is computed from sums over the samples of each fold, so the samples stream past once (Rubinstein, Zibulevsky
and Elad 2008, "Efficient Implementation of the K-SVD Algorithm using Batch Orthogonal Matching Pursuit"). For a
polynomial chaos with fewer samples than coefficients (Cui et al. 2020, "Active Subspace of Neural Networks",
section 3.5: "sparse regularization approach").
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from corank.errors import InputError
from corank.linalg.fold_moments import Samples, fold_moments
from corank.linalg.whitening import StreamingMoments

_AT_LEAST = 50  # features that may be chosen where there are as many
_ONE_IN = 4  # and beyond, this share of them: more is not sparse


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class SparseFit:
    """The fit `y = intercept + x coefficients` with most coefficients zero.

    Attributes:
        coefficients: shape (features, targets), float64.
        intercept: shape (targets,), float64.
        nonzeros: shape (targets,), how many features each target uses.
        errors: shape (1 + most, targets): the cross-validated mean squared error with 0, 1, ... features.
        samples: how many there were.
    """

    coefficients: Tensor
    intercept: Tensor
    nonzeros: Tensor
    errors: Tensor
    samples: int


@torch.no_grad()
def cross_validated_pursuit(samples: Samples, folds: int = 5) -> SparseFit:
    """Features are taken in one at a time, each time the one most correlated with what is left, then all refitted.

    Args:
        samples: batches of x (B, features) and y (B, targets), gone through once; sample i is in fold i mod `folds`.
        folds: into how many parts the samples are split, at least 2.

    Raises:
        InputError: fewer than two folds, fewer than two samples a fold, or shapes or numbers that are wrong.

    Example:
        >>> chance = torch.Generator().manual_seed(0)
        >>> x = torch.randn(30, 50, generator=chance, dtype=torch.float64)
        >>> noise = torch.randn(30, 1, generator=chance, dtype=torch.float64)
        >>> found = cross_validated_pursuit([(x, 3 * x[:, 7:8] - 2 * x[:, 20:21] + 0.1 * noise)])
        >>> found.coefficients.flatten().nonzero().flatten().tolist()
        [7, 20]
    """
    if folds < 2:
        raise InputError(f"folds must be at least 2, got {folds}")
    features, parts = fold_moments(samples, folds)
    total = _merged(parts)
    most = min(features, total.samples - max(part.samples for part in parts) - 1, max(_AT_LEAST, features // _ONE_IN))
    errors = torch.zeros(1 + most, total.features - features, dtype=torch.float64)
    for left_out in range(folds):
        training = _merged(parts[:left_out] + parts[left_out + 1 :])
        for target, path in enumerate(_paths(training, features, most)):
            errors[:, target] += _squared_errors(parts[left_out], training, path, features, features + target)
    nonzeros = errors.argmin(0)
    paths = _paths(total, features, most)
    coefficients = torch.stack([path[:, count] for path, count in zip(paths, nonzeros.tolist(), strict=True)], 1)
    device = total.mean.device
    coefficients = coefficients.to(device)
    return SparseFit(
        coefficients=coefficients,
        intercept=total.mean[features:] - total.mean[:features] @ coefficients,
        nonzeros=(coefficients != 0).sum(0),
        errors=(errors / total.samples).to(device),
        samples=total.samples,
    )


def _merged(parts: Sequence[StreamingMoments]) -> StreamingMoments:
    merged = copy.deepcopy(parts[0])
    for part in parts[1:]:
        merged.merge(part)
    return merged


def _paths(moments: StreamingMoments, features: int, most: int) -> list[Tensor]:
    """For every target the coefficients with 0, 1, ..., `most` features: shape (features, 1 + most).

    Features are compared at unit variance. A path that ends early, where nothing is left to explain, stays as it is.
    """
    from sklearn.linear_model import orthogonal_mp_gram

    covariance = moments.covariance.cpu().numpy()
    deviations = np.sqrt(np.diagonal(covariance)[:features])
    scales = np.where(deviations > 0, deviations, 1.0)
    gram = covariance[:features, :features] / np.outer(scales, scales)
    paths = []
    for target in range(features, len(covariance)):
        path = np.zeros((features, 1 + most))
        correlations = covariance[:features, target] / scales
        if most and correlations.any():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # that it ended early
                found = orthogonal_mp_gram(gram, correlations, n_nonzero_coefs=most, return_path=True)
            found = found.reshape(features, -1)
            path[:, 1 : 1 + found.shape[1]] = found
            path[:, 1 + found.shape[1] :] = found[:, -1:]
        paths.append(torch.from_numpy(path / scales[:, None]))
    return paths


def _squared_errors(
    part: StreamingMoments, training: StreamingMoments, path: Tensor, features: int, target: int
) -> Tensor:
    """The sum over a fold's samples of the squared error of fits from the others: shape (1 + most,)."""
    shift = part.mean - training.mean  # the intercept is that of the training samples
    second = (part.covariance + torch.outer(shift, shift)).cpu()
    explained = second[:features, :features] @ path
    squares = second[target, target] - 2 * second[target, :features] @ path + (explained * path).sum(0)
    return part.samples * squares.clamp(min=0)
