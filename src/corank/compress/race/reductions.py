"""Reduced-order networks in the race: from the last places that the budget reaches, as wide as it allows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from torch import Tensor, fx, nn

from corank.compress.race.allowance import Allowance
from corank.compress.race.course import REDUCED_PLACES, Course
from corank.compress.race.entry import Built, finished
from corank.compress.race.ladder import Ladder, Made
from corank.compress.reduced.allocation import Allocation, allocations
from corank.compress.reduced.bases import Bases, Basis, Recorded
from corank.compress.reduced.reduction import Reduction
from corank.compress.reduced.refit import refit
from corank.compress.reduced.sizes import Shape
from corank.compress.reduced.stages import Tail
from corank.compress.reduced.student import DenseTail
from corank.compress.ron import HEAD, NOTHING
from corank.linalg import rank_by_energy
from corank.network import Cost, GraphNetwork, capture

NAME = "RON"
ROWS = 1.5
PROJECTIONS = (128, 256, 512)
LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.96, 0.98, 0.99, 0.995, 1.0)
"""Shares of energy, by which places and projections are compared before any ranks are chosen."""
BUILT_PLACES = 2  # of those that the budget reaches, the ones whose layers lose least energy


@dataclass(frozen=True, kw_only=True, eq=False)
class Ending:
    """The part of a network after a place, ready to be reduced to any size.

    Attributes:
        layer: the name of the place; None for the input.
        tail: the stages.
        bases: of these, and of the place.
        recorded: samples there.
    """

    layer: str | None
    tail: Tail
    bases: Bases
    recorded: Recorded

    @cached_property
    def shape(self) -> Shape:
        """Of the tail, its start read whole."""
        return self._reduction([1] * len(self.bases.layers), None).shape

    def allocated(self, fits: Callable[[Cost], bool], multiple: int) -> list[Allocation]:
        """The sizes on the way to the widest, the start read whole or through the projection that serves best.

        Args:
            fits: whether the reduced part may cost so much, as far as can be foretold, to choose the projection by.
            multiple: of which the number of kept features is one.
        """
        best = min(self._shapes(), key=lambda shape: self._hoped(shape, fits, multiple))
        return allocations(best, self.bases.layers, rows=ROWS, multiple=multiple, element_size=self._element_size)

    def hoped(self, fits: Callable[[Cost], bool], multiple: int) -> tuple[bool, float]:
        """What is missed of the layers' energy with the same share kept of each, first of all whether anything fits."""
        return min(self._hoped(shape, fits, multiple) for shape in self._shapes())

    def _hoped(self, shape: Shape, fits: Callable[[Cost], bool], multiple: int) -> tuple[bool, float]:
        missed = float("inf")
        for level in LEVELS:
            ranks = [_rank(one, level) for one in self.bases.layers]
            if not fits(shape.cost(shape.sized(ranks, rows=ROWS, multiple=multiple), self._element_size)):
                break
            shares = (_share(one, rank) for one, rank in zip(self.bases.layers, ranks, strict=True))
            missed = sum(1 - share for share in shares)
        if shape.projected is not None:
            assert self.bases.start is not None
            missed += 1 - _share(self.bases.start, shape.projected)
        return math.isinf(missed), missed

    def _shapes(self) -> Iterator[Shape]:
        """The tail read whole, and through projections."""
        yield self.shape
        start = self.bases.start
        if start is not None:
            for rank in PROJECTIONS:
                if rank <= len(start.vectors) and rank < start.features:
                    yield replace(self.shape, projected=rank)

    @property
    def _element_size(self) -> int:
        return self.recorded.start.element_size()

    def wider(self, size: Allocation, multiple: int) -> Iterator[Allocation]:
        """Sizes of which one layer keeps so many features more."""
        shape = replace(self.shape, projected=size.projected)
        ranks = [one.rank for one in size.sizes]
        for place, basis in enumerate(self.bases.layers):
            rank = min(int((size.sizes[place].rows + multiple) / ROWS), len(basis.vectors))
            sizes = shape.sized([*ranks[:place], rank, *ranks[place + 1 :]], rows=ROWS, multiple=multiple)
            if sizes != size.sizes:
                yield replace(size, sizes=sizes, cost=shape.cost(sizes, self._element_size))

    def reduced(self, size: Allocation) -> DenseTail:
        """The small network of these sizes, its maps fitted to the recorded samples."""
        reduction = self._reduction([one.rank for one in size.sizes], size.projected)
        reduced = reduction.build(size.sizes)
        refit(reduction, reduced, self.recorded)
        return reduced.network

    def hollow(self, size: Allocation) -> DenseTail:
        """A network of these sizes with any numbers, to be timed."""
        return self._reduction([1] * len(size.sizes), size.projected).hollow(size.sizes)

    def _reduction(self, ranks: list[int], projected: int | None) -> Reduction:
        return Reduction(self.tail, self.bases, ranks, projected=projected)


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
    return Ending(layer=tail.label, tail=tail, bases=bases, recorded=own)


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


