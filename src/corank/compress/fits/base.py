"""What a fit of coefficients is given and what it gives: basis functions at samples, and one coefficient of each.

The first basis function is the constant 1. A design is gone through in pieces and as often as a fit likes, so that
the values of many functions at many samples need not be in memory at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

CHUNK = 1024


class Design:
    """Basis functions and targets at samples, piece by piece.

    Args:
        z: `(m, r)` the variables.
        targets: `(m, outputs)`.
        basis: from variables `(B, r)` to the values of the functions `(B, terms)`, the first of them 1.

    Attributes:
        samples: m.
        terms: the number of functions.
        outputs: the number of targets.
        device: where the values are.

    Example:
        >>> z = torch.tensor([[2.0], [3.0]])
        >>> design = Design(z, 5 * z, lambda z: torch.cat([z**0, z], 1))
        >>> design.samples, design.terms, [(phi.tolist(), y.tolist()) for phi, y in design]
        (2, 2, [([[1.0, 2.0], [1.0, 3.0]], [[10.0], [15.0]])])
    """

    def __init__(self, z: Tensor, targets: Tensor, basis: Callable[[Tensor], Tensor]) -> None:
        self._z = z
        self._targets = targets
        self._basis = basis
        self.samples = len(z)
        self.terms = basis(z[:1]).shape[1]
        self.outputs = targets.shape[1]
        self.device = z.device

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for points, targets in zip(torch.split(self._z, CHUNK), torch.split(self._targets, CHUNK), strict=True):
            yield self._basis(points), targets

    def combined(self, factor: Tensor) -> Design:
        """The same with combinations of the functions instead of them, `phi factor`."""
        return Design(self._z, self._targets, lambda z: self._basis(z) @ factor)

    def without_constant(self) -> WithoutConstant:
        """The same without the first function, for fits whose intercept is free."""
        return WithoutConstant(self)


@dataclass(frozen=True)
class WithoutConstant:
    """The pieces of a design without the values of the constant function."""

    design: Design

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for phi, targets in self.design:
            yield phi[:, 1:], targets


@dataclass(frozen=True, kw_only=True, eq=False)
class Coefficients:
    """What a fit found.

    Attributes:
        values: `(terms, outputs)`, float64.
        samples: how many samples determined them.
        chosen: what the fit decided on the way, in words.
    """

    values: Tensor
    samples: int
    chosen: str


@dataclass(frozen=True, kw_only=True)
class Fit(ABC):
    """The base of all fits: options are fields, the verb is `coefficients`."""

    def least_samples(self, terms: int) -> int:
        """How many samples it needs at least."""
        return terms

    @abstractmethod
    def coefficients(self, design: Design) -> Coefficients:
        """The coefficients that fit a design's targets.

        Raises:
            InputError: samples that do not determine them.
        """
