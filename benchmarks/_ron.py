"""RON to a number of multiply-adds, from several places of one network that is measured once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from corank.compress.reduced.allocation import Allocation, allocations
from corank.compress.reduced.bases import SKETCH_SIZE, Bases, Recorded, measure_bases
from corank.compress.reduced.reduction import Reduced, Reduction
from corank.compress.reduced.refit import refit
from corank.compress.reduced.sizes import Size
from corank.compress.reduced.stages import Tail, tail_of
from corank.network import Cut, GraphNetwork, Layers, capture, compose, cost, cut
from corank.zoo import Batches

ROWS = 1.5
PROJECTIONS = (128, 256, 512)


@dataclass(frozen=True, kw_only=True, eq=False)
class Ending:
    """The part of a network after a place, ready to be reduced.

    Attributes:
        halves: of the network.
        tail: the second half in stages.
        bases: of these and of the place.
        recorded: samples there.
    """

    halves: Cut
    tail: Tail
    bases: Bases
    recorded: Recorded

    def interpolated(self, sizes: Sequence[Size], projected: int | None = None) -> tuple[Reduction, Reduced]:
        """A small network of such sizes by the thesis' formula, and what it came from."""
        reduction = Reduction(self.tail, self.bases, [size.rank for size in sizes], projected=projected)
        return reduction, reduction.build(sizes)

    def fitted(self, sizes: Sequence[Size], projected: int | None = None) -> Reduced:
        """The same with maps that are fitted to the samples."""
        reduction, reduced = self.interpolated(sizes, projected)
        refit(reduction, reduced, self.recorded)
        return reduced

    def within(self, multiply_adds: float, multiple: int) -> Allocation | None:
        """The widest sizes that cost no more, the start read whole or through the projection that misses least."""
        start, shape = self.bases.start, Reduction(self.tail, self.bases, [1] * len(self.tail.stages)).shape
        assert start is not None
        found: list[tuple[float, Allocation]] = []
        for rank in (None, *(rank for rank in PROJECTIONS if rank < min(start.features, len(start.vectors)))):
            missed = 0.0 if rank is None else 1 - float(start.singular_values[:rank].square().sum()) / start.energy
            way = allocations(replace(shape, projected=rank), self.bases.layers, rows=ROWS, multiple=multiple)
            fitting = [one for one in way if one.cost.multiply_adds <= multiply_adds]
            if fitting:
                found.append((missed + fitting[-1].missed, fitting[-1]))
        return min(found, key=lambda one: one[0])[1] if found else None

    def composed(self, reduced: Reduced) -> GraphNetwork:
        """The kept part with a small network behind it."""
        small = capture(reduced.network, reduced.network.output.offset.new_zeros(2, *self.tail.shape))
        return compose(self.halves.pre, small, "ron")


class Measured:
    """Several endings of one network from one pass over some samples.

    Args:
        network: to measure.
        batches: of training data, in random order.
        layers: after which the endings begin, in the order of computation.
        samples: that are read.
        sketch_size: directions of each layer that are known, at most.
    """

    def __init__(
        self,
        network: nn.Module,
        batches: Batches,
        layers: Sequence[str | int],
        samples: int,
        sketch_size: int = SKETCH_SIZE,
    ) -> None:
        x, _ = next(iter(batches))
        self.graph = capture(network, x[:2])
        points = Layers(self.graph, x.shape[1:])
        halves = {str(layer): cut(self.graph, layer, x[:2]) for layer in layers}
        tails = {layer: tail_of(points, points.node(one.point)) for layer, one in halves.items()}
        whole = next(iter(tails.values()))
        bases = measure_bases(whole, batches, samples=samples, sketch_size=sketch_size, start=True, record=True)
        assert bases.start is not None
        assert bases.recorded is not None
        known = {whole.start: bases.start} | {
            stage.end: basis for stage, basis in zip(whole.stages, bases.layers, strict=True)
        }
        sources = {stage.end: rows for stage, rows in zip(whole.stages, bases.recorded.sources, strict=True)}
        stages = {stage.end: stage for stage in whole.stages}
        self.endings: dict[str, Ending] = {}
        for layer, tail in tails.items():
            start = whole.values.get(tail.start, tail.start)
            ends = [whole.values.get(stage.end, stage.end) for stage in tail.stages]
            values = bases.recorded.start if start is whole.start else stages[start].finished(sources[start])
            own = replace(bases.recorded, start=values, sources=tuple(sources[end] for end in ends))
            self.endings[layer] = Ending(
                halves=halves[layer], tail=tail, recorded=own,
                bases=replace(bases, start=known[start], layers=tuple(known[end] for end in ends), recorded=own),
            )  # fmt: skip


def places(network: nn.Module, shape: tuple[int, ...], multiply_adds: float, count: int) -> list[str]:
    """The last legal cuts before which less is computed, and behind which something can be reduced."""
    x = torch.zeros(2, *shape)
    layers = Layers(capture(network, x), shape)
    legal = {node.name for node in layers.legal_cuts}
    named = [point.label for point in layers.hidden if point.node in legal]
    return [label for label in named if cost(cut(network, label, x).pre, shape).multiply_adds < multiply_adds][-count:]


def within_budget(
    network: nn.Module,
    batches: Batches,
    multiply_adds: float,
    *,
    count: int,
    samples: int,
    sketch_size: int = SKETCH_SIZE,
    multiple: int = 8,
    is_apart: bool = False,
) -> dict[str, GraphNetwork]:
    """RONs from the last places that such a cost reaches, as wide as it allows, by a description.

    Places are measured in one pass, or each in its own, so that as many of its samples as can be are kept for its maps.
    """
    x, _ = next(iter(batches))
    shape = tuple(x.shape[1:])
    found: dict[str, GraphNetwork] = {}
    reached = places(network, shape, multiply_adds, count)
    passes = ([layer] for layer in reached) if is_apart else [reached]
    endings = (
        pair for layers in passes for pair in Measured(network, batches, layers, samples, sketch_size).endings.items()
    )
    for layer, ending in endings:
        best = ending.within(multiply_adds - cost(ending.halves.pre, shape).multiply_adds, multiple)
        if best is not None:
            read = "all features" if best.projected is None else f"{best.projected} directions"
            ranks = ", ".join(str(size.rank) for size in best.sizes)
            found[f"after {layer}, read through {read}, ranks {ranks}"] = ending.composed(
                ending.fitted(best.sizes, best.projected)
            )
    return found
