"""A graph that can be hooked anywhere: modules that change nothing stand at its points and beside its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import fx, nn

from corank.network.graph import Call, GraphNetwork, assemble, tensors_of
from corank.network.layers import CONVOLUTIONS, Point, kind_of
from corank.network.through import Aside, Watched
from corank.network.weighted import bias_argument, weight_node


def with_probes(
    graph: GraphNetwork, points: Sequence[Point], layers: Sequence[tuple[fx.Node, str, int]]
) -> tuple[GraphNetwork, list[Point], list[Watched]]:
    """The graph with probes, its points as outputs of modules, and the layers that can be watched.

    Args:
        graph: it is not changed; the copy shares its parameters.
        points: those to be read.
        layers: the operations of the graph to be watched, with the names of their layers and where the batch is.
    """
    probed = assemble(tensors_of(graph), graph.graph)
    by_name = {node.name: node for node in probed.graph.nodes}
    watched = [
        _watch(probed, by_name[node.name], Watched(f"aside_{number}", name, kind_of(node) in CONVOLUTIONS, axis))
        for number, (node, name, axis) in enumerate(layers)
    ]
    moved = []
    for number, point in enumerate(points):
        path = f"probe_{number}"
        probed.add_submodule(path, nn.Identity())
        node = by_name[str(point.node)]
        with probed.graph.inserting_after(node):
            probe = probed.graph.call_module(path, (node,))
        node.replace_all_uses_with(probe, delete_user_cb=lambda user, probe=probe: user is not probe)
        moved.append(Point(label=point.label, index=point.index, call=Call(path, 0), node=point.node))
    probed.recompile()
    return probed, moved, watched


def watchable(graph: GraphNetwork, names: Mapping[int, str]) -> list[tuple[fx.Node, str]]:
    """The linear maps and convolutions by stored weights with these names, in order of computation."""
    tensors, found = tensors_of(graph), []
    for node in graph.graph.nodes:
        if kind_of(node) in CONVOLUTIONS | {"linear", "addmm"}:
            weight = weight_node(node)
            name = None if weight is None else names.get(id(tensors[str(weight.target)]))
            if name is not None:
                found.append((node, name))
    return found


def _watch(probed: GraphNetwork, node: fx.Node, watched: Watched) -> Watched:
    probed.add_submodule(watched.path, Aside())
    phi = node.args[1 if kind_of(node) == "addmm" else 0]
    with probed.graph.inserting_after(node):
        probed.graph.call_module(watched.path, (phi, node, bias_argument(node)))
    return watched
