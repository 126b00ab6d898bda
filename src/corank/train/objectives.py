"""What training minimises: callables `(network, x, y) -> mean loss over the batch`.

The distillation loss is that of Cui et al. 2020, "Active Subspace of Neural Networks", section 3.5, with
`CE(p, q) = - sum p log q`; the paper's `H` lacks the minus sign and has student and teacher swapped.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Protocol, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from corank.errors import InputError
from corank.network import evaluation_mode


class Objective(Protocol):
    """What the fitting loop minimises: the scalar mean loss of a batch."""

    def __call__(self, network: nn.Module, x: Tensor, y: Tensor, /) -> Tensor:
        """The mean loss of `network` on inputs `x` with labels `y`."""
        ...


@final
@dataclass(frozen=True, kw_only=True)
class CrossEntropy:
    """The mean cross-entropy between the labels and the softmax of the network's output.

    Args:
        label_smoothing: share of the label's probability that is spread evenly over all classes, in `[0, 1)`.

    Raises:
        InputError: a smoothing outside of `[0, 1)`.

    Example:
        >>> CrossEntropy()(nn.Identity(), torch.zeros(3, 2), torch.tensor([0, 1, 0]))
        tensor(0.6931)
    """

    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise InputError(f"label_smoothing must be at least 0 and below 1, got {self.label_smoothing}")

    def __call__(self, network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """The mean cross-entropy on inputs `x` with labels `y`."""
        return F.cross_entropy(network(x), y.long(), label_smoothing=self.label_smoothing)


@final
@dataclass(frozen=True, kw_only=True)
class Distillation:
    """`beta CE(softmax(teacher), softmax(student)) + (1 - beta) CE(labels, softmax(student))`, a mean.

    Args:
        teacher: the network to imitate, asked in evaluation mode and without gradients. It is moved to the
            device of the batches where it lies on another.
        beta: weight of the teacher against the labels, in `[0, 1]`; the paper's is 0.1.

    Raises:
        InputError: a weight outside of `[0, 1]`.

    Example:
        >>> objective = Distillation(teacher=nn.Identity(), beta=1.0)
        >>> objective(nn.Identity(), torch.zeros(3, 2), torch.tensor([0, 1, 0]))
        tensor(0.6931)
    """

    teacher: nn.Module
    beta: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.beta <= 1:
            raise InputError(f"beta must be between 0 and 1, got {self.beta}")

    def __call__(self, network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """The distillation loss of the student `network` on inputs `x` with labels `y`."""
        student = network(x)
        imitation = F.cross_entropy(student, self._probabilities(x))
        return self.beta * imitation + (1 - self.beta) * F.cross_entropy(student, y.long())

    @torch.no_grad()
    def _probabilities(self, x: Tensor) -> Tensor:
        first = next(self.teacher.parameters(), x)
        if first.device != x.device:
            self.teacher.to(x.device)
        trains = any(module.training for module in self.teacher.modules())
        with evaluation_mode(self.teacher) if trains else nullcontext():
            return torch.softmax(self.teacher(x), dim=1)
