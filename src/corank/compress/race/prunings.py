"""Channel pruning in the race: alone, and of the kept part in front of an ASNet or a reduced-order network.

In front of a new end only layers before the end of the kept part are narrowed, so that the features there are still
those whose directions are known; the new end is fitted to the original's values from what the narrow part makes of
them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property, partial

import torch
from torch import Tensor, nn

from corank.compress.asnet import HEAD as ASNET_HEAD
from corank.compress.pruning import PruningPath, Scope, pruning_path
from corank.compress.pruning.groups import Group, narrowed, narrowed_modules
from corank.compress.race import polynomials, reductions
from corank.compress.race.allowance import Allowance, largest
from corank.compress.race.candidate import PRUNING
from corank.compress.race.course import CHUNK, Course, Place
from corank.compress.race.entry import Built, finished
from corank.compress.race.ladder import Ladder, Made
from corank.compress.race.polynomials import drawn_through, fitted, samples_wanted, taught
from corank.compress.race.reductions import Ending, composed, ending
from corank.compress.reduced.allocation import Allocation
from corank.compress.reduced.bases import Basis
from corank.errors import InputError
from corank.linalg import Nystrom, number_of_terms
from corank.measure import OnDevice
from corank.network import Cost, GraphNetwork, cost, evaluation_mode, weighted_layers
from corank.network.modular import Modular, with_modules

SCOPES: tuple[Scope, ...] = ("uniform", "global")
PRUNED_PLACES = 3  # that are tried, until one is within the budget
SHARES_OF_ENDING = (
    0.1,
    0.2,
    0.4,
)  # of the budget, for a reduced-order end behind a narrow part: the first that holds one
SAMPLES_PER_TERM = 2.5  # of a polynomial, where it is fitted only to be judged
Widths = tuple[int, ...]


class Way:
    """Networks from the narrowest to the whole one, and what they cost.

    Args:
        course: the network as it was measured.
        path: from the whole network, or its kept part, to the narrowest.
    """

    def __init__(self, course: Course, path: PruningPath) -> None:
        self.path = path
        self._course = course
        self._known: dict[Widths, Cost] = {}

    def network(self, widths: Widths) -> GraphNetwork:
        """The network of some widths, with tensors of its own."""
        return narrowed(self.path.graph, self._removals(widths))

    def cost(self, widths: Widths) -> Cost:
        """Of that network, counted without copying it."""
        if widths not in self._known:
            self._known[widths] = self._counted(narrowed_modules(self.path.graph, self._removals(widths)))
        return self._known[widths]

    def _counted(self, small: Modular) -> Cost:
        if self._uses is None:
            return self._course.cost(small)
        own = list(small.parameters())
        return Cost(
            parameters=sum(value.numel() for value in own),
            storage_bytes=sum(value.numel() * value.element_size() for value in own),
            multiply_adds=sum(times * _weight(small, path).numel() for path, times in self._uses.items()),
        )

    @cached_property
    def _uses(self) -> dict[str, int] | None:
        """How often a sample uses each number of a weight, which narrowing leaves as it is; None if others multiply."""
        modular, uses = with_modules(self.path.graph), Counter[str]()

        def count(path: str, output: Tensor) -> None:
            uses[path] += output.numel() // len(_weight(modular, path))

        for held in modular.held:
            if _weight(modular, held.path).ndim > 1:
                modular.layer(held).register_forward_hook(
                    lambda _module, _given, output, path=held.path: count(path, output)
                )
        with torch.no_grad(), evaluation_mode(modular):
            modular(self._course.example[:1])
        multiply_adds = sum(times * _weight(modular, path).numel() for path, times in uses.items())
        return dict(uses) if multiply_adds == self._course.cost(self.path.graph).multiply_adds else None

    def _removals(self, widths: Widths) -> list[tuple[Group, Tensor]]:
        pairs = zip(self.path.groups, widths, strict=True)
        return [(group, group.least_important(group.width - kept)) for group, kept in pairs]


def _weight(modular: Modular, path: str) -> Tensor:
    weight = modular.get_submodule(path).weight
    assert isinstance(weight, Tensor)
    return weight


class Prunings(Ladder[Widths]):
    """Narrower networks, by the widths of their groups of layers.

    Args:
        course: the network as it was measured.
        way: on which they are.
    """

    method = PRUNING
    layer: str | None = None

    def __init__(self, course: Course, way: Way) -> None:
        self.course = course
        self.way = way
        self.rungs: list[Widths] = list(reversed(way.path.widths[1:]))

    def cost(self, size: Widths) -> Cost:
        """Counted on the narrow network."""
        return self.way.cost(size)

    def sizes(self, size: Widths) -> tuple[int, ...]:
        """The widths of all layers."""
        return tuple(len(layer.matrix) for layer in weighted_layers(self.way.network(size)))

    def timed(self, size: Widths) -> nn.Module:
        """The narrow network."""
        return self.way.network(size)

    def made(self, size: Widths) -> Made:
        """The narrow network, judged."""
        network = self.way.network(size)
        accuracy, agreement = self.course.judging.judged(network)
        return Made(
            accuracy=accuracy, agreement=agreement, build=lambda: Built(network=network, new=(), is_narrow=True)
        )

    def wider(self, size: Widths) -> Iterator[Widths]:
        """One group of layers keeps more channels."""
        for place, width in enumerate(size):
            larger = {widths[place] for widths in self.way.path.widths if widths[place] > width}
            if larger:
                yield (*size[:place], min(larger), *size[place + 1 :])


class PrunedCuts(Prunings):
    """Narrower parts up to a place, each with a new end of the same sizes.

    Args:
        course: the network as it was measured.
        way: from the narrowest part to the whole one.
        place: where it ends.
    """

    def __init__(self, course: Course, way: Way, place: Place) -> None:
        super().__init__(course, way)
        self.place = place
        self.layer = place.layer
        self.shape = course.halves(place.layer).shape

    @cached_property
    def end_cost(self) -> Cost:
        """Of the new end."""
        return cost(self.hollow(), self.shape, self.course.example.dtype)

    @abstractmethod
    def hollow(self) -> nn.Module:
        """A new end with any numbers."""

    @abstractmethod
    def finished(self, pre: GraphNetwork, end: nn.Module) -> Built:
        """A narrow part with an end."""

    def cost(self, size: Widths) -> Cost:
        """Of the narrow part and the new end."""
        return super().cost(size) + self.end_cost

    def timed(self, size: Widths) -> nn.Module:
        """The narrow part with an end of zeros."""
        return self.finished(self.way.network(size), self.hollow()).network

    def judged(self, pre: GraphNetwork, end: nn.Module, build: Callable[[], Built]) -> Made:
        """A network that is made of both."""
        accuracy, agreement = self.course.judging.judged(nn.Sequential(pre, end))
        return Made(accuracy=accuracy, agreement=agreement, build=build)


class PrunedPolynomials(PrunedCuts):
    """ASNets with a narrow kept part, of the rank that is forecast best for the whole one."""

    method = f"{PRUNING} + {polynomials.NAME}"

    def __init__(self, course: Course, way: Way, place: Place, rank: int, batches: OnDevice) -> None:
        super().__init__(course, way, place)
        self.rank = rank
        self.batches = batches

    def sizes(self, size: Widths) -> tuple[int, ...]:
        """The widths of the kept layers, and the rank."""
        return (*super().sizes(size), self.rank)

    def hollow(self) -> nn.Module:
        """A polynomial of zeros."""
        features = self.place.active.width
        return polynomials.hollow(features, self.rank, polynomials.classes_of(self.course))

    def finished(self, pre: GraphNetwork, end: nn.Module) -> Built:
        """The narrow part with a polynomial."""
        return replace(finished(pre, self.shape, end, ASNET_HEAD), is_narrow=True)

    def made(self, size: Widths) -> Made:
        """Judged with a polynomial from few samples; where it is needed it is fitted to as many as an ASNet's."""
        pre = self.way.network(size)
        directions = polynomials.directions_at(self.place, self.rank)
        bases = self.course.bases
        assert bases is not None
        assert bases.recorded is not None
        rows = (bases.recorded.inputs, bases.recorded.logits, bases.recorded.labels)
        samples = zip(*(torch.split(row, CHUNK) for row in rows), strict=True)
        wanted = int(SAMPLES_PER_TERM * number_of_terms(self.rank, 2))
        quick = fitted(drawn_through(pre, directions, samples, wanted))

        def build() -> Built:
            every = taught(self.course.graph, self.batches)
            return self.finished(pre, fitted(drawn_through(pre, directions, every, samples_wanted(self.rank))))

        return self.judged(pre, quick, build)


