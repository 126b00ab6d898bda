"""Where a network is read: at the points of its graph, or at its modules where it has none."""

from __future__ import annotations

import operator
from collections.abc import Sequence

from torch import Tensor, fx, nn

from corank.errors import InputError
from corank.network.found import Found, Skipped, is_meant, layer_of, unwatched_of
from corank.network.graph import GraphNetwork, calls_of, capture, tensors_of
from corank.network.hooks import module_at
from corank.network.inputs import Inputs, batch_size, concatenate, described, select
from corank.network.layers import WEIGHTED, Layer, Layers, Point, kind_of
from corank.network.module_points import by_modules, modules_to_watch
from corank.network.probes import watchable, with_probes
from corank.network.seen import Seen, what_ran
from corank.network.weighted import Weighted, stored_weights, weights_of


def locate(network: nn.Module, wanted: Sequence[Layer], example: Inputs, is_watched: bool) -> Found:
    """The points of the wanted layers, and with `is_watched` all layers with a weight matrix.

    Raises:
        InputError: an unknown layer; a number where there is no graph; nothing to read; or an example that
            the network does not take.
    """
    example = select(example, slice(0, 2))
    example = example if batch_size(example) > 1 else concatenate([example, example])
    seen = [] if isinstance(network, GraphNetwork) else what_ran(network, example)
    try:
        graph = _captured(network, example)
    except InputError as reason:
        found = by_modules(network, wanted, example, seen, weights_of(network, None), str(reason))
    else:
        layers = Layers(graph, example.shape[1:], example.dtype)  # type: ignore[union-attr]
        found = _by_graph(network, layers, wanted, seen, is_watched)
    if not found.points and (wanted or not is_watched):
        raise InputError(f"no layer to read: {list(wanted)} names no hidden layer with weights")
    return found


def _captured(network: nn.Module, example: Inputs) -> GraphNetwork:
    if not isinstance(example, Tensor):
        raise InputError(f"the network takes several tensors, {described(example)}")
    return capture(network, example)


def _by_graph(
    network: nn.Module, layers: Layers, wanted: Sequence[Layer], seen: Sequence[Seen], is_watched: bool
) -> Found:
    weights = weights_of(network, layers.network)
    points = list({point.label: point for layer in wanted for point in layers.resolve(layer)}.values())
    skipped = _unread(layers, wanted, seen, weights)
    nodes, unwatched = _to_watch(layers, weights) if is_watched else ([], ())
    modules = modules_to_watch(seen, weights)
    paths = dict.fromkeys(_innermost(node) for node, _, _ in nodes)
    run: nn.Module = network
    if (
        not isinstance(network, GraphNetwork)
        and all(_can_be_hooked(network, layers, point, seen) for point in points)
        and all(path in modules for path in paths)
        and all(axis == 0 for _, _, axis in nodes)
    ):
        watched = [modules[path] for path in paths]
    else:
        run, points, watched = with_probes(layers.network, points, nodes)
    return Found(
        network=run, points=tuple(points), weights=weights, watched=tuple(watched), skipped=skipped,
        unwatched=unwatched,
    )  # fmt: skip


def _can_be_hooked(network: nn.Module, layers: Layers, point: Point, seen: Sequence[Seen]) -> bool:
    """Whether the point is all that a module returns, and the module has one name, by which its calls count."""
    if point.call is None or layers.node(point).target is operator.getitem:
        return False
    module = module_at(network, point.call.path)
    has_one_name = sum(other is module for _, other in network.named_modules(remove_duplicate=False)) == 1
    return has_one_name and all(call.is_tensor for call in seen if call.module is module)


def _unread(
    layers: Layers, wanted: Sequence[Layer], seen: Sequence[Seen], weights: Sequence[Weighted]
) -> tuple[Skipped, ...]:
    """The layers with weights that the patterns mean and that have no point."""
    tensors = tensors_of(layers.network)
    layer_by_weight = {id(weighted.weight): layer_of(weighted) for weighted in weights}
    found = {}
    for node in layers.unreadable:
        stored = [id(tensors[str(weight.target)]) for weight in stored_weights(node)]
        known = [layer_by_weight[weight] for weight in stored if weight in layer_by_weight]
        found[known[0] if known else node.name] = "its output has not the batch first"
    nodes = [node for node in layers.nodes if kind_of(node) in WEIGHTED]
    used = {id(tensors[str(weight.target)]) for node in nodes for weight in stored_weights(node)}
    inside = {call.path for node in nodes for call in calls_of(node)}
    ran = {call.path for call in seen}
    for weighted in weights:
        layer = layer_of(weighted)
        if id(weighted.weight) not in used and layer not in inside:
            found[layer] = "the logits do not depend on it" if layer in ran else "it did not run on the example"
    return tuple(Skipped(layer, reason) for layer, reason in found.items() if is_meant(layer, wanted))


def _to_watch(
    layers: Layers, weights: tuple[Weighted, ...]
) -> tuple[list[tuple[fx.Node, str, int]], tuple[Skipped, ...]]:
    """The linear maps of samples, with the place of the batch, and why the other matrices are none."""
    names = {id(weighted.weight): weighted.name for weighted in weights}
    found = watchable(layers.network, names)
    axes = {node: layers.batch_axes[node] for node, _ in found}
    reasons = {name: "its rows are not the samples" for node, name in found if axes[node] is None}
    kept = [(node, name, axis) for node, name in found if name not in reasons and (axis := axes[node]) is not None]
    return kept, unwatched_of(weights, [name for _, name, _ in kept], reasons)


def _innermost(node: fx.Node) -> str:
    calls = calls_of(node)
    return calls[-1].path if calls else ""
