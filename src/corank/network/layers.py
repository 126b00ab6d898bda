"""Where a network can be read and cut: the points of its graph, and the names by which users know them.

A point is the value of one operation. Its label is the module whose output it is (`features.17`, or `encoder@1`
for the second call of a shared module), or the name of the operation where no module ends there (`relu()` if a module
is named `relu`).
Following the papers' count, the integer n is the n-th convolution with its batch norm, the residual addition,
the activation and the pooling that directly follow; 1x1 shortcuts do not count.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

import torch
from torch import fx

from corank.errors import InputError, near
from corank.network.graph import Call, GraphNetwork, calls_of

Layer = str | int
"""A module's name, a glob, `"*"` (every hidden layer with weights) or the number of a convolution."""

CONVOLUTIONS = {"conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"}
RECURRENT = {"lstm", "gru", "rnn_tanh", "rnn_relu"}
WEIGHTED = CONVOLUTIONS | RECURRENT | {"linear", "addmm", "embedding"}
NORMALISATIONS = {"batch_norm", "group_norm", "instance_norm", "layer_norm"}
ADDITIONS = {"add"}
ACTIVATIONS = {
    "relu", "relu6", "leaky_relu", "prelu", "elu", "selu", "celu", "gelu", "silu", "mish", "hardswish", "hardsigmoid",
    "hardtanh", "tanh", "sigmoid", "softplus", "softsign", "log_sigmoid", "clamp", "clamp_min", "dropout",
}  # fmt: skip
POOLINGS = {"max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d", "dropout"}


@dataclass(frozen=True)
class Point:
    """A place of a network: its label, the number of the convolution that it ends, and the module call it ends.

    `call` is None where no module ends at the operation `node`; `node` is None where there is no graph.
    """

    label: str
    index: int | None = None
    call: Call | None = None
    node: str | None = None


