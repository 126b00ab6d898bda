"""Two networks after each other as one graph, each keeping the names of its parameters and of its points."""

from __future__ import annotations

from itertools import count

from torch import Tensor, fx

from corank.errors import InputError
from corank.network.graph import Call, GraphNetwork, assemble, calls_of, tensors_of


def compose(first: GraphNetwork, second: GraphNetwork, prefix: str) -> GraphNetwork:
    """The network `second(first(x))`, which shares the parameters of both.

    Args:
        first: keeps its names.
        second: its tensors and module calls are named `prefix.` and their own names.
        prefix: a name that `first` does not use.

    Raises:
        InputError: `first` has a part of that name, or it is no name.

    Example:
        >>> import torch
        >>> from corank.network.graph import capture
        >>> x = torch.zeros(2, 3)
        >>> both = compose(capture(torch.nn.Linear(3, 3), x), capture(torch.nn.Linear(3, 1), x), "head")
        >>> sorted(both.state_dict())
        ['bias', 'head.bias', 'head.weight', 'weight']
    """
    if not prefix or "." in prefix:
        raise InputError(f"a part needs a name without dots, got {prefix!r}")
    tensors: dict[str, Tensor] = tensors_of(first)
    if prefix in _parts(first):
        raise InputError(f"the network already has a part named {prefix!r}: rename it")
    tensors.update({f"{prefix}.{name}": value for name, value in tensors_of(second).items()})
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in first.graph.nodes:
        if node.op != "output":
            copies[node] = graph.node_copy(node, lambda other: copies[other])
    copies[second.input_node] = copies[first.output_node]
    for node in second.graph.nodes:
        if node.op == "output":
            graph.output(copies[second.output_node])
        elif node.op != "placeholder":
            copies[node] = _copy_named(graph, node, copies, prefix)
    return assemble(tensors, graph)


def free_name(network: GraphNetwork, name: str) -> str:
    """A name that no part of a network has: the one given, or the first of `name2`, `name3`, ... that is free.

    Example:
        >>> import torch
        >>> from corank.network.graph import capture
        >>> graph = capture(torch.nn.Sequential(torch.nn.Linear(3, 1)), torch.zeros(2, 3))
        >>> free_name(graph, "0"), free_name(graph, "head")
        ('02', 'head')
    """
    taken = _parts(network)
    numbered = (f"{name}{number}" for number in count(2))
    return name if name not in taken else next(other for other in numbered if other not in taken)


def _parts(network: GraphNetwork) -> set[str]:
    """The first words of all names of tensors and module calls."""
    paths = [*tensors_of(network), *(call.path for node in network.graph.nodes for call in calls_of(node))]
    return {path.split(".")[0] for path in paths}


def _copy_named(graph: fx.Graph, node: fx.Node, copies: dict[fx.Node, fx.Node], prefix: str) -> fx.Node:
    copy = graph.node_copy(node, lambda other: copies[other])
    copy.meta = dict(node.meta)
    copy.meta["calls"] = tuple(Call(f"{prefix}.{call.path}", call.order) for call in calls_of(node))
    if node.op == "get_attr":
        copy.target = f"{prefix}.{node.target}"
    return copy
