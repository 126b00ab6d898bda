"""The data of Theorem 6: `x = A z` for all `z in {-1, 1}^d`, with the sign of the last entry of z as the class.

Gao et al., Feature Compression Is the Root Cause of Adversarial Fragility in Neural Network Classifiers, section 3.
A point is made from its number, whose binary digits are its signs, so that all 2^d of them are streamed and never
stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from corank.errors import InputError
from corank.train.randomness import derived_seed

SMALLEST, LARGEST = 2, 24
CHUNK = 2**14


@dataclass(frozen=True, eq=False)
class SignData:
    """A matrix A `(d, d)`, float64, and what the theorem says of the points that it makes.

    Raises:
        InputError: a matrix that is not square, not finite or singular, or a dimension out of range.

    Example:
        >>> data = SignData(torch.tensor([[1.0, 3.0], [0.0, 4.0]], dtype=torch.float64))
        >>> data.fraction, data.signs(torch.tensor([0, 1, 2])).tolist(), data.labels(torch.tensor([0, 1, 2])).tolist()
        (0.8, [[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]], [0, 0, 1])
    """

    matrix: Tensor

    def __post_init__(self) -> None:
        size = len(self.matrix)
        if self.matrix.shape != (size, size) or not SMALLEST <= size <= LARGEST:
            came = tuple(self.matrix.shape)
            raise InputError(f"the matrix must be square of {SMALLEST} to {LARGEST} rows, got shape {came}")
        if not bool(self.matrix.isfinite().all()) or not bool(torch.linalg.qr(self.matrix).R.diagonal().all()):
            raise InputError("the matrix must be finite and have an inverse")

    @classmethod
    def drawn(cls, dimension: int, generator: torch.Generator, scale: float = 5.0) -> SignData:
        """A Gaussian matrix, all columns but the last multiplied by `scale`, which changes nothing of the prediction.

        Raises:
            InputError: a dimension out of range.
        """
        if not SMALLEST <= dimension <= LARGEST:
            raise InputError(f"dimension must be between {SMALLEST} and {LARGEST}, got {dimension}")
        matrix = torch.randn(dimension, dimension, dtype=torch.float64, generator=generator)
        matrix[:, :-1] *= scale
        return cls(matrix)

    def __len__(self) -> int:
        return 1 << self.dimension

    @property
    def dimension(self) -> int:
        """Numbers of a point."""
        return len(self.matrix)

    @property
    def feature(self) -> Tensor:
        """The last column of A: half the way from a point to the nearest one of the other class, if no other is."""
        return self.matrix[:, -1]

    @cached_property
    def fraction(self) -> float:
        """Phi, `|R_dd| / |A[:, d]|` of `A = Q R`: the predicted compression of the feature."""
        return float(torch.linalg.qr(self.matrix).R[-1, -1].abs() / self.feature.norm())

    @cached_property
    def probe(self) -> Tensor:
        """The last row of the inverse of A: what the theorem says that a class probes a point with."""
        inverse: Tensor = torch.linalg.inv(self.matrix)
        return inverse[-1]

    def signs(self, numbers: Tensor) -> Tensor:
        """`(b, d)` the z of points by number, float64."""
        return 2.0 * (numbers[:, None] >> torch.arange(self.dimension) & 1).double() - 1

    def labels(self, numbers: Tensor) -> Tensor:
        """`(b,)` classes: 1 where the last entry of z is 1, else 0."""
        return numbers >> (self.dimension - 1)

    def chunks(self) -> Iterator[Tensor]:
        """The numbers of all points, some at a time."""
        yield from torch.split(torch.arange(len(self)), CHUNK)


class SignPoints:
    """All points in batches `(x, y)`, x float32, in a new random order every epoch.

    Args:
        data: the points.
        batch_size: points in a batch.
        seed: of the order.

    Example:
        >>> batches = SignPoints(SignData(torch.eye(3, dtype=torch.float64)), 4)
        >>> [(tuple(x.shape), y.shape[0]) for x, y in batches]
        [((4, 3), 4), ((4, 3), 4)]
    """

    def __init__(self, data: SignData, batch_size: int, seed: int = 0) -> None:
        self.data = data
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of an epoch, counted from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.data) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(derived_seed(self.seed, self.epoch))
        rows = self.data.matrix.T.float()
        for numbers in torch.split(torch.randperm(len(self.data), generator=generator), self.batch_size):
            yield self.data.signs(numbers).float() @ rows, self.data.labels(numbers)