class Layers:
    """The points of a captured network.

    Args:
        network: the captured network.
        sample_shape: the shape of one input without the batch.
        dtype: of the input.

    Example:
        >>> from corank.network.graph import capture
        >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Flatten(),
        ...                           torch.nn.Linear(8, 3))
        >>> layers = Layers(capture(net, torch.zeros(2, 1, 4, 4)), (1, 4, 4))
        >>> [point.label for point in layers.resolve("*")], layers.resolve(1)[0].label
        (['1'], '1')
    """

    def __init__(self, network: GraphNetwork, sample_shape: Sequence[int], dtype: torch.dtype = torch.float32) -> None:
        self.network = network
        self.nodes: list[fx.Node] = [node for node in network.graph.nodes if node.op != "output"]
        whole = {batch: _shapes(network, (batch, *sample_shape), dtype) for batch in (2, 3)}
        self.batch_axes = {node: _batch_axis(shape, whole[3][node]) for node, shape in whole[2].items()}
        self.shapes = {  # of one sample, None where the batch is not the first dimension
            node: shape[1:] if shape and self.batch_axes[node] == 0 else None for node, shape in whole[2].items()
        }

    def resolve(self, layer: Layer) -> list[Point]:
        """The points that a name, a glob, `"*"` or a convolution's number stands for, in order of computation.

        Raises:
            InputError: nothing has that name or number; near names are listed.
        """
        if isinstance(layer, int):
            return [self.convolution(layer)]
        if layer == "*":
            return self.hidden
        if any(sign in layer for sign in "*?["):
            return self._matching(layer)
        return [self._named(layer)]

    def convolution(self, number: int) -> Point:
        """The point of the `number`-th convolution, counted from 1."""
        count = len(self.convolutions)
        if not 1 <= number <= count:
            expected = f"a number from 1 to {count}" if count else "a module's name, for it has no convolutions"
            raise InputError(f"layer {number} is not in the network: expected {expected}")
        return self.point(self.convolutions[number - 1])

    @cached_property
    def convolutions(self) -> list[fx.Node]:
        """The point of every convolution that counts."""
        return [_end_of_layer(node) for node in counted_convolutions(self.nodes)]

    @cached_property
    def hidden(self) -> list[Point]:
        """The points of all layers with weights but the last, whose output is the logits."""
        ends = [self._end(node) for node in self._followed]
        return [self.point(node) for node in dict.fromkeys(ends) if self.shapes[node] is not None]

    @property
    def unreadable(self) -> list[fx.Node]:
        """The operations with weights, but the last, whose layer has no end with the batch first."""
        return [node for node in self._followed if self.shapes[self._end(node)] is None]

    @cached_property
    def _followed(self) -> list[fx.Node]:
        weighted = [node for node in self.nodes if kind_of(node) in WEIGHTED]
        followed = _ancestors(weighted)
        return [node for node in weighted if node in followed]

    def _end(self, node: fx.Node) -> fx.Node:
        """The end of a layer; if that has not the batch first, its module's output, or what a state alone becomes."""
        end = _end_of_layer(node)
        if self.shapes[end] is not None:
            return end
        if kind_of(node) not in RECURRENT or end is not node:
            returned = self.outputs.get(calls_of(node)[-1]) if calls_of(node) else None
            return returned or end
        made = [node]
        for other in self.nodes[self.nodes.index(node) + 1 :]:
            if other.all_input_nodes and set(other.all_input_nodes).issubset(made):
                made.append(other)
        return next((other for other in reversed(made) if self.shapes[other] is not None), node)

    def point(self, node: fx.Node) -> Point:
        """The point at an operation."""
        call = self._ending.get(node)
        index = self.convolutions.index(node) + 1 if node in self.convolutions else None
        label = self._operation_label(node) if call is None else self._label(call)
        return Point(label=label, index=index, call=call, node=node.name)

    def node(self, point: Point) -> fx.Node:
        """The operation at a point."""
        return next(node for node in self.nodes if node.name == point.node)

    @cached_property
    def outputs(self) -> dict[Call, fx.Node]:
        """The operation whose value a module call returned, for calls that return one batch-first tensor."""
        inside: dict[Call, list[fx.Node]] = {}
        for node in self.nodes:
            for call in calls_of(node):
                inside.setdefault(call, []).append(node)
        found = {}
        for call, members in inside.items():
            leaving = [node for node in members if any(call not in calls_of(user) for user in node.users)]
            if len(leaving) == 1 and self.shapes[leaving[0]] is not None:
                found[call] = leaving[0]
        return found

    def _named(self, name: str) -> Point:
        path, _, order = name.partition("@")
        calls = [call for call in self.outputs if call.path == path]
        if not order and len(calls) > 1:
            listed = ", ".join(self._label(call) for call in calls)
            raise InputError(f"layer {name!r} is called {len(calls)} times: name one of {listed}")
        for call in calls:
            if not order or str(call.order) == order:
                return Point(
                    label=self._label(call),
                    index=self.point(self.outputs[call]).index,
                    call=call,
                    node=self.outputs[call].name,
                )
        for node in self.nodes:
            if node.name == name.removesuffix("()") and self.shapes[node] is not None:
                return self.point(node)
        if not calls and any(call.path == path for node in self.nodes for call in calls_of(node)):
            raise InputError(
                f"the output of layer {name!r} must be one tensor with the batch first: name a layer near it"
            )
        known = [self._label(call) for call in self.outputs]
        raise InputError(f"no layer {name!r} in the network: {near(name, known)}")

    def _matching(self, pattern: str) -> list[Point]:
        found = [self._named(self._label(call)) for call in self.outputs if fnmatchcase(call.path, pattern)]
        if not found:
            known = [self._label(call) for call in self.outputs]
            raise InputError(f"no layer matches {pattern!r}: {near(pattern, known)}")
        return list({point.node: point for point in found}.values())

    @cached_property
    def _ending(self) -> dict[fx.Node, Call]:
        """The module call that names an operation: one called once before a shared one, the innermost first."""
        found: dict[fx.Node, Call] = {}
        for shared in (True, False):
            for call, node in sorted(self.outputs.items(), key=lambda item: item[0].path.count(".")):
                if self._is_shared(call) is shared:
                    found[node] = call
        return found

    def _is_shared(self, call: Call) -> bool:
        return sum(other.path == call.path for other in self.outputs) > 1

    def _label(self, call: Call) -> str:
        return f"{call.path}@{call.order}" if self._is_shared(call) else call.path

    def _operation_label(self, node: fx.Node) -> str:
        """The operation's name, with parentheses where a module has the same."""
        return f"{node.name}()" if any(call.path == node.name for call in self.outputs) else node.name

    @cached_property
    def legal_cuts(self) -> list[fx.Node]:
        """The operations through which everything flows: from input to output there is no way around them."""
        place = {node: number for number, node in enumerate(self.network.graph.nodes)}
        carrying = [node for node in self.network.graph.nodes if node in self._data]
        legal, reach = [], -1
        for position, node in enumerate(carrying):
            is_alone = reach <= place[node]
            reach = max([reach, *(place[user] for user in node.users if user in self._data)])
            has_shape = self.shapes.get(node) is not None and node.op == "call_function"
            if is_alone and has_shape and position + 1 < len(carrying):
                legal.append(node)
        return legal

    @cached_property
    def _data(self) -> set[fx.Node]:
        """The operations on the way from the input to the output; reading a size is no such way."""
        needed = _ancestors([self.network.output_node]) | {self.network.output_node}
        found: set[fx.Node] = set()
        for node in self.network.graph.nodes:
            from_data = any(source in found for source in node.all_input_nodes)
            if node in needed and (node.op == "placeholder" or (from_data and not is_size(node))):
                found.add(node)
        return found


