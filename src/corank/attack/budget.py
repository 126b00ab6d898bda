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

    def check_within(self, bounds: tuple[float, float]) -> None:
        """Refuse a radius in linf with which any input may become any other.

        Args:
            bounds: of the inputs.

        Raises:
            InputError: the radius is as large as the range of the inputs.
        """
        low, high = bounds
        if self.norm == "linf" and self.radius >= high - low:
            raise InputError(
                f"radius {self.radius} lets any input between {low:g} and {high:g} become any other, and no network "
                f"withstands that: give one below {high - low:g}"
            )

    def length(self, perturbations: Tensor) -> Tensor:
        """The norm of each, `(m,)`."""
        return lengths_of(self.norm, perturbations)

    def within(self, perturbations: Tensor) -> Tensor:
        """The nearest perturbations within the radius."""
        if self.norm == "linf":
            return perturbations.clamp(-self.radius, self.radius)
        return within_radii(self.norm, perturbations, perturbations.new_tensor(self.radius))

    def at_radius(self, perturbations: Tensor) -> Tensor:
        """The same directions, as long as is allowed; zeros stay zeros."""
        return self.radius * _unit(self.norm, perturbations)

    def random(self, like: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Perturbations drawn evenly from within the radius (linf), or in any direction with an even length (l2)."""
        if self.norm == "linf":
            drawn = torch.rand(like.shape, generator=generator, dtype=like.dtype).to(like.device)
            return (2 * drawn - 1) * self.radius
        directions = torch.randn(like.shape, generator=generator, dtype=like.dtype).to(like.device)
        lengths = torch.rand(len(like), generator=generator, dtype=like.dtype).to(like.device)
        return self.at_radius(directions) * _each(lengths, like)

    def steepest(self, gradients: Tensor) -> Tensor:
        """Of the directions of length one those along which linear functions with such gradients grow fastest."""
        return gradients.sign() if self.norm == "linf" else _unit("l2", gradients)


def lengths_of(norm: Norm, perturbations: Tensor) -> Tensor:
    """The norm of each, `(m,)`."""
    rows = perturbations.flatten(1)
    return rows.norm(dim=1) if norm == "l2" else rows.abs().amax(1)


def within_radii(norm: Norm, perturbations: Tensor, radii: Tensor) -> Tensor:
    """The nearest perturbations within a radius for each, `(m,)`, or one for all."""
    if norm == "linf":
        limits = _each(radii, perturbations)
        return torch.maximum(torch.minimum(perturbations, limits), -limits)
    lengths = lengths_of(norm, perturbations)
    return perturbations * _each(torch.where(lengths > radii, radii / lengths, 1.0), perturbations)


def dual_lengths(norm: Norm, gradients: Tensor) -> Tensor:
    """How fast linear functions with such gradients grow along their steepest directions of length one, `(m,)`."""
    rows = gradients.flatten(1)
    return rows.norm(dim=1) if norm == "l2" else rows.abs().sum(1)


def _unit(norm: Norm, rows: Tensor) -> Tensor:
    """The same directions, of length one; zeros stay zeros.

    The largest number is brought to one first: the squares of what a network that is very sure has for gradients, or
    one that is not scaled, lie outside the range of numbers.
    """
    most = lengths_of("linf", rows)
    scaled = rows / _each(torch.where(most > 0, most, 1.0), rows)
    return scaled if norm == "linf" else scaled / _each(lengths_of("l2", scaled).clamp(min=1.0), rows)


def _each(factors: Tensor, like: Tensor) -> Tensor:
    return factors.reshape(-1, *[1] * (like.ndim - 1))
