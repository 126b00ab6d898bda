"""Theorem 6 as an experiment: a linear network with one hidden layer learns all 2^d points; does it probe as predicted?

With `W = H_2 H_1` the gradients of a batch are `H_2^T G` and `G H_1^T`, `G` being that with respect to W, which is of
two rows: a step costs what the 2 x d matrix costs, whatever the size of the batch, and nothing is approximated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from corank.experiment.theory.data import SignData, SignPoints
from corank.experiment.theory.options import TheoryTraining
from corank.result import Result, Scalar

ALIGNED = 0.9  # |cos theta_2| above which the paper counts a run


@dataclass(frozen=True, kw_only=True)
class LinearRun(Result):
    """One trained network.

    Attributes:
        dimension: of the points.
        accuracy: over all points, a share.
        cos_theta_1: between `W_1 - W_2` and the last column of A: how much of the feature is looked at.
        cos_theta_2: between W_1 and the last row of the inverse of A.
        phi: the prediction of |cos_theta_1|.
    """

    dimension: int
    accuracy: float
    cos_theta_1: float
    cos_theta_2: float
    phi: float

    @property
    def gap(self) -> float:
        """How far the prediction is off."""
        return abs(abs(self.cos_theta_1) - self.phi)

    @property
    def is_accurate(self) -> bool:
        """Whether every point is on its side."""
        return self.accuracy == 1

    @property
    def is_valid(self) -> bool:
        """The paper's filter: accurate, and |cos theta_2| above 0.9."""
        return self.is_accurate and abs(self.cos_theta_2) > ALIGNED

    def row(self) -> dict[str, Scalar]:
        """All of it."""
        return {
            "d": self.dimension, "accuracy": self.accuracy, "cos theta_1": self.cos_theta_1,
            "cos theta_2": self.cos_theta_2, "phi": self.phi,
        }  # fmt: skip


def linear_run(dimension: int, seed: int, options: TheoryTraining = TheoryTraining()) -> LinearRun:  # noqa: B008
    """Draw a matrix, train a network on its points, and measure the angles.

    Args:
        dimension: of the points.
        seed: of the matrix, the initial weights and the order of the points.
        options: of the training.

    Example:
        >>> run = linear_run(5, seed=1, options=TheoryTraining(width=100, learning_rate=1e-2))
        >>> run.is_accurate, abs(run.cos_theta_2) > 0.9
        (True, True)
    """
    generator = torch.Generator().manual_seed(seed)
    data = SignData.drawn(dimension, generator, options.scale)
    weights = train_linear(data, options, generator, seed)
    difference = weights[0] - weights[1]
    return LinearRun(
        dimension=dimension,
        accuracy=accuracy_of(data, difference),
        cos_theta_1=cosine(difference, data.feature),
        cos_theta_2=cosine(weights[0], data.probe),
        phi=data.fraction,
    )


def train_linear(data: SignData, options: TheoryTraining, generator: torch.Generator, seed: int) -> Tensor:
    """The product `W = H_2 H_1` of the trained layers, `(2, d)`, float64; initial weights as PyTorch draws them."""
    first = _drawn(options.width, data.dimension, generator)
    second = _drawn(2, options.width, generator)
    adam = torch.optim.Adam([first, second], lr=options.learning_rate, fused=True)
    batches = SignPoints(data, options.batch_of(data.dimension), seed)
    for epoch in range(options.epochs):
        batches.set_epoch(epoch)
        for x, y in batches:
            error = torch.softmax(x @ (second @ first).T, 1)
            error[torch.arange(len(y)), y] -= 1
            gradient = error.T @ x / len(y)
            first.grad, second.grad = second.T @ gradient, gradient @ first.T
            adam.step()
    return (second @ first).double()


def accuracy_of(data: SignData, difference: Tensor) -> float:
    """The share of all points with `difference . x` below 0 in class 1 and above it in class 0."""
    along = data.matrix.T @ difference
    right = sum(
        int((torch.where(data.labels(numbers) == 1, -1.0, 1.0) * (data.signs(numbers) @ along) > 0).sum())
        for numbers in data.chunks()
    )
    return right / len(data)


def cosine(one: Tensor, other: Tensor) -> float:
    """Of the angle between two vectors.

    Example:
        >>> cosine(torch.tensor([1.0, 0.0]), torch.tensor([-3.0, 0.0]))
        -1.0
    """
    return float(one @ other / (one.norm() * other.norm()))


def _drawn(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """The weights of a linear layer before training, uniform within `1 / sqrt(columns)`."""
    return (2 * torch.rand(rows, columns, generator=generator) - 1) / math.sqrt(columns)
