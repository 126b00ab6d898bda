"""What all methods in the race share: one network, measured once, and samples to judge by.

One backward pass gives the active directions of every legal cut, two forward passes the forecasts of their polynomials
and the bases of all activations.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, fx, nn

from corank.compress.cut_forecasts import CutForecast, forecast_cuts
from corank.compress.reduced.bases import Bases, Basis, limited, measure_bases
from corank.compress.reduced.stages import Tail, last_supported, tail_of
from corank.errors import InputError
from corank.measure import ActiveLayer, ActiveSubspace, Batches, OnDevice, first_batch
from corank.measure.base import taking
from corank.measure.labelling import check_labels
from corank.network import Cost, Cut, GraphNetwork, Layers, Reader, capture, cost, cut, evaluation_mode
from corank.train.evaluate import device_of

JUDGING_SAMPLES = 1000
LEAST_JUDGING_SAMPLES = 300
JUDGING_MULTIPLY_ADDS = 1e11  # that one candidate may take; large networks are judged on fewer samples
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
        active: the directions of the gradient there.
    """

    node: fx.Node
    layer: str
    pre: Cost
    active: ActiveLayer


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

    @torch.no_grad()
    def judged(self, network: nn.Module, x: Tensor | None = None) -> tuple[float, float]:
        """Accuracy and agreement of a network.

        Args:
            network: it, or its end.
            x: `(m, ...)` what the end is given.
        """
        with evaluation_mode(network):
            parts = torch.split(self.x if x is None else x, CHUNK)
            found = torch.cat([network(part).argmax(1) for part in parts])
        return float((found == self.labels).double().mean()), float((found == self.classes).double().mean())


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
    forecasts: tuple[CutForecast, ...]
    tail: Tail | None
    bases: Bases | None
    judging: Judging
    seconds: float
    _halves: dict[str, Cut] = field(default_factory=dict)
    _features: dict[str, Tensor] = field(default_factory=dict)

    def halves(self, layer: str) -> Cut:
        """The network, cut at a place."""
        if layer not in self._halves:
            self._halves[layer] = cut(self.graph, layer, self.example)
        return self._halves[layer]

    @torch.no_grad()
    def features(self, layer: str | None) -> Tensor:
        """What the judging samples are at a place; for None at the input."""
        if layer is None:
            return self.judging.x
        if layer not in self._features:
            with evaluation_mode(pre := self.halves(layer).pre):
                self._features[layer] = torch.cat([pre(x) for x in torch.split(self.judging.x, CHUNK)])
        return self._features[layer]

    def cost(self, network: nn.Module) -> Cost:
        """Of a network with the same inputs."""
        return cost(network, self.example.shape[1:], self.example.dtype)

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
        InputError: a network that cannot be captured, or data that do not fit.
    """
    start = time.perf_counter()
    device = device_of(network)
    there = OnDevice(batches, device)
    example, _ = first_batch(there)
    graph = capture(network, example)
    layers = Layers(graph, example.shape[1:], example.dtype)
    original = cost(network, example.shape[1:], example.dtype)
    judges = OnDevice(batches if validation is None else validation, device)
    judging = _judging(network, judges, example, original)
    places, forecasts = _cuts(graph, layers, batches, judging, seed)
    reached = [place for place in places if reaches(place.pre)][-REDUCED_PLACES:]
    tail = _tail(layers, places, reached)
    bases = None
    if tail is not None:
        bases = measure_bases(tail, there, samples=SAMPLES, sketch_size=SKETCH_SIZE, start=True, record=True)
    course = Course(
        graph=graph, layers=layers, example=example, original=original, places=places, forecasts=forecasts,
        tail=tail, bases=bases, judging=judging, seconds=0.0, _features=_read(graph, reached, judging, example),
    )  # fmt: skip
    object.__setattr__(course, "seconds", time.perf_counter() - start)
    return course


@torch.no_grad()
def _judging(network: nn.Module, batches: OnDevice, example: Tensor, original: Cost) -> Judging:
    affordable = int(JUDGING_MULTIPLY_ADDS / max(original.multiply_adds, 1))
    inputs, labels, classes = [], [], []
    with evaluation_mode(network):
        wanted = max(LEAST_JUDGING_SAMPLES, min(JUDGING_SAMPLES, affordable))
        for number, (x, y) in enumerate(limited(batches, wanted)):
            with taking(number, x, example):
                logits = network(x)
            if x.shape[1:] != example.shape[1:]:
                raise InputError(
                    f"batch {number}: samples must have the shape {tuple(example.shape[1:])}, got {tuple(x.shape[1:])}"
                )
            try:
                check_labels(y, logits.shape[1])
            except InputError as error:
                raise InputError(f"batch {number}: {error}") from error
            inputs.append(x)
            labels.append(y)
            classes.append(logits.argmax(1))
    if not labels:
        raise InputError("the validation batches hold no sample to judge by: give some, or none")
    return Judging(x=torch.cat(inputs), labels=torch.cat(labels), classes=torch.cat(classes))


def _cuts(
    graph: GraphNetwork, layers: Layers, batches: Batches, judging: Judging, seed: int
) -> tuple[tuple[Place, ...], tuple[CutForecast, ...]]:
    """The legal cuts, and the forecasts of ASNets there."""
    legal = {node.name for node in layers.legal_cuts}
    named = tuple(point.label for point in layers.hidden if point.node in legal)
    if not named:
        return (), ()
    found = ActiveSubspace(layer=named, rank=DIRECTIONS, samples=SAMPLES, seed=seed).measure(graph, batches)
    judges = list(zip(torch.split(judging.x, CHUNK), torch.split(judging.labels, CHUNK), strict=True))
    forecasts = forecast_cuts(graph, found.layers, batches, judges)
    active = {row.layer: row for row in found.layers}
    nodes = {point.label: layers.node(point) for point in layers.hidden}
    places = tuple(
        Place(node=nodes[one.layer], layer=one.layer, pre=one.pre, active=active[one.layer]) for one in forecasts.places
    )
    return places, forecasts.cuts


def _tail(layers: Layers, places: Sequence[Place], reached: Sequence[Place]) -> Tail | None:
    """The longest part to measure bases of: from the first of the places that were reached, or from the input."""
    if last_supported(layers) is None:
        return None
    starts: list[fx.Node] = [layers.network.input_node] if len(reached) < REDUCED_PLACES else []
    for node in (*starts, *(place.node for place in (*reached, *places))):
        try:
            tail = tail_of(layers, node)
        except InputError:
            continue
        if tail.stages:
            return tail
    return None


@torch.no_grad()
def _read(graph: GraphNetwork, places: Sequence[Place], judging: Judging, example: Tensor) -> dict[str, Tensor]:
    """What the judging samples are at some places."""
    if not places:
        return {}
    reader = Reader(graph, [place.layer for place in places], example)
    readings = [reader.read(x).activations for x in torch.split(judging.x, CHUNK)]
    return {place.layer: torch.cat([reading[place.layer] for reading in readings]) for place in places}
