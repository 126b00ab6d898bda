"""The picture of a weight matrix as numbers: how much of it is blank, and how far neighbouring entries agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

BLANK = 0.05  # of the largest entry: on a scale of colours between the extremes, what cannot be told from zero


@final
@dataclass(frozen=True, kw_only=True)
class Picture:
    """A weight matrix as its picture shows it.

    Attributes:
        blank: the share of entries of at most a twentieth of the largest one.
        pattern: the correlation of entries that are neighbours in a row, so of the weights of neighbouring pixels or
            places of a filter: near 0 for noise, near 1 for a smooth pattern; 0 for a matrix of zeros.
    """

    blank: float
    pattern: float


def picture_of(matrix: Tensor) -> Picture:
    """A weight matrix as its picture shows it.

    Args:
        matrix: shape (p, q), q > 1; a convolution's kernel as (out_channels, the rest).

    Example:
        >>> import torch
        >>> found = picture_of(torch.tensor([[4.0, 4.0, 4.0, 4.0], [0.0, 0.0, 0.0, 0.0]]))
        >>> found.blank, round(found.pattern, 6)
        (0.5, 1.0)
    """
    entries = matrix.detach().double()
    sizes = entries.abs()
    left, right = entries[:, :-1], entries[:, 1:]
    norms = float(left.norm() * right.norm())
    return Picture(
        blank=float((sizes <= BLANK * sizes.max()).double().mean()),
        pattern=float((left * right).sum()) / norms if norms > 0 else 0.0,
    )
