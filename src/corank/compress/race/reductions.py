"""Reduced-order networks in the race: from the last places that the budget reaches, as wide as it allows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor, fx, nn

from corank.compress.race.allowance import Allowance, largest
from corank.compress.race.candidate import Candidate
from corank.compress.race.course import REDUCED_PLACES, Course
from corank.compress.race.entry import Built, Entry, finished
from corank.compress.reduced.allocation import Allocation, allocations
from corank.compress.reduced.bases import Bases, Basis, Recorded
from corank.compress.reduced.reduction import Reduction
from corank.compress.reduced.refit import refit
from corank.compress.reduced.sizes import Shape
from corank.compress.reduced.stages import Tail
from corank.compress.reduced.student import DenseTail
from corank.network import Cost, GraphNetwork, capture, cut

NAME = "RON"
HEAD = "ron"
ROWS = 1.5
PROJECTIONS = (128, 256, 512)
NOTHING = Cost(parameters=0, storage_bytes=0, multiply_adds=0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Ending:
    """The part of a network after a place, ready to be reduced to any size.

    Attributes:
        layer: the name of the place; None for the input.
        tail: the stages.
        bases: of these, and of the place.
        recorded: samples there.
        shape: of the tail.
    """

    layer: str | None
    tail: Tail
    bases: Bases
    recorded: Recorded
    shape: Shape

    def allocated(self, fits: Callable[[Cost], bool], multiple: int) -> list[Allocation]:
        """The sizes on the way to the widest, the start read whole or through the projection that serves best.

        Args:
            fits: whether the reduced part may cost so much, as far as can be foretold, to choose the projection by.
            multiple: of which the number of kept features is one.
        """
        ways = []
        for shape, missed in self._shapes():
            way = allocations(shape, self.bases.layers, rows=ROWS, multiple=multiple)
            last = largest(way, lambda one: fits(one.cost))
            if last is not None:
                ways.append((last.missed + missed, way))
        if not ways:
            return []
        return min(ways, key=lambda found: found[0])[1]

    def _shapes(self) -> list[tuple[Shape, float]]:
        """The tail read whole, and through projections, with the share of the start's energy that these miss."""
        start = self.bases.start
        ways = [(self.shape, 0.0)]
        if start is not None:
            for rank in PROJECTIONS:
                if rank <= len(start.vectors) and rank < start.features:
                    kept = float(start.singular_values[:rank].square().sum()) / start.energy
                    ways.append((replace(self.shape, projected=rank), 1 - min(kept, 1.0)))
        return ways

    def reduced(self, allocation: Allocation) -> DenseTail:
        """The small network of these sizes, its maps fitted to the recorded samples."""
        ranks = [size.rank for size in allocation.sizes]
        reduction = Reduction(self.tail, self.bases, ranks, projected=allocation.projected)
        reduced = reduction.build(allocation.sizes)
        refit(reduction, reduced, self.recorded)
        return reduced.network

    def hollow(self, allocation: Allocation) -> DenseTail:
        """A network of these sizes with any numbers, to be timed."""
        ones = [1] * len(allocation.sizes)
        return Reduction(self.tail, self.bases, ones, projected=allocation.projected).hollow(allocation.sizes)


def ending(course: Course, node: fx.Node) -> Ending | None:
    """The part after a place; None where it cannot be reduced, or was not measured."""
    found = course.tail_after(node)
    if found is None or course.tail is None or course.bases is None or course.bases.recorded is None:
        return None
    tail, layers = found
    recorded = course.bases.recorded
    sources = {stage.label: rows for stage, rows in zip(course.tail.stages, recorded.sources, strict=True)}
    start, values = _start(course, node, sources)
    if values is None:
        return None
    own = replace(recorded, start=values, sources=tuple(sources[stage.label] for stage in tail.stages))
    bases = replace(course.bases, start=start, layers=tuple(layers))
    reduction = Reduction(tail, bases, [1] * len(layers))
    return Ending(layer=tail.label, tail=tail, bases=bases, recorded=own, shape=reduction.shape)


def _start(course: Course, node: fx.Node, sources: dict[str, Tensor]) -> tuple[Basis | None, Tensor | None]:
    """The basis of the values at a place, and these values of the recorded samples."""
    assert course.tail is not None
    assert course.bases is not None
    assert course.bases.recorded is not None
    if node is course.tail.start:
        return course.bases.start, course.bases.recorded.start
    for stage, basis in zip(course.tail.stages, course.bases.layers, strict=True):
        if stage.end is course.tail.values.get(node, node):
            return basis, stage.finished(sources[stage.label])
    return None, None


def rons(course: Course, allowance: Allowance, multiple: int) -> list[Entry]:
    """A reduced-order network from each of the last places that the budget reaches."""
    reached: list[tuple[fx.Node, Cost]] = [(course.layers.network.input_node, NOTHING)]
    reached += [(place.node, place.pre) for place in course.places if allowance.reaches(place.pre)]
    found = []
    for node, pre in reached[-REDUCED_PLACES:]:
        end = ending(course, node)
        entry = None if end is None else _entry(course, end, pre, allowance, multiple)
        found += [] if entry is None else [entry]
    return found


def _entry(course: Course, end: Ending, pre: Cost, allowance: Allowance, multiple: int) -> Entry | None:
    way = end.allocated(lambda own: allowance.reaches(pre + own), multiple)

    def timed(one: Allocation) -> Callable[[], nn.Module]:
        return lambda: composed(course, end, end.hollow(one)).network

    best = largest(way, lambda one: allowance.fits(pre + one.cost, timed(one)))
    if best is None:
        return None
    built = composed(course, end, end.reduced(best))
    reached = allowance.amount(pre + best.cost, lambda: built.network)
    accuracy, agreement = course.judging.judged(built.network)
    candidate = Candidate(
        method=NAME, layer=end.layer, sizes=tuple(size.rank for size in best.sizes), cost=pre + best.cost,
        latency_ms=None if allowance.original_ms is None else reached, reached=reached,
        fits=reached <= allowance.limit, accuracy=accuracy, agreement=agreement,
    )  # fmt: skip
    return Entry(candidate=candidate, build=lambda: built)


def composed(course: Course, end: Ending, small: DenseTail, pre: GraphNetwork | None = None) -> Built:
    """The kept part, or another one in its place, with a small network behind it."""
    if end.layer is None:
        alone = nn.Sequential()
        alone.add_module(HEAD, small)
        like = next(small.parameters())
        return Built(network=capture(alone, like.new_zeros(2, *end.tail.shape)), new=f"{HEAD}.")
    kept = cut(course.graph, end.layer, course.example).pre if pre is None else pre
    return finished(kept, end.tail.shape, small, HEAD)