class PrunedReductions(PrunedCuts):
    """Reduced-order networks behind a narrow part."""

    method = f"{PRUNING} + {reductions.NAME}"

    def __init__(self, course: Course, way: Way, place: Place, end: Ending, size: Allocation) -> None:
        super().__init__(course, way, place)
        self.end = end
        self.allocation = size

    def sizes(self, size: Widths) -> tuple[int, ...]:
        """The widths of the kept layers, and the ranks of the others."""
        return (*super().sizes(size), *(one.rank for one in self.allocation.sizes))

    def hollow(self) -> nn.Module:
        """A reduced part of zeros."""
        return self.end.hollow(self.allocation)

    def finished(self, pre: GraphNetwork, end: nn.Module) -> Built:
        """The narrow part with a reduced one."""
        return replace(composed(self.course, self.end, end, pre), is_narrow=True)

    def made(self, size: Widths) -> Made:
        """The reduced part, fitted to what the original has behind what the narrow part makes of the samples."""
        pre = self.way.network(size)
        count = max(2 * len(self.course.judging.labels), self.allocation.projected or 0)
        end = _behind(pre, self.end, count, self.allocation.projected).reduced(self.allocation)
        return self.judged(pre, end, lambda: self.finished(pre, end))


def prunings(course: Course, multiple: int) -> list[Prunings]:
    """Networks with all layers narrowed alike and with the least important channels gone, wherever they are.

    Raises:
        InputError: Torch-Pruning is not installed, cannot trace the network, or finds no channel to remove.
    """
    paths = (pruning_path(course.graph, course.example, scope=scope, multiple=multiple) for scope in SCOPES)
    return [Prunings(course, Way(course, path)) for path in paths if len(path) > 1]


