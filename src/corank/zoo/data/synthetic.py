"""Data drawn from known laws, whose exact answers the measures can be compared with.

Three of them: a mixture of Gaussians (the best classifier is linear and its error is known), labels that see only a few
directions of a long vector (the active subspace is those directions; Cui et al. 2020, Active Subspace of Neural
Networks, section 2), and a hypercube seen through a random matrix (Gao et al., Feature Compression is the Root Cause of
Adversarial Fragility in Neural Network Classifiers, Theorem 6).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from corank.errors import InputError
from corank.zoo.data.dataset import Dataset, Split, assemble

_LARGEST_CUBE = 20


def _at_least(lowest: int, **sizes: int) -> None:
    for option, size in sizes.items():
        if size < lowest:
            raise InputError(f"{option} must be at least {lowest}, got {size}")


def _orthonormal(rows: int, columns: int, generator: torch.Generator) -> torch.Tensor:
    """Random orthonormal columns `(rows, columns)`, float64."""
    basis: torch.Tensor = torch.linalg.qr(torch.randn(rows, columns, generator=generator, dtype=torch.float64)).Q
    return basis


@dataclass(frozen=True, kw_only=True)
class Gaussians:
    """A mixture of equally likely Gaussians of covariance one, whose means all have the same distance.

    The log odds of class a against b are `(mean_a - mean_b)^T x`, as the means have one length: a linear network with
    the means as its rows is the best classifier, and its active subspace is spanned by differences of means.

    Args:
        features: the length of a vector, at least the number of classes.
        classes: how many Gaussians.
        samples: how many vectors in all.
        distance: between any two means, in standard deviations; of two classes, `Phi(-distance / 2)` are mistaken.
        seed: of means and samples.

    Raises:
        InputError: an option out of range.

    Example:
        >>> torch.pdist(Gaussians(features=6, classes=2, distance=3.0).means())
        tensor([3.0000])
    """

    features: int = 20
    classes: int = 4
    samples: int = 4000
    distance: float = 4.0
    seed: int = 0

    def __post_init__(self) -> None:
        _at_least(2, classes=self.classes)
        _at_least(self.classes, features=self.features, samples=self.samples)
        if not (self.distance > 0 and math.isfinite(self.distance)):
            raise InputError(f"distance must be positive and finite, got {self.distance}")

    def means(self) -> torch.Tensor:
        """The mean of each class, `(classes, features)`."""
        basis = _orthonormal(self.features, self.classes, torch.Generator().manual_seed(self.seed))
        return (basis.T * (self.distance / math.sqrt(2))).float().contiguous()

    def dataset(self) -> Dataset:
        """The samples, with test and validation split by the hash of the index."""
        generator = torch.Generator().manual_seed(self.seed + 1)
        labels = torch.randint(self.classes, (self.samples,), generator=generator)
        vectors = self.means()[labels] + torch.randn(self.samples, self.features, generator=generator)
        return assemble("synthetic-gaussians", Split(vectors, labels))


@dataclass(frozen=True, kw_only=True)
class Subspace:
    """Standard normal vectors whose label is the pattern of signs of a few hidden coordinates.

    With orthonormal directions W, the label of x is the number with the bits `W^T x > 0`, the first direction being the
    lowest bit. A function of the label depends on `W^T x` alone, so its active subspace lies in the span of W. The
    logits `f_c(x) = sum_j s_cj w_j^T x`, with the signs s of class c, make no error, and over the classes their
    gradients have `E[g g^T] = W W^T`.

    Args:
        features: the length of a vector.
        dimensions: how many directions matter; there are `2 ** dimensions` classes.
        samples: how many vectors in all.
        seed: of directions and samples.

    Raises:
        InputError: an option out of range.

    Example:
        >>> Subspace(features=30, dimensions=2).dataset().classes
        4
    """

    features: int = 100
    dimensions: int = 2
    samples: int = 4000
    seed: int = 0

    def __post_init__(self) -> None:
        _at_least(1, dimensions=self.dimensions)
        _at_least(self.dimensions, features=self.features)
        _at_least(2**self.dimensions, samples=self.samples)

    def directions(self) -> torch.Tensor:
        """The orthonormal directions that matter, `(features, dimensions)`."""
        generator = torch.Generator().manual_seed(self.seed)
        return _orthonormal(self.features, self.dimensions, generator).float()

    def dataset(self) -> Dataset:
        """The samples, with test and validation split by the hash of the index."""
        generator = torch.Generator().manual_seed(self.seed + 1)
        vectors = torch.randn(self.samples, self.features, generator=generator)
        labels = ((vectors @ self.directions() > 0) * 2 ** torch.arange(self.dimensions)).sum(1)
        names = tuple(str(label) for label in range(2**self.dimensions))
        return assemble("synthetic-subspace", Split(vectors, labels), class_names=names)


@dataclass(frozen=True, kw_only=True)
class Hypercube:
    """All corners z of a cube, as `x = A z`; the label is the last entry of z (Gao et al., Theorem 6).

    A is a matrix of standard normal numbers, and all its columns but the last are stretched, as in section 6 there. The
    last row of the inverse of A separates the classes exactly.

    Args:
        dimensions: of the cube; there are `2 ** dimensions` points.
        stretch: the factor of all columns but the last.
        seed: of the matrix.

    Raises:
        InputError: an option out of range.

    Example:
        >>> cube = Hypercube(dimensions=5)
        >>> points = cube.points()
        >>> seen = points.images @ torch.linalg.inv(cube.matrix())[-1]
        >>> bool(((seen > 0) == points.labels).all())
        True
    """

    dimensions: int = 12
    stretch: float = 5.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 2 <= self.dimensions <= _LARGEST_CUBE:
            raise InputError(f"dimensions must be between 2 and {_LARGEST_CUBE}, got {self.dimensions}")
        if not (self.stretch > 0 and math.isfinite(self.stretch)):
            raise InputError(f"stretch must be positive and finite, got {self.stretch}")

    def matrix(self) -> torch.Tensor:
        """A with its stretched columns, `(dimensions, dimensions)`."""
        matrix = torch.randn(self.dimensions, self.dimensions, generator=torch.Generator().manual_seed(self.seed))
        matrix[:, :-1] *= self.stretch
        return matrix

    def points(self) -> Split:
        """All points, `(2 ** dimensions, dimensions)`; label 1 where the last entry of z is +1, otherwise 0."""
        bits = torch.arange(2**self.dimensions)[:, None] >> torch.arange(self.dimensions) & 1
        return Split((2.0 * bits - 1) @ self.matrix().T, bits[:, -1].contiguous())

    def dataset(self) -> Dataset:
        """The points, with test and validation split by the hash of the index."""
        return assemble("synthetic-hypercube", self.points(), class_names=("-1", "+1"))
