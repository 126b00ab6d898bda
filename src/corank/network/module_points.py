"""Points of a network without a graph: the outputs of its modules, in the order in which an example ran through them.

A layer ends with its module here, before the norm and the activation that a graph adds to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from corank.errors import InputError, near
from corank.network.adapted import adapted
from corank.network.found import Found, Skipped, is_pattern, layer_of, unwatched_of
from corank.network.graph import Call, evaluation_mode
from corank.network.hooks import Sources, frozen, hooked, module_at, module_by_module
from corank.network.inputs import Inputs
from corank.network.layers import Layer, Point
from corank.network.seen import Seen
from corank.network.through import Watched
from corank.network.weighted import Weighted

PLAIN = {
    module.forward
    for module in (
        nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d
    )
}  # fmt: skip
"""What modules run that apply their weight and add their bias, and do no more."""


def by_modules(
    network: nn.Module,
    wanted: Sequence[Layer],
    example: Inputs,
    seen: Sequence[Seen],
    weights: tuple[Weighted, ...],
    reason: str,
) -> Found:
    """The modules that are wanted and ran, and all watchable ones; `reason` says why there is no graph.

    Raises:
        InputError: a number, an unknown name, or one that did not run or ran several times.
    """
    points: list[Point] = []
    skipped: list[Skipped] = []
    for layer in wanted:
        if isinstance(layer, int):
            raise InputError(f"layer {layer!r} needs the network's graph, but {reason}")
        if is_pattern(layer):
            matched, left_out = _matching(network, layer, example, seen, weights)
            points += matched
            skipped += left_out
        else:
            points.append(_named(network, layer, seen))
    modules = modules_to_watch(seen, weights)
    return Found(
        network=network,
        points=tuple({point.label: point for point in points}.values()),
        weights=weights,
        watched=tuple(modules.values()),
        skipped=tuple(dict.fromkeys(skipped)),
        unwatched=unwatched_of(weights, [watched.name for watched in modules.values()], {}),
    )


def modules_to_watch(seen: Sequence[Seen], weights: Sequence[Weighted]) -> dict[str, Watched]:
    """The modules that ran and do no more than a linear map and a bias, by name."""
    names = {id(weighted.weight): weighted.name for weighted in weights}
    found = {}
    for call in seen:
        is_plain = type(call.module).forward in PLAIN and call.problem is None
        name = names.get(id(call.module.weight)) if is_plain else None
        if name is not None:
            found[call.path] = Watched(call.path, name, isinstance(call.module, _ConvNd))
    return found


def _named(network: nn.Module, layer: str, seen: Sequence[Seen]) -> Point:
    path, _, order = layer.partition("@")
    module = module_at(network, path)
    if order and not order.isdecimal():
        raise InputError(f"layer {layer!r} must be a name, or a name and the number of a call as in {path}@0")
    calls = sum(call.module is module for call in seen)
    if int(order or 0) >= calls:
        raise InputError(f"layer {layer!r} did not run")
    if not order and calls > 1:
        listed = ", ".join(f"{path}@{number}" for number in range(calls))
        raise InputError(f"layer {layer!r} is called several times: name one of {listed}")
    return Point(label=layer, call=Call(path, int(order or 0)))


def _matching(
    network: nn.Module, pattern: str, example: Inputs, seen: Sequence[Seen], weights: Sequence[Weighted]
) -> tuple[list[Point], list[Skipped]]:
    """The modules of a pattern that can be read, `"*"` those with weights but the last; others with a reason."""
    own = dict.fromkeys(layer_of(weighted) for weighted in weights)
    labels = _labels(seen)
    points, skipped = [], []
    for label, (call, order) in labels.items():
        if fnmatchcase(call.path, pattern) and (pattern != "*" or call.path in own):
            if call.problem is None:
                points.append(Point(label=label, call=Call(call.path, order)))
            else:
                skipped.append(Skipped(label, call.problem))
    ran = {call.path for call in seen}
    never = [layer for layer in own if fnmatchcase(layer, pattern) and layer not in ran]
    if not points and not skipped and not never and pattern != "*":
        raise InputError(f"no layer matches {pattern!r}: {near(pattern, dict.fromkeys(call.path for call in seen))}")
    skipped += [Skipped(layer, "it did not run on the example") for layer in never]
    if pattern != "*":
        return points, skipped
    reached = _reached(network, points, example)
    skipped += [Skipped(point.label, "the logits do not depend on it") for point in points if point not in reached]
    return reached[:-1], skipped


def _labels(seen: Sequence[Seen]) -> dict[str, tuple[Seen, int]]:
    """Every call with its number, by the module's name, or by name and number where there are several."""
    total, orders = Counter(call.path for call in seen), Counter[str]()
    labels = {}
    for call in seen:
        order = orders[call.path]
        labels[call.path if total[call.path] == 1 else f"{call.path}@{order}"] = (call, order)
        orders[call.path] += 1
    return labels


def _reached(network: nn.Module, points: Sequence[Point], example: Inputs) -> list[Point]:
    """The points on which the logits depend."""
    kept = Sources()
    with frozen(network), torch.enable_grad(), evaluation_mode(network), module_by_module():
        with hooked(network, points, kept):
            logits = adapted(network)(example)
        if not logits.requires_grad:
            return []
        found = torch.autograd.grad(logits.sum(), list(kept.values.values()), allow_unused=True)
    reached = {label for label, gradient in zip(kept.values, found, strict=True) if gradient is not None}
    return [point for point in points if point.label in reached]
