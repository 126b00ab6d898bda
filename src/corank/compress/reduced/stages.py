"""A network, or its end, as stages: a linear map of earlier stages, then activation and max-pooling.

Everything linear between two activations, residual additions, branches, batch norms and average poolings included, is
one map; whatever acts element by element or takes maxima over windows belongs to the stage that follows it (Daulbaev,
"Applications of Differential Equations and Reduced-Order Modeling for Deep Learning", sections 5.3.1 to 5.3.3). A
linear value that is read more than once, as the stream of a pre-activation residual network, is a stage of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, fx

from corank.compress.reduced.operations import (
    ADAPTIVE,
    RESHAPING,
    SPLITTING,
    Composed,
    composed_of,
    hands_on,
    is_closing,
    is_elementwise,
    is_linear,
    is_pooling,
)
from corank.compress.reduced.steps import Applied, Sampled, Step, step_of
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
    steps: tuple[Step, ...]
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
            values = step(values)
        return values.flatten(1)

    @property
    def window(self) -> int:
        """How many numbers of the source make one of the end."""
        return math.prod(step.width for step in self.steps)

    def sampled(self, rows: Tensor) -> tuple[Tensor, list[Sampled]]:
        """The places of which chosen features of the end are made, and the steps from samples there to these.

        Args:
            rows: `(P,)` places in the flattened end.

        Returns:
            `(P * window,)` places in the flattened source, and the steps on samples in this order.
        """
        shapes = [self.shape_in]
        for step in self.steps:
            shapes.append(step.shape_after(shapes[-1]))
        places, steps = rows, list[Sampled]()
        for step, shape in reversed(list(zip(self.steps, shapes, strict=False))):
            places = step.inputs(places, shape).flatten()
            steps.insert(0, step.sampled(places, shape))
        return places, steps


@dataclass(frozen=True, kw_only=True, eq=False)
class Tail:
    """What follows a point of a network, in stages.

    Attributes:
        layers: the points of the whole network.
        start: the value that the tail begins with.
        label: of the point there; None where it is the network's input.
        shape: of one sample there.
        stages: in the order of computation.
        output: the logits, a linear map of the stages.
        closing: what is done to the logits last, a softmax or its logarithm; None where they are the network's output.
        values: for every value on the way the one that it is a copy of.
    """

    layers: Layers
    start: fx.Node
    label: str | None
    shape: tuple[int, ...]
    stages: tuple[Stage, ...]
    output: fx.Node
    closing: Step | None
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
    flow = _Flow(layers, start)
    if flow.unknown:
        raise InputError(_refusal(layers, flow.unknown))
    values, readers = {start: start}, flow.readers()
    chains: dict[fx.Node, list[fx.Node]] = {}  # by the last value of each; its first is the source
    for node in flow.nodes:
        source = values[flow.inputs(node)[0]]
        values[node] = source if hands_on(node) else node
        if flow.is_step(node):
            chain = chains.pop(source) if source in chains and readers[source] == 1 else [source]
            chains[node] = [*chain, node]
        elif _is_shared(node, readers[node]) and values[node] is node:
            chains[node] = [node]
    stages = (_stage(layers, chain, flow.composed) for chain in chains.values())
    output = values[flow.output]
    last = layers.network.output_node
    label = None if start.op == "placeholder" else layers.point(start).label
    return Tail(
        layers=layers, start=start, label=label, shape=_shape(layers, start),
        stages=tuple(stage for stage in stages if stage.end is not output or stage.steps), output=output,
        closing=None if flow.output is last else Applied(last), values=values,
    )  # fmt: skip


class _Flow:
    """What follows a point, and which operations there belong together.

    Attributes:
        output: the logits.
        data: the start and every value that depends on it and on which the output depends, sizes left out, and what
            only functions are written with that belong together.
        composed: these functions, by their last operation.
    """

    def __init__(self, layers: Layers, start: fx.Node) -> None:
        self.layers = layers
        self.start = start
        last = layers.network.output_node
        self.output = last.all_input_nodes[0] if is_closing(last) and last is not start else last
        self.composed: dict[fx.Node, Composed] = {}
        self.data = self._reached()
        found = {node: composed_of(node, self.data) for node in self.unknown}
        self.composed = {node: one for node, one in found.items() if one is not None}
        self.data = self._reached()

    @property
    def nodes(self) -> list[fx.Node]:
        """All but the start, in the order of computation."""
        return [node for node in self.layers.nodes if node in self.data and node is not self.start]

    @property
    def unknown(self) -> list[fx.Node]:
        """The operations that no reduced-order network has."""
        return [node for node in self.nodes if not (self._is_known(node) and self._has_samples_apart(node))]

    def inputs(self, node: fx.Node) -> list[fx.Node]:
        """What an operation reads of the data."""
        if node in self.composed:
            return [self.composed[node].source]
        return [source for source in node.all_input_nodes if source in self.data]

    def is_step(self, node: fx.Node) -> bool:
        """Whether an operation is an activation or a max-pooling."""
        return node in self.composed or is_pooling(node, self.data) or is_elementwise(node, self.data)

    def readers(self) -> dict[fx.Node, int]:
        """How many operations read a value, through copies of it too; the output counts as one."""
        readers = dict.fromkeys(self.data, 0)
        readers[self.output] += 1
        for node in reversed(self.nodes):
            for source in self.inputs(node):
                readers[source] += readers[node] if hands_on(node) else 1
        return readers

    def _is_known(self, node: fx.Node) -> bool:
        return self.is_step(node) or is_linear(node, self.data) or hands_on(node)

    def _has_samples_apart(self, node: fx.Node) -> bool:
        """Whether the batch is in front; means over it, or dimensions folded into it, have none there."""
        return self.layers.shapes[node] is not None or kind_of(node) in SPLITTING | ADAPTIVE

    def _reached(self) -> set[fx.Node]:
        needed, waiting = set[fx.Node](), [self.output]
        while waiting:
            node = waiting.pop()
            if node not in needed:
                needed.add(node)
                waiting.extend(() if node is self.start else self._read_by(node))
        found = {self.start}
        for node in self.layers.nodes:
            if node in needed and not is_size(node) and any(source in found for source in self._read_by(node)):
                found.add(node)
        return found

    def _read_by(self, node: fx.Node) -> list[fx.Node]:
        return [self.composed[node].source] if node in self.composed else node.all_input_nodes


def last_supported(layers: Layers) -> fx.Node | None:
    """The earliest point after which a network can be reduced; None where there is none with a stage behind it."""
    for start in (layers.network.input_node, *layers.legal_cuts):
        if not _Flow(layers, start).unknown:
            return start if tail_of(layers, start).stages else None
    return None


def _refusal(layers: Layers, unknown: list[fx.Node]) -> str:
    last = last_supported(layers)
    named = ", ".join(dict.fromkeys(f"{layers.point(node).label!r} ({_called(layers, node)})" for node in unknown[:3]))
    offered = "no end of the network is free of such operations"
    if last is not None:
        offered = f"the longest end without them follows layer {layers.point(last).label!r}: give that as the layer"
    return f"a reduced-order network has no operation such as {named}; {offered}"


def _called(layers: Layers, node: fx.Node) -> str:
    """An operation by its name; of one that would be known it is said what is not."""
    return f"{node.target}, samples not in front" if layers.shapes[node] is None else str(node.target)


def _is_shared(node: fx.Node, readers: int) -> bool:
    return readers > 1 and kind_of(node) not in RESHAPING


def _stage(layers: Layers, chain: list[fx.Node], composed: Mapping[fx.Node, Composed]) -> Stage:
    source, end = chain[0], chain[-1]
    point = layers.point(end)
    return Stage(
        label=point.label, index=point.index, source=source, end=end,
        steps=tuple(step_of(node, composed.get(node), _shape(layers, given)) for given, node in pairwise(chain)),
        shape_in=_shape(layers, source), shape=_shape(layers, end),
    )  # fmt: skip


def _shape(layers: Layers, node: fx.Node) -> tuple[int, ...]:
    shape = layers.shapes[node]
    assert shape is not None, f"{node.name} has no batch in front"
    return shape
