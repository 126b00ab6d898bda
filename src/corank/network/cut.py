"""Cutting a network in two at a named layer: `post(pre(x))` is the network, bit for bit.

Both halves are graphs of their own with copies of the parameters they use; what a half does not need is gone
from it (Cui et al. 2020, eq. 3.2). A cut is legal where everything flows through one tensor; inside a residual
branch it is not, and the error names the nearest places where it is.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from corank.errors import InputError
from corank.network.graph import GraphNetwork, assemble, capture, tensors_of
from corank.network.layers import Layer, Layers, Point, is_size


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The two halves of a network.

    Attributes:
        point: where the cut lies.
        pre: everything up to and including the point.
        post: everything after it.
        shape: of one sample at the point.
    """

    point: Point
    pre: GraphNetwork
    post: GraphNetwork
    shape: tuple[int, ...]

    @property
    def features(self) -> int:
        """The number of features of one sample at the cut."""
        return int(torch.Size(self.shape).numel())


def cut(network: nn.Module, layer: Layer, example: Tensor) -> Cut:
    """Pre-model and post-model at a layer.

    Args:
        network: any `nn.Module` of one tensor that can be captured; it is left as it was found.
        layer: a module's name, the name of an operation, or the number of a convolution.
        example: `(B, ...)` one batch of inputs.

    Raises:
        InputError: no such layer, several layers, or a place that something flows around.

    Example:
        >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
        >>> halves = cut(net, "1", torch.zeros(2, 4))
        >>> x = torch.randn(5, 4)
        >>> torch.equal(halves.post(halves.pre(x)), net(x)), sorted(halves.pre.state_dict())
        (True, ['0.bias', '0.weight'])
    """
    graph = capture(network, example)
    layers = Layers(graph, example.shape[1:], example.dtype)
    points = layers.resolve(layer)
    if len(points) != 1:
        raise InputError(f"a cut needs one layer, {layer!r} names {len(points)}")
    node = layers.node(points[0])
    if node not in layers.legal_cuts:
        raise InputError(f"layer {layer!r} cannot be cut, because data flows around it; {_nearest(layers, node)}")
    shape = layers.shapes[node]
    assert shape is not None
    return Cut(point=points[0], pre=_before(graph, node), post=_after(layers, node), shape=shape)


def _nearest(layers: Layers, node: fx.Node) -> str:
    """The nearest legal cuts before and after an operation, in words."""
    place = {other: number for number, other in enumerate(layers.nodes)}
    named = [legal for legal in layers.legal_cuts if layers.point(legal).call is not None]
    before = [legal for legal in named if place[legal] < place[node]][-1:]
    after = [legal for legal in named if place[legal] > place[node]][:1]
    described = []
    for legal in before + after:
        point = layers.point(legal)
        described.append(point.label if point.index is None else f"{point.label} (layer {point.index})")
    return f"the nearest legal cuts are {' and '.join(described)}" if described else "it has no legal cut"


def _before(graph: GraphNetwork, node: fx.Node) -> GraphNetwork:
    half = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for other in graph.graph.nodes:
        if other.op != "output":
            copies[other] = half.node_copy(other, lambda source: copies[source])
    half.output(copies[node])
    return _own(graph, half)


def _after(layers: Layers, node: fx.Node) -> GraphNetwork:
    """What follows an operation; where it asks for the batch size, its own input is asked."""
    graph = layers.network
    half = fx.Graph()
    start = half.placeholder("x")
    copies: dict[fx.Node, fx.Node] = {node: start}
    for other in graph.graph.nodes:
        if other.op == "output":
            half.output(copies[graph.output_node])
        elif other.op == "placeholder":
            copies[other] = start
        elif other is not node:
            copies[other] = half.node_copy(other, lambda source: copies[source])
            if is_size(other):
                if other.args[1] != 0 or layers.shapes[other.all_input_nodes[0]] is None:
                    raise InputError(f"the network cannot be cut: {other.name} reads a size that is not the batch's")
                copies[other].args = (start, 0)
    return _own(graph, half)


def _own(graph: GraphNetwork, half: fx.Graph) -> GraphNetwork:
    """A graph with copies of the tensors that it uses."""
    return copy.deepcopy(assemble(tensors_of(graph), half))
