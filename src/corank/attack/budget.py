"""How large a perturbation may be: a norm and a radius."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from corank.errors import InputError

Norm = Literal["l2", "linf"]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """All perturbations whose norm is at most a radius; tensors hold one perturbation in each row `(m, ...)`.

    Args:
        norm: "l2", the root of the sum of squares, or "linf", the largest number.
        radius: in the units of the inputs.

    Raises:
        InputError: an unknown norm, or a radius that is not positive and finite.

    Example:
        >>> Budget(norm="l2", radius=1.0).within(torch.tensor([[3.0, 4.0], [0.3, 0.4]]))
        tensor([[0.6000, 0.8000],
                [0.3000, 0.4000]])
    """

    norm: Norm
    radius: float

    def __post_init__(self) -> None:
        if self.norm not in get_args(Norm):
            raise InputError(f"norm must be one of {', '.join(get_args(Norm))}, got {self.norm!r}")
        if not 0 < self.radius < math.inf:
            raise InputError(f"radius must be positive and finite, got {self.radius}")

    def length(self, perturbations: Tensor) -> Tensor:
        """The norm of each, `(m,)`."""
        rows = perturbations.flatten(1)
        return rows.norm(dim=1) if self.norm == "l2" else rows.abs().amax(1)

    def within(self, perturbations: Tensor) -> Tensor:
        """The nearest perturbations within the radius."""
        if self.norm == "linf":
            return perturbations.clamp(-self.radius, self.radius)
        return perturbations * _each(self.radius / self.length(perturbations).clamp(min=self.radius), perturbations)

    def at_radius(self, perturbations: Tensor) -> Tensor:
        """The same directions, as long as is allowed; zeros stay zeros."""
        lengths = self.length(perturbations)
        return perturbations * _each(torch.where(lengths > 0, self.radius / lengths, 0.0), perturbations)

    def steepest(self, gradients: Tensor) -> Tensor:
        """Of the directions of length one those along which linear functions with such gradients grow fastest."""
        if self.norm == "linf":
            return gradients.sign()
        lengths = self.length(gradients)
        return gradients * _each(torch.where(lengths > 0, 1 / lengths, 0.0), gradients)


def _each(factors: Tensor, like: Tensor) -> Tensor:
    return factors.reshape(-1, *[1] * (like.ndim - 1))