def pruned_cuts(course: Course, allowance: Allowance, multiple: int, batches: OnDevice) -> list[PrunedCuts]:
    """ASNets and reduced-order networks from the first place that the budget only reaches with a narrower kept part."""
    beyond = [place for place in course.places if not allowance.reaches(place.pre)]
    found: list[PrunedCuts] = []
    for place in beyond[:PRUNED_PLACES]:
        try:
            path = pruning_path(course.halves(place.layer).pre, course.example, multiple=multiple)
        except InputError:  # nothing before this place can be narrowed
            continue
        found = [*_with_ends(course, allowance, Way(course, path), place, multiple, batches)]
        if any(allowance.foretold(ladder.cost(ladder.rungs[0])) <= allowance.limit for ladder in found):
            break
    return found


def _with_ends(
    course: Course, allowance: Allowance, way: Way, place: Place, multiple: int, batches: OnDevice
) -> Iterator[PrunedCuts]:
    rank = _rank(course, place)
    if rank is not None:
        yield PrunedPolynomials(course, way, place, rank, batches)
    end = ending(course, place.node)
    size = None if end is None else _within_a_share(end, allowance, multiple)
    if end is not None and size is not None:
        yield PrunedReductions(course, way, place, end, size)


def _rank(course: Course, place: Place) -> int | None:
    """That of the best forecast of a polynomial for which there are samples; None where there is none."""
    if course.bases is None or course.bases.recorded is None:
        return None
    most = min(len(course.bases.recorded.labels), 2 * len(course.judging.labels)) / SAMPLES_PER_TERM
    rows = [row for row in course.forecasts if row.layer == place.layer and number_of_terms(row.rank, 2) <= most]
    return max(rows, key=lambda row: row.accuracy).rank if rows else None


def _within_a_share(end: Ending, allowance: Allowance, multiple: int) -> Allocation | None:
    """The widest end that takes no more than some of a budget, as far as can be foretold."""
    for share in SHARES_OF_ENDING:
        fits = partial(_fits, allowance, share * allowance.limit)
        if not end.hoped(fits, multiple)[0]:
            way = end.allocated(fits, multiple)
            place = largest(way, lambda one: fits(one.cost))  # noqa: B023 - called at once
            if place is not None:
                return way[place]
    return None


def _fits(allowance: Allowance, limit: float, own: Cost) -> bool:
    return allowance.foretold(own) <= limit


@torch.no_grad()
def _behind(pre: GraphNetwork, end: Ending, count: int, projected: int | None) -> Ending:
    """The end as it is reached through a narrow part, for the first so many of its samples."""
    few = end.recorded
    inputs = few.inputs[:count]
    with evaluation_mode(pre):
        start = torch.cat([pre(x).flatten(1) for x in torch.split(inputs, CHUNK)])
    recorded = replace(
        few, inputs=inputs, labels=few.labels[:count], start=start, sources=tuple(rows[:count] for rows in few.sources),
        logits=few.logits[:count],
    )  # fmt: skip
    basis = end.bases.start if projected is None else _basis(start, projected)
    return replace(end, recorded=recorded, bases=replace(end.bases, start=basis))


def _basis(rows: Tensor, rank: int) -> Basis:
    """The leading directions of some values."""
    sketch = Nystrom(min(2 * rank, rows.shape[1]), rows.shape[1], dtype=rows.dtype, device=rows.device).update(rows)
    return Basis(
        singular_values=sketch.singular_values / len(rows) ** 0.5, vectors=sketch.right_vectors,
        energy=sketch.energy / len(rows), samples=len(rows),
    )  # fmt: skip
