"""The divergence of a field, which says how a density changes along its trajectories: `d log p / dt = -tr(df/dz)`.

Daulbaev's thesis, eq. (1.20); Grathwohl et al. 2019, FFJORD, section 3.1. A field that knows its divergence in closed
form has a method `with_divergence(t, z)`; for others the trace is taken exactly, a vector-Jacobian product a
coordinate, or estimated without bias by Hutchinson's `e^T (df/dz) e`. Its noise `e` is drawn once a solve: drawn
anew in every evaluation it would make the field a different function each time, which no solver can follow.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, final, get_args, runtime_checkable

import torch
from torch import Tensor

from corank.errors import InputError, near

Field = Callable[[Tensor, Tensor], Tensor]
Noise = Literal["gaussian", "rademacher"]


@runtime_checkable
class KnowsDivergence(Protocol):
    """A field with a divergence in closed form."""

    def with_divergence(self, t: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """The field `(B, d)` and its divergence `(B,)` at points `(B, d)`."""


class Divergence(ABC):
    """How the divergence of a field is had."""

    def noise(self, z: Tensor, generator: torch.Generator | None) -> Tensor | None:
        """What is drawn once a solve; None where nothing is."""
        return None

    @abstractmethod
    def of(self, field: Field, t: Tensor, z: Tensor, noise: Tensor | None) -> tuple[Tensor, Tensor]:
        """The field `(..., d)` and its divergence `(...)` at points `(..., d)`."""


@final
@dataclass(frozen=True, kw_only=True)
class Exact(Divergence):
    """The trace itself: in closed form where the field offers it, else by one product with each coordinate's vector.

    Example:
        >>> rotation = torch.tensor([[2.0, 1.0], [-1.0, 3.0]])
        >>> dz, divergence = Exact().of(lambda t, z: z @ rotation.T, torch.zeros(()), torch.ones(1, 2), None)
        >>> dz.tolist(), divergence.tolist()
        ([[3.0, 2.0]], [5.0])
    """

    def of(self, field: Field, t: Tensor, z: Tensor, noise: Tensor | None) -> tuple[Tensor, Tensor]:
        """The field and its trace."""
        if isinstance(field, KnowsDivergence):
            return field.with_divergence(t, z)
        dz, inputs, keep = _recorded(field, t, z)
        trace = torch.zeros_like(z[..., 0])
        for place in range(z.shape[-1]):
            with torch.enable_grad():
                total = dz[..., place].sum()
            trace = trace + _products(total, inputs, keep, more=True)[..., place]
        return (dz, trace) if keep else (dz.detach(), trace.detach())


@final
@dataclass(frozen=True, kw_only=True)
class Hutchinson(Divergence):
    """An unbiased estimate of the trace from one vector-Jacobian product, whatever the dimension.

    Args:
        noise_kind: `rademacher`, signs, with the smaller variance; or `gaussian`.

    Raises:
        InputError: another kind of noise.
    """

    noise_kind: Noise = "rademacher"

    def __post_init__(self) -> None:
        if self.noise_kind not in get_args(Noise):
            raise InputError(f"unknown noise {self.noise_kind!r}: {near(self.noise_kind, get_args(Noise))}")

    def noise(self, z: Tensor, generator: torch.Generator | None) -> Tensor:
        """One vector a sample."""
        # On the CPU, so that a seed gives the same noise on every device.
        if self.noise_kind == "gaussian":
            drawn = torch.randn(z.shape, generator=generator)
        else:
            drawn = 2.0 * torch.randint(2, z.shape, generator=generator) - 1
        return drawn.to(z)

    def of(self, field: Field, t: Tensor, z: Tensor, noise: Tensor | None) -> tuple[Tensor, Tensor]:
        """The field and `e^T (df/dz) e`."""
        assert noise is not None
        dz, inputs, keep = _recorded(field, t, z)
        with torch.enable_grad():
            total = (dz * noise).sum()
        estimate = (_products(total, inputs, keep, more=False) * noise).sum(-1)
        return (dz, estimate) if keep else (dz.detach(), estimate.detach())


def _recorded(field: Field, t: Tensor, z: Tensor) -> tuple[Tensor, Tensor, bool]:
    """The field under autograd, its inputs, and whether gradients of the divergence itself are wanted."""
    keep = torch.is_grad_enabled()
    with torch.enable_grad():
        inputs = z if z.requires_grad else z.detach().requires_grad_()
        return field(t, inputs), inputs, keep


def _products(total: Tensor, inputs: Tensor, keep: bool, *, more: bool) -> Tensor:
    """The gradient of a sum; zero where the field does not depend on its input."""
    if not total.requires_grad:
        return torch.zeros_like(inputs)
    (found,) = torch.autograd.grad(total, inputs, create_graph=keep, retain_graph=keep or more, allow_unused=True)
    return torch.zeros_like(inputs) if found is None else found