def counted_convolutions(nodes: Iterable[fx.Node]) -> list[fx.Node]:
    """The convolutions that have a number, in order of computation: all but 1x1 shortcuts."""
    return [node for node in nodes if kind_of(node) in CONVOLUTIONS and not _is_shortcut(node)]


def is_size(node: fx.Node) -> bool:
    """Whether an operation reads the size of a tensor."""
    return kind_of(node) == "sym_size"


def kind_of(node: fx.Node) -> str:
    """The plain name of an operation, `conv2d` for `aten.conv2d.default`."""
    if isinstance(node.target, torch._ops.OpOverload):
        return str(node.target._overloadpacket.__name__)
    return getattr(node.target, "__name__", "") if node.op == "call_function" else ""


def _ancestors(nodes: Sequence[fx.Node]) -> set[fx.Node]:
    found: set[fx.Node] = set()
    waiting = [source for node in nodes for source in node.all_input_nodes]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(node.all_input_nodes)
    return found


def _end_of_layer(node: fx.Node) -> fx.Node:
    """The last operation of a layer that begins with weights: norm, addition, activation and pooling where they follow.

    That of a recurrent layer is its sequence of outputs.
    """
    if kind_of(node) in RECURRENT:
        return next((user for user in node.users if user.args[1] == 0), node)
    for kinds in (NORMALISATIONS, ADDITIONS, ACTIVATIONS, POOLINGS):
        followers = list(node.users)
        if len(followers) == 1 and kind_of(followers[0]) in kinds:
            node = followers[0]
    return node


def _is_shortcut(node: fx.Node) -> bool:
    """Whether a 1x1 convolution runs beside the main path into an addition."""
    if not _has_unit_kernel(node):
        return False
    source, end = node.all_input_nodes[0], node
    while len(end.users) == 1 and kind_of(next(iter(end.users))) in NORMALISATIONS:
        end = next(iter(end.users))
    additions = [user for user in end.users if kind_of(user) in ADDITIONS]
    beside = {other for addition in additions for other in addition.all_input_nodes if other is not end}
    return any(source in _ancestors([other]) for other in beside)


def _has_unit_kernel(node: fx.Node) -> bool:
    weight = node.args[1]
    if not isinstance(weight, fx.Node) or weight.op != "get_attr":
        return False
    tensor = operator.attrgetter(str(weight.target))(node.graph.owning_module)
    return all(length == 1 for length in tensor.shape[2:])


def _batch_axis(two: tuple[int, ...] | None, three: tuple[int, ...] | None) -> int | None:
    """The dimension that is the batch, from the shapes for batches of two and of three; None where none is."""
    pairs = list(zip(two or (), three or (), strict=True))
    changed = [axis for axis, (one, other) in enumerate(pairs) if one != other]
    return changed[0] if len(changed) == 1 and pairs[changed[0]] == (2, 3) else None


def _shapes(network: GraphNetwork, shape: tuple[int, ...], dtype: torch.dtype) -> dict[fx.Node, tuple[int, ...] | None]:
    """The shape of every operation's value; nothing is computed, but where shapes depend on numbers."""
    try:
        return _Shapes(network, torch.device("meta")).of(shape, dtype)
    except (NotImplementedError, RuntimeError):  # for instance an index by a mask, which has a size once it is known
        here = next((tensor.device for tensor in network.state_dict().values()), torch.device("cpu"))
        return _Shapes(network, here).of(shape, dtype)


class _Shapes(fx.Interpreter):
    """Runs a graph on a device; on "meta" tensors have shapes and no memory. The network's own are copied."""

    def __init__(self, network: GraphNetwork, device: torch.device) -> None:
        super().__init__(network)
        self._device = device
        self._found: dict[fx.Node, tuple[int, ...] | None] = {}

    @torch.no_grad()
    def of(self, shape: tuple[int, ...], dtype: torch.dtype) -> dict[fx.Node, tuple[int, ...] | None]:
        """The shape of every operation's value for an input; None for what is no tensor."""
        self.run(torch.zeros(shape, dtype=dtype, device=self._device))
        return self._found

    def fetch_attr(self, target: str) -> object:
        return super().fetch_attr(target).to(self._device, copy=True)

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
        args = tuple(self._here(value) for value in args)
        return super().call_function(target, args, {name: self._here(value) for name, value in kwargs.items()})

    def run_node(self, n: fx.Node) -> object:
        value = super().run_node(n)
        self._found[n] = tuple(value.shape) if isinstance(value, torch.Tensor) else None
        return value

    def _here(self, argument: object) -> object:
        return self._device if isinstance(argument, torch.device) else argument
