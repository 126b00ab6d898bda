"""A network, or its end, as stages: a linear map of earlier stages, then activation and max-pooling.

Everything linear between two activations, residual additions, branches, batch norms and average poolings included, is
one map; whatever acts element by element or takes maxima over windows belongs to the stage that follows it (Daulbaev,
"Applications of Differential Equations and Reduced-Order Modeling for Deep Learning", sections 5.3.1 to 5.3.3). A
linear value that is read more than once, as the stream of a pre-activation residual network, is a stage of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, fx

from corank.compress.reduced.operations import (
    RESHAPING,
    SPLITTING,
    is_elementwise,
    is_linear,
    is_pooling,
    is_unchanged,
)
from corank.compress.reduced.student import Applied
from corank.errors import InputError
from corank.network import Layers
from corank.network.layers import is_size, kind_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage:
    """One layer of a reduced-order network, before it is reduced.

    Attributes:
        label: the name of the point at its end.
        index: the number of the convolution that it ends; None where it ends none.
        source: the value of the linear map.
        steps: activations and max-poolings in their order.
        end: the value after them.
        shape_in: of one sample at the source.
        shape: of one sample at the end.
    """

    label: str
    index: int | None
    source: fx.Node
    steps: tuple[fx.Node, ...]
    end: fx.Node
    shape_in: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def features(self) -> int:
        """Of one sample at the end."""
        return torch.Size(self.shape).numel()

    def finished(self, rows: Tensor) -> Tensor:
        """Values `(B, D)` at the end for such values at the source."""
        values = rows.reshape(len(rows), *self.shape_in)
        for step in self.steps:
            values = Applied(step)(values)
        return values.flatten(1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Tail:
    """What follows a point of a network, in stages.

    Attributes:
        layers: the points of the whole network.
        start: the value that the tail begins with.
        label: of the point there; None where it is the network's input.
        shape: of one sample there.
        stages: in the order of computation.
        output: the network's output, a linear map of the stages.
        values: for every value on the way the one that it is a copy of.
    """

    layers: Layers
    start: fx.Node
    label: str | None
    shape: tuple[int, ...]
    stages: tuple[Stage, ...]
    output: fx.Node
    values: dict[fx.Node, fx.Node]

    @property
    def features(self) -> int:
        """Of one sample at the start."""
        return torch.Size(self.shape).numel()


def tail_of(layers: Layers, start: fx.Node) -> Tail:
    """The stages after a point through which everything flows.

    Args:
        layers: the points of a captured network.
        start: the network's input or a legal cut.

    Raises:
        InputError: an operation that no reduced-order network has, with its name and the longest end without one; or
            an output that is more than logits `(B, classes)`.
    """
    outputs = layers.shapes[layers.network.output_node]
    if outputs is None or len(outputs) != 1:
        shape = "without the batch in front" if outputs is None else f"of shape {('B', *outputs)}"
        raise InputError(f"a reduced-order network gives logits (B, classes), this network's output is {shape}")
    unknown = unsupported(layers, start)
    if unknown:
        raise InputError(_refusal(layers, unknown))
    data, values = _data_after(layers, start), {start: start}
    chains: dict[fx.Node, list[fx.Node]] = {}  # by the last value of each; its first is the source
    readers = _readers(layers, data)
    for node in layers.nodes:
        if node not in data or node is start:
            continue
        given = [values[source] for source in node.all_input_nodes if source in data]
        values[node] = given[0] if is_unchanged(node) else node
        if is_elementwise(node, data) or is_pooling(node, data):
            chain = chains.pop(given[0]) if given[0] in chains and readers[given[0]] == 1 else [given[0]]
            chains[node] = [*chain, node]
        elif _is_shared(node, readers[node]) and values[node] is node:
            chains[node] = [node]
    stages = (_stage(layers, chain) for chain in chains.values())
    output = values[layers.network.output_node]
    label = None if start.op == "placeholder" else layers.point(start).label
    return Tail(
        layers=layers, start=start, label=label, shape=_shape(layers, start),
        stages=tuple(stage for stage in stages if stage.end is not output or stage.steps), output=output, values=values,
    )  # fmt: skip


def unsupported(layers: Layers, start: fx.Node) -> list[fx.Node]:
    """The operations after a point that no reduced-order network has, in the order of computation."""
    data = _data_after(layers, start)
    return [
        node
        for node in layers.nodes
        if node in data and node is not start and not (_is_known(node, data) and _has_samples_apart(layers, node))
    ]


def _is_known(node: fx.Node, data: set[fx.Node]) -> bool:
    return is_linear(node, data) or is_elementwise(node, data) or is_pooling(node, data) or is_unchanged(node)


def _has_samples_apart(layers: Layers, node: fx.Node) -> bool:
    """Whether the batch is in front; means over it, or dimensions folded into it, have none there."""
    return layers.shapes[node] is not None or kind_of(node) in SPLITTING


def last_supported(layers: Layers) -> fx.Node | None:
    """The earliest point after which a network can be reduced; None where there is none with a stage behind it."""
    for start in (layers.network.input_node, *layers.legal_cuts):
        if not unsupported(layers, start):
            return start if tail_of(layers, start).stages else None
    return None


def _refusal(layers: Layers, unknown: list[fx.Node]) -> str:
    last = last_supported(layers)
    named = ", ".join(dict.fromkeys(f"{layers.point(node).label!r} ({node.target})" for node in unknown[:3]))
    offered = "no end of the network is free of such operations"
    if last is not None:
        offered = f"the longest end without them follows layer {layers.point(last).label!r}: give that as the layer"
    return f"a reduced-order network has no operation such as {named}; {offered}"


def _data_after(layers: Layers, start: fx.Node) -> set[fx.Node]:
    """The start and every value that depends on it and on which the output depends, sizes left out."""
    needed, waiting = set(), [layers.network.output_node]
    while waiting:
        node = waiting.pop()
        if node not in needed:
            needed.add(node)
            waiting.extend(() if node is start else node.all_input_nodes)
    found = {start}
    for node in layers.nodes:
        if node in needed and not is_size(node) and any(source in found for source in node.all_input_nodes):
            found.add(node)
    return found


def _readers(layers: Layers, data: set[fx.Node]) -> dict[fx.Node, int]:
    """How many operations read a value, through copies of it too; the output counts as one."""
    readers: dict[fx.Node, int] = {}
    for node in reversed(layers.nodes):
        if node in data:
            users = [user for user in node.users if user in data]
            own = sum(readers[user] if is_unchanged(user) else 1 for user in users)
            readers[node] = own + (node is layers.network.output_node)
    return readers


def _is_shared(node: fx.Node, readers: int) -> bool:
    return readers > 1 and kind_of(node) not in RESHAPING


def _stage(layers: Layers, chain: list[fx.Node]) -> Stage:
    source, *steps = chain
    end = chain[-1]
    point = layers.point(end)
    return Stage(
        label=point.label, index=point.index, source=source, steps=tuple(steps), end=end,
        shape_in=_shape(layers, source), shape=_shape(layers, end),
    )  # fmt: skip


def _shape(layers: Layers, node: fx.Node) -> tuple[int, ...]:
    shape = layers.shapes[node]
    assert shape is not None, f"{node.name} has no batch in front"
    return shape
