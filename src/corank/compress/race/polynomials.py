"""ASNets in the race: every legal cut within the budget, with the rank that is forecast best."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from corank.compress.asnet import HEAD, SAMPLES_AT_LEAST, SAMPLES_PER_TERM
from corank.compress.chaos import PolynomialChaos, fit_expansion
from corank.compress.cut_forecasts import CutForecast
from corank.compress.race.allowance import Allowance
from corank.compress.race.candidate import Candidate
from corank.compress.race.course import Course, Place
from corank.compress.race.entry import Built, Entry, finished
from corank.compress.samples import Drawn, Samples
from corank.linalg import number_of_terms
from corank.measure import OnDevice
from corank.measure.heldout import HeldOut
from corank.network import cut, evaluation_mode

NAME = "ASNet"


def asnets(course: Course, allowance: Allowance, batches: OnDevice) -> list[Entry]:
    """The best ASNet of every place, within the budget where there is one, and else the smallest."""
    found = []
    for place in course.places:
        rows = [row for row in course.forecasts.cuts if row.layer == place.layer]
        if not rows or place.pre.multiply_adds >= course.original.multiply_adds:
            continue
        within = [row for row in rows if _fits(course, place, row, allowance)]
        best = max(within, key=lambda row: row.accuracy) if within else rows[0]
        found.append(_entry(course, place, best, allowance, batches))
    return found


def polynomial_head(
    pre: nn.Module, teacher: nn.Module, directions: Tensor, batches: OnDevice, order: int = 2
) -> PolynomialChaos:
    """The polynomial of a kept part's features that is nearest to a network's logits.

    Args:
        pre: the kept part, which may be another one than the network's own.
        teacher: the network.
        directions: `(r, n)` of the features.
        batches: training batches, where both are.
        order: of the polynomial.
    """
    wanted = max(SAMPLES_PER_TERM * number_of_terms(len(directions), order), SAMPLES_AT_LEAST)
    held, parts, drawn = HeldOut(), [], 0

    def seen(x: Tensor, y: Tensor) -> Samples:
        z = (pre(x).flatten(1) @ directions.T).double()
        return Samples(z=z, logits=teacher(x).double(), labels=y)

    with torch.no_grad(), evaluation_mode(pre), evaluation_mode(teacher):
        for x, y in batches:
            x, y = held.take(x, y)
            parts.append(seen(x, y))
            drawn += len(y)
            if drawn >= wanted:
                break
        aside = [seen(x, y) for _, x, y in held.merged(250)] or parts[:1]
    head = fit_expansion(Drawn(directions=directions, fitted=_joined(parts), heldout=_joined(aside)), order=order)
    assert isinstance(head.module, PolynomialChaos)
    return head.module


def directions_at(place: Place, rank: int) -> Tensor:
    """The leading directions of a place."""
    assert place.active is not None
    return place.active.directions[:rank]


def hollow(features: int, rank: int, classes: int, order: int = 2) -> PolynomialChaos:
    """A polynomial of these sizes with any numbers, to be timed."""
    return PolynomialChaos(torch.zeros(rank, features), torch.zeros(classes, number_of_terms(rank, order)), order)


def _joined(parts: list[Samples]) -> Samples:
    return Samples(
        z=torch.cat([part.z for part in parts]), logits=torch.cat([part.logits for part in parts]),
        labels=torch.cat([part.labels for part in parts]),
    )  # fmt: skip


def _fits(course: Course, place: Place, row: CutForecast, allowance: Allowance) -> bool:
    return allowance.fits(row.overall, _timed(course, place, row))


def _timed(course: Course, place: Place, row: CutForecast) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        pre = cut(course.graph, place.layer, course.example).pre
        classes = course.graph(course.example[:1]).shape[1]
        return nn.Sequential(pre, hollow(place.features, row.rank, classes, row.order))

    return build


def _entry(course: Course, place: Place, row: CutForecast, allowance: Allowance, batches: OnDevice) -> Entry:
    def build() -> Built:
        halves = cut(course.graph, place.layer, course.example)
        head = polynomial_head(halves.pre, course.graph, directions_at(place, row.rank), batches, row.order)
        return finished(halves.pre, halves.shape, head, HEAD)

    reached = allowance.amount(row.overall, _timed(course, place, row))
    candidate = Candidate(
        method=NAME, layer=place.layer, sizes=(row.rank,), cost=row.overall,
        latency_ms=None if allowance.original_ms is None else reached, reached=reached,
        fits=reached <= allowance.limit, accuracy=row.accuracy, agreement=row.agreement,
    )  # fmt: skip
    return Entry(candidate=candidate, build=build)
