"""What became of every layer with weights between a network and a smaller one made from it, by the layers' names."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from corank.network.fingerprint import fingerprint
from corank.network.inputs import Inputs
from corank.network.weighted import Weighted, weighted_layers
from corank.result import Result, Scalar

What = Literal["kept", "retrained", "narrowed", "replaced", "removed", "new"]


@dataclass(frozen=True, kw_only=True)
class Change(Result):
    """What became of one layer.

    Attributes:
        layer: its name in both networks.
        kind: linear, convolution and so on, as `Weighted` has it.
        was: the shape of its weight in the original network; None where it is new.
        now: the same in the smaller network; None where it is gone.
        what: "kept", every number of weight and bias as it was; "retrained", of the same shape with other numbers;
            "narrowed", smaller in a dimension and larger in none; "replaced", of another shape or kind; "removed";
            "new".
    """

    layer: str
    kind: str
    was: tuple[int, ...] | None
    now: tuple[int, ...] | None
    what: What

    def row(self) -> dict[str, Scalar]:
        """The layer, both shapes and what became of it."""
        return {
            "layer": self.layer, "kind": self.kind, "was": _shown(self.was), "now": _shown(self.now),
            "what": self.what,
        }  # fmt: skip


def changes_between(original: nn.Module, small: nn.Module, example: Inputs | None = None) -> tuple[Change, ...]:
    """A row for every layer with weights of either network: the original's in their order, then the new ones.

    Args:
        original: the network that it began with.
        small: what was made of it.
        example: one batch of inputs; with it, weights that the original uses without a module of their own are found.

    Example:
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> small = nn.Sequential(net[0], nn.ReLU(), nn.Linear(8, 2), nn.Linear(2, 3))
        >>> for change in changes_between(net, small):
        ...     print(change)
        layer 0, kind linear, was 8 x 4, now 8 x 4, what kept
        layer 2, kind linear, was 3 x 8, now 2 x 8, what narrowed
        layer 3, kind linear, was none, now 3 x 2, what new
    """
    before = {layer.name: layer for layer in weighted_layers(original, example)}
    after = {layer.name: layer for layer in weighted_layers(small)}
    return tuple(_change(before.get(name), after.get(name)) for name in {**before, **after})


def is_unchanged(original: nn.Module, small: nn.Module, changes: tuple[Change, ...]) -> bool:
    """Whether every layer was kept, and the other parameters and the buffers hold the numbers that they held."""
    if any(change.what != "kept" for change in changes):
        return False
    parameters = [Counter(map(_digest, network.parameters())) for network in (original, small)]
    buffers = [Counter(map(_digest, network.buffers())) for network in (original, small)]
    return parameters[0] == parameters[1] and buffers[1] <= buffers[0]  # a graph holds those that it reads


def _change(before: Weighted | None, after: Weighted | None) -> Change:
    known = after or before
    assert known is not None
    return Change(
        layer=known.name,
        kind=known.kind,
        was=None if before is None else tuple(before.weight.shape),
        now=None if after is None else tuple(after.weight.shape),
        what=_what(before, after),
    )


def _what(before: Weighted | None, after: Weighted | None) -> What:
    if before is None:
        return "new"
    if after is None:
        return "removed"
    was, now = before.weight.shape, after.weight.shape
    if was == now:
        return "kept" if _equal(before.weight, after.weight) and _equal(before.bias, after.bias) else "retrained"
    if len(was) == len(now) and all(one >= other for one, other in zip(was, now, strict=True)):
        return "narrowed"
    return "replaced"


def _equal(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    return torch.equal(one.detach(), other.detach().to(one.device))


def _digest(value: Tensor) -> str:
    return fingerprint({"": value})


def _shown(shape: tuple[int, ...] | None) -> str:
    return "none" if shape is None else " x ".join(map(str, shape))
