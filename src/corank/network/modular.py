"""A captured network whose layers are modules again, for tools that look for `nn.Conv2d`, `nn.Linear` and batch norms.

A graph has operations and tensors; some tools, those that prune channels among them, want modules whose shapes they can
change. Here every convolution, linear map and batch norm with stored weights becomes a call of a module that holds the
very tensors of the graph, and all else stays the operation that it is, so that the outputs agree bit for bit. Whatever
shapes the modules have afterwards, the way back is a graph again, with the names of tensors and of points it had.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.conv import _ConvNd

from corank.network.compose import free_name
from corank.network.graph import GraphNetwork, assemble, mode_arguments, tensors_of
from corank.network.layers import CONVOLUTIONS, Layers, kind_of
from corank.network.weighted import arguments_of

OF_A_LAYER = {
    **dict.fromkeys(CONVOLUTIONS, ("weight", "bias")),
    "linear": ("weight", "bias"),
    "batch_norm": ("weight", "bias", "running_mean", "running_var"),
}
"""The arguments of an operation that a module holds, by the names that they have in both."""
SIZES = ("stride", "padding", "output_padding", "dilation")
VIEWS = {"view", "reshape"}


class AnyBatchNorm(nn.BatchNorm2d):
    """A batch norm of inputs of any number of dimensions, the channels second."""

    def _check_input_dim(self, input: Tensor) -> None:
        pass


@dataclass(frozen=True)
class Held:
    """A module that stands for operations of a graph.

    Attributes:
        path: of the module.
        tensors: the name in the graph of each tensor that the module holds, by its name in the module.
        nodes: the operations, by name; several where they share all that they hold.
    """

    path: str
    tensors: Mapping[str, str]
    nodes: tuple[str, ...]


class Modular(fx.GraphModule):
    """A network of modules where a graph had convolutions, linear maps and batch norms; see `with_modules`.

    Attributes:
        held: the modules, in order of computation.
    """

    held: tuple[Held, ...]

    def __init__(self, parts: dict[str, Any], graph: fx.Graph, source: fx.Graph, held: Sequence[Held]) -> None:
        super().__init__(parts, graph)
        self.held = tuple(held)
        self._source = source

    def train(self, mode: bool = True) -> Modular:
        """Switch the modules and the operations, as `GraphNetwork.train` does."""
        super().train(mode)
        for node, place in mode_arguments(self.graph):
            node.update_arg(place, mode)
        self.recompile()
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Modular:
        twin = with_modules(copy.deepcopy(self.as_graph()))
        twin.train(self.training)
        memo[id(self)] = twin
        return twin

    def layer(self, held: Held) -> nn.Module:
        """The module itself."""
        return self.get_submodule(held.path)

    def as_graph(self) -> GraphNetwork:
        """The network as a graph, with the shapes that its modules have now, in evaluation mode; it shares tensors."""
        tensors = tensors_of(self)
        groups: dict[str, int] = {}
        for held in self.held:
            module = self.layer(held)
            for own, name in held.tensors.items():
                tensors[name] = tensors.pop(f"{held.path}.{own}")
            if isinstance(module, _ConvNd):
                groups.update(dict.fromkeys(held.nodes, module.groups))
        graph = fx.Graph()
        copies: dict[fx.Node, fx.Node] = {}
        for node in self._source.nodes:
            copies[node] = graph.node_copy(node, lambda other: copies[other])
            if node.name in groups and arguments_of(node).get("groups", 1) != groups[node.name]:
                _set_named(copies[node], "groups", groups[node.name])
        return assemble(tensors, graph)


def with_modules(graph: GraphNetwork) -> Modular:
    """The same network with its convolutions, linear maps and batch norms as modules; it shares all parameters.

    A module lies where its tensors' names say: `features.0.weight` and `features.0.bias` become the module
    `features.0`, so that the names of tensors stay. Where names are otherwise, the module is called `layer_` and the
    operation's name, and `held` tells which tensor is which. A tensor that several layers use in different ways stays
    a tensor, and they stay operations.

    Args:
        graph: the captured network, which is left as it is.

    Example:
        >>> from corank.network.graph import capture
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 2)).eval()
        >>> x = torch.randn(4, 3, 3, 3)
        >>> modular = with_modules(capture(net, x))
        >>> torch.equal(modular(x), net(x)), [type(modular.layer(held)).__name__ for held in modular.held]
        (True, ['Conv2d', 'AnyBatchNorm', 'Linear'])
    """
    tensors = tensors_of(graph)
    found = _layers(graph, tensors)
    parts: dict[str, Any] = {**tensors, **{held.path: _module(graph, held, tensors) for held in found}}
    path_of = {name: held.path for held in found for name in held.nodes}
    plan = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in graph.graph.nodes:
        if node.name in path_of:
            copies[node] = plan.call_module(path_of[node.name], (copies[node.args[0]],))
        else:
            copies[node] = plan.node_copy(node, lambda other: copies[other])
    for node in reversed(list(plan.nodes)):
        if node.op == "get_attr" and not node.users:
            plan.erase_node(node)
    network = Modular(parts, plan, graph.graph, found)
    network.train(graph.training)
    return network


def without_fixed_widths(graph: GraphNetwork, example: Tensor) -> GraphNetwork:
    """The same network where views take the number of features as it comes; it shares all tensors.

    A view of samples as rows becomes a flattening, and the second size of a longer view, where it is a number, is
    left open. Both give the very same values as long as no width has changed.

    Example:
        >>> from corank.network.graph import capture
        >>> class Net(nn.Module):
        ...     def forward(self, x):
        ...         return x.view(-1, 12)
        >>> graph = without_fixed_widths(capture(Net(), torch.zeros(2, 3, 4)), torch.zeros(2, 3, 4))
        >>> graph(torch.zeros(2, 3, 4)).shape, graph(torch.zeros(2, 2, 4)).shape
        (torch.Size([2, 12]), torch.Size([2, 8]))
    """
    if not any(kind_of(node) in VIEWS for node in graph.graph.nodes):
        return graph
    layers = Layers(graph, example.shape[1:], example.dtype)
    free = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in graph.graph.nodes:
        copies[node] = free.node_copy(node, lambda other: copies[other])
        if kind_of(node) in VIEWS:
            _free_width(copies[node], all(layers.shapes[one] is not None for one in (node, node.all_input_nodes[0])))
    return assemble(tensors_of(graph), free)


def _free_width(view: fx.Node, is_by_sample: bool) -> None:
    sizes = view.args[1]
    assert isinstance(sizes, Sequence)
    if is_by_sample and len(sizes) == 2:
        view.target = torch.ops.aten.flatten.using_ints
        view.args = (view.args[0], 1)
    elif len(sizes) > 2 and isinstance(sizes[1], int) and -1 not in sizes:
        view.args = (view.args[0], [sizes[0], -1, *sizes[2:]])


def _layers(graph: GraphNetwork, tensors: Mapping[str, Tensor]) -> list[Held]:
    """The modules that a network can have: no two of them hold the same tensor."""
    alike: dict[Any, list[fx.Node]] = {}
    for node in graph.graph.nodes:
        own = _tensors_held(node, tensors)
        if own:
            alike.setdefault((node.target, tuple(own.items()), _choices(node)), []).append(node)
    found: list[Held] = []
    for nodes in alike.values():
        own = _tensors_held(nodes[0], tensors)
        if all(set(user_nodes).issubset(nodes) for user_nodes in _users(graph, own.values())):
            path = _path_of(own, [held.path for held in found], tensors) or free_name(graph, f"layer_{nodes[0].name}")
            found.append(Held(path=path, tensors=own, nodes=tuple(node.name for node in nodes)))
    return found


def _tensors_held(node: fx.Node, tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """The stored tensors that a module in an operation's place would hold; empty where none can stand there."""
    if kind_of(node) not in OF_A_LAYER:
        return {}
    given = arguments_of(node)
    named = {own: given[own] for own in OF_A_LAYER[kind_of(node)] if given[own] is not None}
    if not all(isinstance(value, fx.Node) and value.op == "get_attr" for value in named.values()):
        return {}
    own = {name: str(value.target) for name, value in named.items()}
    is_parameter = {name: isinstance(tensors[target], nn.Parameter) for name, target in own.items()}
    wanted = {name: not name.startswith("running") for name in own}
    if is_parameter != wanted or ("weight" not in own and "running_mean" not in own):
        return {}
    if kind_of(node) == "batch_norm":
        has_pairs = ("weight" in own) == ("bias" in own) and ("running_mean" in own) == ("running_var" in own)
        is_switched = ("mode" in node.meta) == ("running_mean" in own)  # as the module would be
        return own if has_pairs and is_switched else {}
    return own


