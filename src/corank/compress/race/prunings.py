"""Channel pruning in the race: alone, and of the kept part in front of an ASNet or a reduced-order network.

In front of a new end only layers before the last kept one are narrowed, so that the features there are still those
whose directions are known; the new end is fitted to the original's values from what the narrow part makes of them.
"""

from __future__ import annotations


from dataclasses import replace

import torch
from torch import nn

from corank.compress.asnet import HEAD as ASNET_HEAD
from corank.compress.cut_forecasts import RANKS
from corank.compress.pruning import PruningPath, Scope, pruning_path
from corank.compress.race.allowance import Allowance, largest
from corank.compress.race.candidate import Candidate
from corank.compress.race.course import CHUNK, Course, Place
from corank.compress.race.entry import Built, Entry, finished
from corank.compress.race.polynomials import directions_at, hollow, polynomial_head
from corank.compress.race.reductions import Ending, composed, ending
from corank.compress.reduced.bases import Basis
from corank.errors import InputError
from corank.linalg import Nystrom, number_of_terms
from corank.measure import OnDevice
from corank.network import Cost, GraphNetwork, cost, cut, evaluation_mode, weighted_layers

NAME = "pruning"
SCOPES: tuple[Scope, ...] = ("uniform", "global")
PRUNED_PLACES = 2
LARGEST_RANK = 50
SHARE_OF_ENDING = 0.1  # of the budget, for a reduced-order end behind a narrow part
SAMPLES_PER_TERM = 3


def prunings(course: Course, allowance: Allowance, multiple: int) -> list[Entry]:
    """The widest pruned network within the budget, with all layers narrowed alike and with the least important channels.

    Raises:
        InputError: Torch-Pruning is not installed, or cannot trace the network.
    """
    found = []
    for scope in SCOPES:
        path = pruning_path(course.graph, course.example, scope=scope, multiple=multiple)
        fitting = path.widest(lambda network: allowance.fits(_cost(course, network), lambda: network))
        if fitting is not None:
            network = fitting.network
            found.append(_entry(course, allowance, NAME, None, _widths(network), Built(network=network, new=())))
    return found


def pruned_cuts(course: Course, allowance: Allowance, multiple: int, batches: OnDevice) -> list[Entry]:
    """ASNets and reduced-order networks from places that the budget only reaches with a narrower kept part.

    Raises:
        InputError: Torch-Pruning is not installed, or cannot trace the network.
    """
    beyond = [number for number, place in enumerate(course.places) if not allowance.reaches(place.pre)]
    found: list[Entry] = []
    for number in [number for number in beyond if number > 0][:PRUNED_PLACES]:
        place, before = course.places[number], course.places[number - 1].layer
        try:
            path = pruning_path(course.graph, course.example, multiple=multiple, layer=before)
        except InputError:  # nothing before this place can be narrowed
            continue
        end = ending(course, place.node)
        entries = [_with_polynomial(course, allowance, path, place, batches)]
        entries += [] if end is None else [_with_reduction(course, allowance, path, place, end, multiple)]
        found += [entry for entry in entries if entry is not None]
    return found


def _with_polynomial(
    course: Course, allowance: Allowance, path: PruningPath, place: Place, batches: OnDevice
) -> Entry | None:
    recorded = None if course.bases is None else course.bases.recorded
    if recorded is None or place.active is None:
        return None
    most = min(LARGEST_RANK, len(place.active.directions))
    ranks = [
        rank for rank in RANKS if rank <= most and SAMPLES_PER_TERM * number_of_terms(rank, 2) <= len(recorded.labels)
    ]
    if not ranks:
        return None
    head = hollow(place.features, ranks[-1], recorded.logits.shape[1])
    pre = _narrowed(course, allowance, path, place, head)
    if pre is None:
        return None
    samples = list(zip(torch.split(recorded.inputs, CHUNK), torch.split(recorded.labels, CHUNK), strict=True))
    vectors = directions_at(place, ranks[-1])
    fitted = polynomial_head(pre, course.graph, vectors, OnDevice(samples, recorded.inputs.device))
    shape = course.layers.shapes[place.node]
    assert shape is not None
    quick = finished(pre, shape, fitted, ASNET_HEAD)

    def build() -> Built:
        return finished(pre, shape, polynomial_head(pre, course.graph, vectors, batches), ASNET_HEAD)

    entry = _entry(course, allowance, f"{NAME} + ASNet", place.layer, (ranks[-1],), quick)
    return replace(entry, build=build)


def _with_reduction(
    course: Course, allowance: Allowance, path: PruningPath, place: Place, end: Ending, multiple: int
) -> Entry | None:
    def fits(own: Cost) -> bool:
        return allowance.foretold(own) <= SHARE_OF_ENDING * allowance.limit

    sizes = largest(end.allocated(fits, multiple), lambda one: fits(one.cost))
    if sizes is None or sizes.projected is None:
        return None
    pre = _narrowed(course, allowance, path, place, end.hollow(sizes))
    if pre is None:
        return None
    with torch.no_grad(), evaluation_mode(pre):
        start = torch.cat([pre(x).flatten(1) for x in torch.split(end.recorded.inputs, CHUNK)])
    own = replace(
        end, recorded=replace(end.recorded, start=start), bases=replace(end.bases, start=_basis(start, sizes.projected))
    )
    built = composed(course, own, own.reduced(sizes), pre)
    return _entry(course, allowance, f"{NAME} + RON", place.layer, tuple(size.rank for size in sizes.sizes), built)


def _narrowed(
    course: Course, allowance: Allowance, path: PruningPath, place: Place, head: nn.Module
) -> GraphNetwork | None:
    """The widest part in front of a place that is within the budget together with an end of such sizes."""
    shape = course.layers.shapes[place.node]
    assert shape is not None
    ending_cost = cost(head, shape, course.example.dtype)

    def kept(network: GraphNetwork) -> GraphNetwork:
        return cut(network, place.layer, course.example).pre

    def fits(network: GraphNetwork) -> bool:
        pre = kept(network)
        return allowance.fits(_cost(course, pre) + ending_cost, lambda: nn.Sequential(pre, head))

    fitting = path.widest(fits)
    return None if fitting is None else kept(fitting.network)


def _basis(rows: torch.Tensor, rank: int | None) -> Basis:
    """The leading directions of some values."""
    assert rank is not None
    sketch = Nystrom(min(2 * rank, rows.shape[1]), rows.shape[1], dtype=rows.dtype, device=rows.device).update(rows)
    return Basis(
        singular_values=sketch.singular_values / len(rows) ** 0.5, vectors=sketch.right_vectors,
        energy=sketch.energy / len(rows), samples=len(rows),
    )  # fmt: skip


def _entry(
    course: Course, allowance: Allowance, method: str, layer: str | None, sizes: tuple[int, ...], built: Built
) -> Entry:
    own = _cost(course, built.network)
    reached = allowance.amount(own, lambda: built.network)
    accuracy, agreement = course.judging.judged(built.network)
    candidate = Candidate(
        method=method, layer=layer, sizes=sizes, cost=own, reached=reached, fits=reached <= allowance.limit,
        latency_ms=None if allowance.original_ms is None else reached, accuracy=accuracy, agreement=agreement,
    )  # fmt: skip
    return Entry(candidate=candidate, build=lambda: built)


def _widths(network: GraphNetwork) -> tuple[int, ...]:
    return tuple(len(layer.matrix) for layer in weighted_layers(network))


def _cost(course: Course, network: nn.Module) -> Cost:
    return cost(network, course.example.shape[1:], course.example.dtype)
