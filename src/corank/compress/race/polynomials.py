"""ASNets in the race: every legal cut within the budget, with the rank that is forecast best."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

from corank.compress.asnet import HEAD, SAMPLES_AT_LEAST, SAMPLES_PER_TERM
from corank.compress.chaos import PolynomialChaos, fit_expansion
from corank.compress.cut_forecasts import CutForecast
from corank.compress.race.course import Course, Place
from corank.compress.race.entry import Built, finished
from corank.compress.race.ladder import Ladder, Made
from corank.compress.samples import Drawn, Samples, draw_samples
from corank.linalg import number_of_terms
from corank.measure import OnDevice
from corank.network import Cost, evaluation_mode

NAME = "ASNet"
Triple = tuple[Tensor, Tensor, Tensor]  # inputs, logits of the original network, labels


class Polynomials(Ladder[CutForecast]):
    """ASNets at one place, by their rank.

    Args:
        course: the network as it was measured.
        place: where it is cut.
        batches: training batches, where the network is.
    """

    method = NAME

    def __init__(self, course: Course, place: Place, batches: OnDevice) -> None:
        self.course = course
        self.place = place
        self.batches = batches
        self.layer = place.layer
        self.rungs = [row for row in course.forecasts if row.layer == place.layer]
        deeper = [other.layer for other in course.places[course.places.index(place) + 1 :]]
        self.beyond = [row for row in course.forecasts if row.layer in deeper][:1]

    def cost(self, size: CutForecast) -> Cost:
        """As it was forecast."""
        return size.overall

    def sizes(self, size: CutForecast) -> tuple[int, ...]:
        """The rank."""
        return (size.rank,)

    def timed(self, size: CutForecast) -> nn.Module:
        """The kept part with a polynomial of zeros."""
        head = hollow(size.features, size.rank, classes_of(self.course), size.order)
        return self._finished(size.layer, head).network

    def made(self, size: CutForecast) -> Made:
        """The forecast; the polynomial is only fitted where it is needed."""

        def build() -> Built:
            halves = self.course.halves(self.place.layer)
            wanted = samples_wanted(size.rank, size.order)
            drawn = draw_samples(halves, directions_at(self.place, size.rank), self.batches, wanted)
            return self._finished(size.layer, fitted(drawn, size.order))

        return Made(accuracy=size.accuracy, agreement=size.agreement, build=build)

    def best(self, rungs: Sequence[CutForecast]) -> CutForecast:
        """The rank that is forecast the most accurate; of several the smallest."""
        return max(rungs, key=lambda row: row.accuracy)

    def _finished(self, layer: str, head: PolynomialChaos) -> Built:
        halves = self.course.halves(layer)
        return finished(halves.pre, halves.shape, head, HEAD)


def asnets(course: Course, batches: OnDevice) -> list[Polynomials]:
    """ASNets at every place, in ascending order of cost."""
    ladders = (Polynomials(course, place, batches) for place in course.places)
    return [ladder for ladder in ladders if ladder.rungs]


def fitted(drawn: Drawn, order: int = 2) -> PolynomialChaos:
    """The polynomial that is nearest to the logits of some samples."""
    module = fit_expansion(drawn, order=order).module
    assert isinstance(module, PolynomialChaos)
    return module


@torch.no_grad()
def drawn_through(pre: nn.Module, directions: Tensor, samples: Iterable[Triple], count: int) -> Drawn:
    """Samples at the end of a part of a network, which need not be the network's own.

    Args:
        pre: the part.
        directions: `(r, n)` of its features.
        samples: inputs with the logits of the original network.
        count: how many are wanted for a fit; all if there are fewer.
    """
    parts: list[Samples] = []
    drawn = 0
    with evaluation_mode(pre):
        for x, logits, labels in samples:
            z = (pre(x).flatten(1) @ directions.T).double()
            parts.append(Samples(z=z, logits=logits.double(), labels=labels))
            drawn += len(labels)
            if drawn >= count:
                break
    together = Samples(
        z=torch.cat([part.z for part in parts]), logits=torch.cat([part.logits for part in parts]),
        labels=torch.cat([part.labels for part in parts]),
    )  # fmt: skip
    return Drawn(directions=directions, fitted=together, heldout=parts[0])


def taught(teacher: nn.Module, batches: OnDevice) -> Iterator[Triple]:
    """Batches with the logits of a network."""
    for x, labels in batches:
        with torch.no_grad(), evaluation_mode(teacher):  # not around the yield: who breaks off would stay inside
            logits = teacher(x)
        yield x, logits, labels


def samples_wanted(rank: int, order: int = 2) -> int:
    """How many determine the polynomial of an ASNet."""
    return max(SAMPLES_PER_TERM * number_of_terms(rank, order), SAMPLES_AT_LEAST)


def directions_at(place: Place, rank: int) -> Tensor:
    """The leading directions of a place."""
    return place.active.directions[:rank]


def hollow(features: int, rank: int, classes: int, order: int = 2) -> PolynomialChaos:
    """A polynomial of these sizes with any numbers, to be timed."""
    return PolynomialChaos(torch.zeros(rank, features), torch.zeros(classes, number_of_terms(rank, order)), order)


def classes_of(course: Course) -> int:
    """How many logits the network has."""
    shape = course.layers.shapes[course.layers.network.output_node]
    assert shape is not None
    return shape[0]
