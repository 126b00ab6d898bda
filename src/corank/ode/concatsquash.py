"""Concatsquash layers and the field of a flow made of them, with its divergence in closed form.

Daulbaev's thesis, eq. (2.20): `(W z + b1) * sigmoid(t c + b2) + t b3`. Time gates every unit and moves it. The
Jacobian of such layers in a row is a product of matrices and diagonals, so that its trace takes a forward pass of the
unit vectors and no automatic differentiation: exact, and several times faster.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from corank.errors import InputError, near

ActivationName = Literal["tanh", "softplus"]
_ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]] = {
    "tanh": (torch.tanh, lambda before, after: 1 - after * after),
    "softplus": (softplus, lambda before, after: torch.sigmoid(before)),
}
"""Each with its derivative, of what went in and what came out."""


class ConcatSquash(nn.Module):
    """One layer, `(W z + b1) * sigmoid(t c + b2) + t b3`.

    Args:
        inputs: numbers that go in.
        outputs: numbers that come out.

    Example:
        >>> ConcatSquash(2, 5)(torch.tensor(0.5), torch.zeros(3, 2)).shape
        torch.Size([3, 5])
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.gate = nn.Linear(1, outputs)
        self.shift = nn.Linear(1, outputs, bias=False)

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """Points `(B, inputs)` as `(B, outputs)`; `t` is one time or one for each point, `(B, 1)`."""
        gate, shift = self.at(t)
        output: Tensor = self.linear(z) * gate + shift
        return output

    def at(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """The gate and the shift of a time."""
        return torch.sigmoid(t * self.gate.weight[:, 0] + self.gate.bias), t * self.shift.weight[:, 0]


class ConcatSquashField(nn.Module):
    """Concatsquash layers with an activation between them; the thesis' toy field is `(64, 64)` and tanh.

    Args:
        dimension: of a point.
        hidden: units of each hidden layer.
        activation: `tanh` or `softplus`, which are smooth, as a density asks for.

    Raises:
        InputError: no units, or an unknown activation.

    Example:
        >>> field = ConcatSquashField(2, hidden=(8,))
        >>> dz, divergence = field.with_divergence(torch.tensor(0.1), torch.zeros(3, 2))
        >>> dz.shape, divergence.shape
        (torch.Size([3, 2]), torch.Size([3]))
    """

    def __init__(
        self, dimension: int, *, hidden: Sequence[int] = (64, 64), activation: ActivationName = "tanh"
    ) -> None:
        super().__init__()
        if activation not in get_args(ActivationName):
            raise InputError(f"unknown activation {activation!r}: {near(activation, get_args(ActivationName))}")
        if not hidden or min(hidden) < 1:
            raise InputError(f"hidden layers must be at least one, with at least 1 unit each, got {tuple(hidden)}")
        sizes = (dimension, *hidden, dimension)
        self.layers = nn.ModuleList(ConcatSquash(*pair) for pair in pairwise(sizes))
        self.activation = activation

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The field `(B, dimension)` at points `(B, dimension)`."""
        activate, _ = _ACTIVATIONS[self.activation]
        *inner, last = self._layers()
        for layer in inner:
            z = activate(layer(t, z))
        output: Tensor = last(t, z)
        return output

    def _layers(self) -> list[ConcatSquash]:
        return [layer for layer in self.layers if isinstance(layer, ConcatSquash)]

    def with_divergence(self, t: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """The field and its divergence `(B,)`: the tangents of all coordinates go forward beside the points."""
        activate, derivative = _ACTIVATIONS[self.activation]
        *inner, last = self._layers()
        tangents: Tensor | None = None  # (B, units, dimension)
        for layer in inner:
            gate, shift = layer.at(t)
            before = layer.linear(z) * gate + shift
            z = activate(before)
            weight = layer.linear.weight
            moved = weight if tangents is None else weight @ tangents
            tangents = (derivative(before, z) * gate).unsqueeze(-1) * moved
        gate, shift = last.at(t)
        assert tangents is not None
        diagonal = (last.linear.weight * tangents.mT).sum(-1)
        return last.linear(z) * gate + shift, (gate * diagonal).sum(-1)
