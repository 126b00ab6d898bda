"""From the whole network to the narrowest: the widest one on the way that meets a target is found by bisection.

Channels leave in the order of their importance, so that every member is a part of the one before, and no cost grows on
the way. Widths are multiples of a number, which processors are fast at, and no layer falls below that number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import torch
from torch import Tensor

from corank.compress.pruning.groups import Group, Trace, narrowed
from corank.compress.pruning.scores import ImportanceName, add_gradients, importance_named
from corank.compress.pruning.sound import sound
from corank.errors import InputError
from corank.measure import Batches, OnDevice
from corank.network import GraphNetwork, Layer, Layers, Skipped, cost
from corank.network.modular import without_fixed_widths
from corank.train.evaluate import device_of

Scope = Literal["uniform", "global"]
"""The same share of every layer, or the least important channels wherever they are."""
Widths = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """The widest network of a path that meets a target.

    Attributes:
        network: that one.
        step: its place on the path; 0 is the whole network.
        larger: the one before it, which does not; None where the whole network does.
    """

    network: GraphNetwork
    step: int
    larger: GraphNetwork | None


@dataclass(frozen=True, kw_only=True, eq=False)
class PruningPath:
    """Networks from the whole one to the narrowest.

    Attributes:
        graph: the whole network.
        groups: whose channels are removed.
        widths: of each network, how many channels of each group it keeps.
        left: layers whose outputs are never narrowed, and why.
    """

    graph: GraphNetwork
    groups: tuple[Group, ...]
    widths: tuple[Widths, ...]
    left: tuple[Skipped, ...]

    def __len__(self) -> int:
        return len(self.widths)

    def network(self, step: int) -> GraphNetwork:
        """A network of the path, with tensors of its own; those behind the last count from there."""
        pairs = zip(self.groups, self.widths[step], strict=True)
        return narrowed(self.graph, [(group, group.least_important(group.width - kept)) for group, kept in pairs])

    def widest(self, fits: Callable[[GraphNetwork], bool]) -> Fitting | None:
        """The widest network that meets a target, by bisection; None where even the narrowest does not.

        Args:
            fits: whether a network does; one that is narrower than one that does must do so as well.
        """
        network, larger = self.network(-1), None
        if not fits(network):
            return None
        low, high = -1, len(self) - 1
        while high - low > 1:
            middle = (low + high) // 2
            tried = self.network(middle)
            if fits(tried):
                network, high = tried, middle
            else:
                larger, low = tried, middle
        return Fitting(network=network, step=high, larger=larger)


def pruning_path(
    graph: GraphNetwork,
    example: Tensor,
    *,
    scope: Scope = "uniform",
    importance: ImportanceName = "l1",
    multiple: int = 8,
    layer: Layer | None = None,
    batches: Batches | None = None,
) -> PruningPath:
    """The networks that come of removing channels, from none to all but a few.

    Args:
        graph: the whole network; it is left as it is.
        example: `(B, ...)` inputs.
        scope: "uniform" narrows all layers by the same share, "global" where channels are least important.
        importance: of a channel; "taylor" needs `batches`.
        multiple: of which widths are, but those that stay as they are.
        layer: only it and those before it are narrowed, and what must be narrowed with them; None for all.
        batches: data with labels, for "taylor" alone.

    Raises:
        InputError: Torch-Pruning is not installed, no such layer, or nothing that can be removed.
    """
    free = without_fixed_widths(graph, example)
    trace = Trace(free, example[:2])
    if importance == "taylor":
        if batches is None:
            raise InputError("importance 'taylor' needs data with labels: give batches")
        add_gradients(trace.modular, OnDevice(batches, device_of(graph)))
    groups = trace.groups(importance_named(importance))
    before = None if layer is None else _up_to(layer, Layers(graph, example.shape[1:], example.dtype))
    reasons = [_reason(group, before, layer, multiple) for group in groups]
    kept = sound(free, [group for group, reason in zip(groups, reasons, strict=True) if not reason], example)
    left = tuple(
        Skipped(name, reason or "what reads its channels cannot do without some of them")
        for group, reason in zip(groups, reasons, strict=True)
        if not any(group is other for other in kept)
        for name in group.layers
    )
    if not kept:
        reason = f"{left[0].layer}: {left[0].reason}" if left else "it has no convolutions or linear layers"
        raise InputError(f"no channels can be removed from the network ({reason}): compress it by another method")
    return PruningPath(graph=free, groups=tuple(kept), widths=tuple(_widths(kept, scope, multiple)), left=left)


def pruned_to(
    graph: GraphNetwork,
    example: Tensor,
    fits: Callable[[GraphNetwork], bool],
    *,
    scope: Scope = "uniform",
    importance: ImportanceName = "l1",
    multiple: int = 8,
    layer: Layer | None = None,
    batches: Batches | None = None,
) -> Fitting:
    """The widest network that meets a target, and the next wider one; see `pruning_path` and `PruningPath.widest`.

    Raises:
        InputError: what `pruning_path` raises, or a target that even the narrowest network misses.

    Example:
        >>> from torch import nn
        >>> from corank.network import capture
        >>> net = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 3))
        >>> graph = capture(net, torch.zeros(2, 4))
        >>> size = lambda network: sum(value.numel() for value in network.parameters())
        >>> found = pruned_to(graph, torch.zeros(2, 4), lambda network: size(network) <= 150)
        >>> size(graph), size(found.network), size(found.larger)
        (259, 131, 195)
    """
    path = pruning_path(
        graph, example, scope=scope, importance=importance, multiple=multiple, layer=layer, batches=batches
    )
    found = path.widest(fits)
    if found is None:
        small = cost(path.network(-1), example.shape[1:], example.dtype)
        raise InputError(f"the target is missed even by the narrowest network ({small}): ask for less")
    return found


def _reason(group: Group, before: set[str] | None, layer: Layer | None, multiple: int) -> str:
    """Why a group is left as it is; empty where it is not."""
    if group.reaches_output:
        return "it gives the network's outputs"
    if before is not None and not before.intersection(group.operations):
        return f"it comes after layer {layer!r}"
    if not group.is_whole:
        return "tied to a part of another layer's channels, by a padding or a split, say"
    if group.importance is None:
        return "Torch-Pruning does not tell what its channels are worth"
    if group.width <= _unit(group, multiple):
        return f"it has no more than {multiple} channels"
    return ""


def _up_to(layer: Layer, layers: Layers) -> set[str]:
    """The operations, by name, on which the output of a layer depends."""
    points = layers.resolve(layer)
    if len(points) != 1:
        raise InputError(f"pruning goes up to one layer, {layer!r} names {len(points)}")
    found = {layers.node(points[0])}
    for node in reversed(layers.nodes):
        if node in found:
            found.update(node.all_input_nodes)
    return {node.name for node in found}


def _widths(groups: Sequence[Group], scope: Scope, multiple: int) -> list[Widths]:
    """How many channels of each group the networks of a path keep, from all of them on, without repetition."""
    found = _by_share(groups, multiple) if scope == "uniform" else _by_importance(groups, multiple)
    return list(dict.fromkeys(found))


def _by_share(groups: Sequence[Group], multiple: int) -> Iterable[Widths]:
    """Equal shares up to rounding; where several layers are due at the same share, the least important go first."""
    steps = []
    for place, group in enumerate(groups):
        kept, unit = group.width, _unit(group, multiple)
        worth = _worth(group).sort(descending=True).values
        for after in range((kept - 1) // unit * unit, 0, -unit):
            gone = worth[after:kept]
            steps.append((-Fraction(after, group.width), float(gone.mean()), place, after))
            kept = after
    widths = [group.width for group in groups]
    yield tuple(widths)
    for _, _, place, after in sorted(steps):
        widths[place] = after
        yield tuple(widths)


def _by_importance(groups: Sequence[Group], multiple: int) -> Iterable[Widths]:
    owners = torch.cat([torch.full((group.width,), place) for place, group in enumerate(groups)])
    worth = torch.cat([_worth(group) for group in groups])
    left = [group.width for group in groups]
    widths = list(left)
    yield tuple(widths)
    for place in owners[torch.argsort(worth, stable=True)].tolist():
        unit = _unit(groups[place], multiple)
        left[place] -= 1
        widths[place] = max(left[place] // unit * unit, unit)
        yield tuple(widths)


def _worth(group: Group) -> Tensor:
    assert group.importance is not None, "a group without importance is left as it is"
    return group.importance


def _unit(group: Group, multiple: int) -> int:
    """Of what number the kept channels must be a multiple, so that those of all repeats together are of the other."""
    return multiple // math.gcd(multiple, group.repeats)