class Reductions(Ladder[Allocation]):
    """Reduced-order networks from one place, by how much their layers keep.

    Args:
        course: the network as it was measured.
        end: what is reduced.
        pre: the cost of what is kept.
        allowance: the budget, by which the projection of the start is chosen.
        multiple: of which the numbers of kept features are.
    """

    method = NAME

    def __init__(self, course: Course, end: Ending, pre: Cost, allowance: Allowance, multiple: int) -> None:
        self.course = course
        self.end = end
        self.pre = pre
        self.multiple = multiple
        self.layer = end.layer
        self.rungs = end.allocated(_within(pre, allowance), multiple)

    def cost(self, size: Allocation) -> Cost:
        """Of the kept part and the reduced one."""
        return self.pre + size.cost

    def sizes(self, size: Allocation) -> tuple[int, ...]:
        """The ranks."""
        return tuple(one.rank for one in size.sizes)

    def timed(self, size: Allocation) -> nn.Module:
        """The kept part with a reduced one of zeros."""
        return composed(self.course, self.end, self.end.hollow(size)).network

    def made(self, size: Allocation) -> Made:
        """The reduced end, judged behind the kept part."""
        small = self.end.reduced(size)
        accuracy, agreement = self.course.judging.judged(small, self.course.features(self.layer))
        return Made(accuracy=accuracy, agreement=agreement, build=lambda: composed(self.course, self.end, small))

    def wider(self, size: Allocation) -> Iterator[Allocation]:
        """One layer keeps more."""
        return self.end.wider(size, self.multiple)


def rons(course: Course, allowance: Allowance, multiple: int) -> list[Reductions]:
    """Reduced-order networks from those of the last places reached whose layers lose least energy within the budget."""
    reached: list[tuple[fx.Node, Cost]] = [(course.layers.network.input_node, NOTHING)]
    reached += [(place.node, place.pre) for place in course.places if allowance.reaches(place.pre)]
    found: list[tuple[tuple[bool, float], Ending, Cost]] = []
    for node, pre in reached[-REDUCED_PLACES:]:
        if end := ending(course, node):
            found.append((end.hoped(_within(pre, allowance), multiple), end, pre))
    best = sorted(found, key=lambda one: one[0])[:BUILT_PLACES]
    return [Reductions(course, end, pre, allowance, multiple) for _, end, pre in best]


def _within(pre: Cost, allowance: Allowance) -> Callable[[Cost], bool]:
    """Whether a reduced part behind a kept one is within a budget, as far as can be foretold."""
    return lambda own: allowance.foretold(pre + own) <= allowance.limit


def _rank(basis: Basis, level: float) -> int:
    """How many directions hold a share of the energy; all that are known where these hold less."""
    return rank_by_energy(basis.singular_values, basis.energy, level) or len(basis.vectors)


def _share(basis: Basis, rank: int) -> float:
    """Of the energy of some values that their leading directions hold."""
    return min(float(basis.singular_values[:rank].square().sum()) / basis.energy, 1.0)


def composed(course: Course, end: Ending, small: nn.Module, pre: GraphNetwork | None = None) -> Built:
    """The kept part, or another one in its place, with a small network behind it."""
    if end.layer is None:
        alone = nn.Sequential()
        alone.add_module(HEAD, small)
        like = next(small.parameters())
        return Built(network=capture(alone, like.new_zeros(2, *end.tail.shape)), new=f"{HEAD}.")
    return finished(course.halves(end.layer).pre if pre is None else pre, end.tail.shape, small, HEAD)
