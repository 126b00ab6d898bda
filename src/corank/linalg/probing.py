"""How far a point is from where a linear classifier changes its mind, by the two vectors that it probes it with.

Gao et al., Feature Compression Is the Root Cause of Adversarial Fragility in Neural Network Classifiers, Theorems 1
and 5. A linear network of any depth answers `p_i . x` for class i.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Probed:
    """The way from a point to the other side, `p_j . x = p_i . x`.

    Attributes:
        distance: the smallest perturbation, `|(p_i - p_j) . x| / |p_i - p_j|`.
        bound: the length of the point's projection on the plane of both probes, which is no smaller.
    """

    distance: Tensor
    bound: Tensor


def probed_distance(own: Tensor, other: Tensor, point: Tensor) -> Probed:
    """Theorem 5.

    Args:
        own: `(..., d)` the probe p_i.
        other: `(..., d)` the probe p_j, not parallel to it.
        point: `(..., d)`.

    Example:
        >>> found = probed_distance(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), torch.tensor([3.0, 1.0]))
        >>> round(float(found.distance), 4), round(float(found.bound), 4)
        (1.4142, 3.1623)
    """
    across = own - other
    basis = torch.linalg.qr(torch.stack([own, other], -1)).Q
    coordinates = (basis.mT @ point[..., None])[..., 0]
    distance = torch.linalg.vecdot(across, point).abs() / across.norm(dim=-1)
    return Probed(distance, coordinates.norm(dim=-1))


def exchanging_perturbation(points: Tensor) -> Tensor:
    """Theorem 1: the perturbation of the last point by which its own output and the one before it change places.

    With `points = Q R` it is `Q b`, `b = (0, ..., 0, R_{d-1,d-1} - R_{d-1,d}, -R_dd)`: it touches the last two of d
    features only. The network answers 1 for the class of a point and 0 for all others.

    Args:
        points: `(..., d, d)`, a point a column, d at least 2.

    Returns:
        `(..., d)`.

    Example:
        >>> exchanging_perturbation(torch.eye(2)).tolist()
        [1.0, -1.0]
    """
    factors = torch.linalg.qr(points)
    q, r = factors.Q, factors.R
    change = torch.stack([r[..., -2, -2] - r[..., -2, -1], -r[..., -1, -1]], -1)
    perturbation: Tensor = q[..., -2:] @ change[..., None]
    return perturbation[..., 0]