def _choices(node: fx.Node) -> tuple[tuple[str, str], ...]:
    """What else an operation is told, beside its input and what a module holds."""
    left_out = {"input", *OF_A_LAYER[kind_of(node)]}
    return tuple((name, str(value)) for name, value in arguments_of(node).items() if name not in left_out)


def _users(graph: GraphNetwork, names: Iterable[str]) -> Iterator[list[fx.Node]]:
    """The operations that use each of some tensors."""
    wanted = set(names)
    for node in graph.graph.nodes:
        if node.op == "get_attr" and node.target in wanted:
            yield list(node.users)


def _path_of(own: Mapping[str, str], taken: Sequence[str], tensors: Mapping[str, Tensor]) -> str | None:
    """The path at which a module's tensors keep their names; None where there is none."""
    paths = {name.removesuffix(f".{short}") if name.endswith(f".{short}") else "" for short, name in own.items()}
    (path,) = paths if len(paths) == 1 else ("",)
    return path if path and path not in taken and path not in tensors else None


def _module(graph: GraphNetwork, held: Held, tensors: Mapping[str, Tensor]) -> nn.Module:
    node = next(node for node in graph.graph.nodes if node.name == held.nodes[0])
    own = {name: tensors[target] for name, target in held.tensors.items()}
    module = _empty(node, own)
    for name, value in own.items():
        setattr(module, name, value)
    return module


