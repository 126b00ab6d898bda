"""What all methods in the race share: one network, measured once, and samples to judge by.

One backward pass gives the active directions of every legal cut, two forward passes the forecasts of their polynomials
and the bases of all activations.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from corank.compress.cut_forecasts import CutForecasts, forecast_cuts
from corank.compress.reduced.bases import Bases, Basis, limited, measure_bases
from corank.compress.reduced.stages import Tail, last_supported, tail_of
from corank.errors import InputError
from corank.measure import ActiveLayer, ActiveSubspace, Batches, OnDevice, first_batch
from corank.network import Cost, GraphNetwork, Layers, capture, cost, cut, evaluation_mode
from corank.train.evaluate import device_of

JUDGING_SAMPLES = 1000
DIRECTIONS = 50
SKETCH_SIZE = 512
SAMPLES = 4096
REDUCED_PLACES = 3
CHUNK = 250


@dataclass(frozen=True, kw_only=True, eq=False)
class Place:
    """A legal cut.

    Attributes:
        node: of the graph.
        layer: the name of the point.
        pre: the cost of what is in front of it.
        features: of one sample there.
        active: the directions of the gradient there; None where they were not measured.
    """

    node: fx.Node
    layer: str
    pre: Cost
    features: int
    active: ActiveLayer | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Judging:
    """Samples that candidates are compared on.

    Attributes:
        x: `(m, ...)` inputs.
        labels: `(m,)`.
        classes: `(m,)` into which the original network puts them.
    """

    x: Tensor
    labels: Tensor
    classes: Tensor

    @property
    def accuracy(self) -> float:
        """Of the original network."""
        return float((self.classes == self.labels).double().mean())

    def of(self, logits: Tensor) -> tuple[float, float]:
        """Accuracy of these logits and their agreement with the original."""
        found = logits.argmax(1)
        return float((found == self.labels).double().mean()), float((found == self.classes).double().mean())

    @torch.no_grad()
    def judged(self, network: nn.Module) -> tuple[float, float]:
        """Accuracy and agreement of a network."""
        with evaluation_mode(network):
            return self.of(torch.cat([network(x) for x in torch.split(self.x, CHUNK)]))


@dataclass(frozen=True, kw_only=True, eq=False)
class Course:
    """A network as it was measured for the race.

    Attributes:
        graph: of the network.
        layers: its points.
        example: `(B, ...)` inputs.
        original: its cost.
        places: its legal cuts, in order.
        forecasts: of ASNets at these.
        tail: the part that bases were measured of; None where no end of the network can be reduced.
        bases: of the activations there, with recorded samples.
        judging: the samples to compare on.
        seconds: that measuring took.
    """

    graph: GraphNetwork
    layers: Layers
    example: Tensor
    original: Cost
    places: tuple[Place, ...]
    forecasts: CutForecasts
    tail: Tail | None
    bases: Bases | None
    judging: Judging
    seconds: float

    def tail_after(self, node: fx.Node) -> tuple[Tail, list[Basis]] | None:
        """The stages after a point with their bases; None where it lies in front of those that were measured."""
        if self.tail is None or self.bases is None:
            return None
        known = {stage.label: basis for stage, basis in zip(self.tail.stages, self.bases.layers, strict=True)}
        try:
            tail = tail_of(self.layers, node)
        except InputError:
            return None
        if not tail.stages or any(stage.label not in known for stage in tail.stages):
            return None
        return tail, [known[stage.label] for stage in tail.stages]


def measured(
    network: nn.Module, batches: Batches, validation: Batches | None, *, reaches: Callable[[Cost], bool], seed: int
) -> Course:
    """Measure a network for the race.

    Args:
        network: the original.
        batches: training batches, in random order.
        validation: to judge by; a part of the training samples where there is none.
        reaches: whether the smaller network may cost more than this; of activations far in front of the last place
            that it may keep nothing is measured.
        seed: of the measuring.

    Raises:
        InputError: a network that cannot be captured or has no hidden layer, or data that do not fit.
    """
    start = time.perf_counter()
    there = OnDevice(batches, device_of(network))
    example, _ = first_batch(there)
    graph = capture(network, example)
    layers = Layers(graph, example.shape[1:], example.dtype)
    legal = {node.name for node in layers.legal_cuts}
    named = [point.label for point in layers.hidden if point.node in legal]
    if not named:
        raise InputError("the network has no hidden layer through which everything flows: there is nowhere to cut it")
    found = ActiveSubspace(layer=tuple(named), rank=DIRECTIONS, samples=SAMPLES, seed=seed).measure(graph, batches)
    judged = _gathered(network, OnDevice(batches if validation is None else validation, device_of(network)))
    judges = [(judged.x, judged.labels)]
    forecasts = forecast_cuts(graph, found.layers, batches, judges)
    active = {row.layer: row for row in found.layers}
    places = tuple(_place(graph, layers, label, active.get(label), example) for label in named)
    tail = _tail(layers, places, reaches)
    bases = None
    if tail is not None:
        bases = measure_bases(tail, there, samples=SAMPLES, sketch_size=SKETCH_SIZE, start=True, record=True)
    return Course(
        graph=graph, layers=layers, example=example, original=forecasts.network, places=places, forecasts=forecasts,
        tail=tail, bases=bases, judging=judged, seconds=time.perf_counter() - start,
    )  # fmt: skip


def _gathered(network: nn.Module, batches: OnDevice) -> Judging:
    parts = list(limited(batches, JUDGING_SAMPLES))
    x, labels = torch.cat([x for x, _ in parts]), torch.cat([y for _, y in parts])
    with torch.no_grad(), evaluation_mode(network):
        classes = torch.cat([network(part).argmax(1) for part in torch.split(x, CHUNK)])
    return Judging(x=x, labels=labels, classes=classes)


def _place(graph: GraphNetwork, layers: Layers, label: str, active: ActiveLayer | None, example: Tensor) -> Place:
    halves = cut(graph, label, example)
    return Place(
        node=layers.node(halves.point), layer=label, pre=cost(halves.pre, example.shape[1:], example.dtype),
        features=halves.features, active=active,
    )  # fmt: skip


def _tail(layers: Layers, places: tuple[Place, ...], reaches: Callable[[Cost], bool]) -> Tail | None:
    """The longest part to measure bases of: from the third last place that the budget reaches, or from the input."""
    if last_supported(layers) is None:
        return None
    reached = [place.node for place in places if reaches(place.pre)][-REDUCED_PLACES:]
    candidates: list[fx.Node] = [layers.network.input_node] if len(reached) < REDUCED_PLACES else []
    for node in (*candidates, *reached, *(place.node for place in places)):
        try:
            tail = tail_of(layers, node)
        except InputError:
            continue
        if tail.stages:
            return tail
    return None
