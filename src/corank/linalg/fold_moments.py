"""Mean and covariance of features and targets next to each other, for each fold of a stream of samples.

Whatever a linear fit with an intercept needs for cross-validation is in them: the moments of all samples but a fold's
are those of the other folds merged.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from corank.errors import InputError
from corank.linalg.whitening import StreamingMoments

Samples = Iterable[tuple[Tensor, Tensor]]
"""Batches of x (B, features) and y (B, targets)."""


def fold_moments(samples: Samples, folds: int) -> tuple[int, list[StreamingMoments]]:
    """The moments of `(x, y)` of every fold; sample i is in fold i mod `folds`.

    Args:
        samples: gone through once.
        folds: at least 1; each gets at least two samples.

    Returns:
        the number of features, which are the first columns, and the moments.

    Raises:
        InputError: fewer than two samples a fold, or shapes or numbers that are wrong.

    Example:
        >>> x = torch.arange(6.0)[:, None]
        >>> features, parts = fold_moments([(x[:3], 2 * x[:3]), (x[3:], 2 * x[3:])], folds=2)
        >>> features, [part.mean.tolist() for part in parts]
        (1, [[2.0, 4.0], [3.0, 6.0]])
    """
    parts: list[StreamingMoments] = []
    features = seen = 0
    for x, y in samples:
        if x.ndim != 2 or y.ndim != 2 or len(x) != len(y):
            raise InputError(f"x and y must be matrices with equally many rows, got {tuple(x.shape)}, {tuple(y.shape)}")
        if not parts:
            features = x.shape[1]
            parts = [StreamingMoments(features + y.shape[1], device=x.device) for _ in range(folds)]
        rows = torch.cat([x.to(torch.float64), y.to(torch.float64)], 1)
        for fold, part in enumerate(parts):
            part.update(rows[(fold - seen) % folds :: folds])
        seen += len(x)
    if seen < 2 * folds:
        raise InputError(f"{folds} folds need at least {2 * folds} samples, got {seen}")
    return features, parts