def _empty(node: fx.Node, own: Mapping[str, Tensor]) -> nn.Module:
    """A module of the right kind and shape whose tensors hold nothing yet."""
    given, kind = arguments_of(node), kind_of(node)
    if kind == "batch_norm":
        norm = AnyBatchNorm(
            len(next(iter(own.values()))), given["eps"], given["momentum"], affine="weight" in own,
            track_running_stats="running_mean" in own, device="meta",
        )  # fmt: skip
        norm.num_batches_tracked = None  # which a graph does not count
        return norm
    weight = own["weight"]
    if kind == "linear":
        return nn.Linear(weight.shape[1], weight.shape[0], bias="bias" in own, device="meta")
    is_transposed, groups = "transpose" in kind, given["groups"]
    ends = (weight.shape[0], weight.shape[1] * groups) if is_transposed else (weight.shape[1] * groups, weight.shape[0])
    options = {name: _plain(given[name]) for name in SIZES if name in given}
    kinds: dict[str, Any] = {
        "conv1d": nn.Conv1d, "conv2d": nn.Conv2d, "conv3d": nn.Conv3d, "conv_transpose1d": nn.ConvTranspose1d,
        "conv_transpose2d": nn.ConvTranspose2d, "conv_transpose3d": nn.ConvTranspose3d,
    }  # fmt: skip
    module: nn.Module = kinds[kind](
        *ends, tuple(weight.shape[2:]), groups=groups, bias="bias" in own, device="meta", **options
    )
    return module


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def _set_named(node: fx.Node, name: str, value: Any) -> None:
    """Give an argument of an operation, by name, wherever it stands."""
    places = [argument.name for argument in node.target._schema.arguments]  # type: ignore[union-attr]
    place = places.index(name)
    if place < len(node.args):
        node.update_arg(place, value)
    else:
        node.update_kwarg(name, value)
