"""A user's field f(t, z) as the solvers see it: a function of a time and one flat vector, that counts its calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from corank.errors import InputError
from corank.ode.solution import State
from corank.ode.statistics import Statistics

Field = Callable[..., Any]
"""f(t, z): t a tensor without dimensions, z a state; the time derivative of z, of z's shape or structure."""


class FlatField:
    """The field on flat vectors.

    Attributes:
        field: the user's field.
        shapes: of the tensors of the state.
        sizes: their numbers of entries.
        is_backward: whether evaluations count as those of the backward pass.
    """

    def __init__(self, field: Field, state: State, statistics: Statistics) -> None:
        self.field, self.statistics = field, statistics
        self.is_tuple = isinstance(state, tuple)
        parts = state if isinstance(state, tuple) else (state,)
        self.shapes = [part.shape for part in parts]
        self.sizes = [part.numel() for part in parts]
        self.dtype, self.device = parts[0].dtype, parts[0].device
        self.is_backward = False

    def __call__(self, t: float | Tensor, y: Tensor) -> Tensor:
        """The derivative of a flat state."""
        return self.flat(self.parts(t, self.split(y)))

    def parts(self, t: float | Tensor, parts: Sequence[Tensor], count: int = 1) -> tuple[Tensor, ...]:
        """The derivatives of a state's tensors; `count` states in one call have one more axis or a longer one."""
        if self.is_backward:
            self.statistics.evaluations_backward += count
        else:
            self.statistics.evaluations_forward += count
        given = self.field(self.time(t), tuple(parts) if self.is_tuple else parts[0])
        found = tuple(given) if self.is_tuple and isinstance(given, tuple | list) else (given,)
        if len(found) != len(parts) or any(
            not isinstance(one, Tensor) or one.shape != part.shape for one, part in zip(found, parts, strict=True)
        ):
            wanted = ", ".join(str(tuple(part.shape)) for part in parts)
            got = ", ".join(str(tuple(getattr(one, "shape", (type(one).__name__,)))) for one in found)
            raise InputError(f"the field must return the shape of its state, {wanted}, got {got}")
        return found

    def time(self, t: float | Tensor) -> Tensor:
        """A time as the field gets it: without dimensions, in the state's dtype and on its device."""
        if isinstance(t, Tensor):
            return t.to(self.device, self.dtype)
        return torch.tensor(t, dtype=self.dtype, device=self.device)

    def split(self, y: Tensor) -> tuple[Tensor, ...]:
        """The tensors of a flat state, or of a stack of them with the flat axis last."""
        if not self.is_tuple:
            return (y.view((*y.shape[:-1], *self.shapes[0])),)
        pieces = y.split(self.sizes, -1)  # type: ignore[no-untyped-call]
        return tuple(piece.reshape(*y.shape[:-1], *shape) for piece, shape in zip(pieces, self.shapes, strict=True))

    def flat(self, parts: Sequence[Tensor]) -> Tensor:
        """The inverse of `split` for one state."""
        if not self.is_tuple:
            return parts[0].reshape(-1).to(self.dtype)
        return torch.cat([part.reshape(-1).to(self.dtype) for part in parts])

    def state(self, values: Tensor) -> State:
        """Flat states in the structure that the user gave."""
        parts = self.split(values)
        return parts if self.is_tuple else parts[0]

    def products(
        self, t: float, y: Tensor, cotangent: Tensor, parameters: Sequence[Tensor], *, with_state: bool = True
    ) -> tuple[tuple[Tensor, ...], Tensor, list[Tensor | None]]:
        """The derivatives at a state, and the cotangent's products with the Jacobians in state and parameters."""
        with torch.enable_grad():
            leaves = [part.detach().requires_grad_(with_state) for part in self.split(y.detach())]
            found = self.parts(t, leaves)
        pairs = [
            (one, two.to(one.dtype)) for one, two in zip(found, self.split(cotangent), strict=True) if one.requires_grad
        ]
        wanted = [*(leaves if with_state else ()), *parameters]
        given: Sequence[Tensor | None] = [None] * len(wanted)
        if pairs and wanted:
            outputs, cotangents = zip(*pairs, strict=True)
            given = torch.autograd.grad(outputs, wanted, cotangents, allow_unused=True)
        if not with_state:
            return found, cotangent, list(given)
        pieces = [torch.zeros_like(leaf) if one is None else one for leaf, one in zip(leaves, given, strict=False)]
        return found, self.flat(pieces), list(given[len(leaves) :])
