"""The law of Marchenko and Pastur: how the squared singular values of a large matrix of noise are spread.

For an (L x M) matrix A of independent noise of variance 1, L <= M and alpha = L / M, the eigenvalues of `A A^T / M`
fill the interval `(1 +- sqrt alpha)^2` with the density `sqrt((x_+ - x)(x - x_-)) / (2 pi alpha x)` (Marchenko and
Pastur 1967).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_NODES = 4096  # of the midpoint rule; in the angle below the density is smooth, so that it is exact to about 1e-6


def marchenko_pastur_quantiles(shares: Tensor, aspect: float) -> Tensor:
    """The values below which so many eigenvalues lie.

    Args:
        shares: of the eigenvalues, from 0 to 1.
        aspect: alpha, above 0 and at most 1.

    Example:
        >>> marchenko_pastur_quantiles(torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64), 0.25)
        tensor([0.2500, 0.9160, 2.2500], dtype=torch.float64)
    """
    # x = 1 + alpha - 2 sqrt(alpha) cos(angle), in which the density times dx is sin^2 of the angle over x
    step = math.pi / _NODES
    edges = torch.arange(_NODES + 1, dtype=torch.float64) * step
    middles = edges[:-1] + step / 2

    def value(angle: Tensor) -> Tensor:
        return (1 - math.sqrt(aspect)) ** 2 + 4 * math.sqrt(aspect) * (angle / 2).sin().square()

    weights = middles.sin().square() / value(middles)
    below = torch.cat([weights.new_zeros(1), weights.cumsum(0)])
    below = below / below[-1].clone()
    shares = shares.to(torch.float64).clamp(0, 1)
    right = torch.searchsorted(below, shares.contiguous()).clamp(1, _NODES)
    part = (shares - below[right - 1]) / (below[right] - below[right - 1])
    return value(edges[right - 1] + part.clamp(0, 1) * step)
