"""Reduced-order networks of a study: one for every place where the network may be cut, without any training.

Daulbaev, "Applications of Differential Equations and Reduced-Order Modeling for Deep Learning", chapter 5. They are
made from few samples, the last place first, for as long as there is time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from corank.compress import RON, RONetwork
from corank.errors import InputError
from corank.experiment.compressing import accuracies
from corank.experiment.evaluated import Accuracies
from corank.measure import Batches
from corank.network import Cost
from corank.result import Result, Scalar
from corank.zoo import Dataset

ENERGY = 0.95
SAMPLES = 2048
SKETCH_SIZE = 512
NO_TIME = "the time for it was over: give a larger measure_seconds"


@dataclass(frozen=True, kw_only=True)
class ReducedCut(Result):
    """What came of reducing everything after a place.

    Attributes:
        layer: the last one that is kept as it is.
        ranks: directions that the reduced layers keep.
        overall: the cost of the network.
        agreement: share of held-out samples that it puts into the original's class.
        accuracy: as it is, without any training.
    """

    layer: str
    ranks: tuple[int, ...]
    overall: Cost
    agreement: float
    accuracy: Accuracies

    def row(self) -> dict[str, Scalar]:
        """Place, number of layers, cost, agreement and accuracy."""
        return {
            "layer": self.layer, "reduced layers": len(self.ranks), **self.overall.row(), "agreement": self.agreement,
            **self.accuracy.row(),
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class NotReduced(Result):
    """A place after which nothing was reduced, and why."""

    layer: str
    reason: str

    def row(self) -> dict[str, Scalar]:
        """Place and reason."""
        return {"layer": self.layer, "reason": self.reason}


@dataclass(frozen=True, kw_only=True)
class ReducedCuts(Result):
    """The reduced-order networks of a study.

    Attributes:
        cuts: those that are smaller than what they replace, cheapest first.
        left_out: the other places.
        best: the cheapest within the tolerance, or the most accurate where none is, with what is known of its layers;
            None where there is none.
        longest: the one reduced from furthest in front, smaller or not, with what is known of its layers.
    """

    cuts: tuple[ReducedCut, ...] = ()
    left_out: tuple[NotReduced, ...] = ()
    best: RONetwork | None = None
    longest: RONetwork | None = None

    def row(self) -> dict[str, Scalar]:
        """How many there are and the best one's place."""
        best = None if self.best is None else self.best.layer
        return {"reduced": len(self.cuts), "left out": len(self.left_out), "best": best}


def reduce_cuts(
    network: nn.Module,
    layers: Sequence[str],
    batches: Batches,
    dataset: Dataset,
    *,
    original: Accuracies,
    tolerance: float,
    seconds: float | None = None,
) -> ReducedCuts:
    """A reduced-order network for every place.

    Args:
        network: the original.
        layers: the places, from the first to the last.
        batches: of training data.
        dataset: whose validation and test splits are evaluated.
        original: accuracies of the network.
        tolerance: the loss of validation accuracy that the best one may have.
        seconds: after which no further one is made; None for no limit.
    """
    until = math.inf if seconds is None else time.perf_counter() + seconds
    cuts: list[ReducedCut] = []
    left_out: list[NotReduced] = []
    best: tuple[tuple[bool, float], RONetwork] | None = None
    longest: RONetwork | None = None
    for layer in reversed(layers):
        if time.perf_counter() > until:
            left_out.append(NotReduced(layer=layer, reason=NO_TIME))
            continue
        try:
            small = _reduced(network, layer, batches)
        except InputError as error:
            left_out.append(NotReduced(layer=layer, reason=str(error)))
            continue
        longest = small
        if reason := _larger(small):
            left_out.append(NotReduced(layer=layer, reason=reason))
            continue
        found = _evaluated(layer, small, dataset)
        cuts.append(found)
        lost = original.validation - found.accuracy.validation
        worth = (True, -float(found.overall.multiply_adds)) if lost <= tolerance else (False, -lost)
        if best is None or worth > best[0]:
            best = worth, small
    return ReducedCuts(
        cuts=tuple(sorted(cuts, key=lambda found: found.overall.multiply_adds)),
        left_out=tuple(reversed(left_out)),
        best=best[1] if best else None,
        longest=longest,
    )


def _reduced(network: nn.Module, layer: str, batches: Batches) -> RONetwork:
    ron = RON(layer=layer, energy=ENERGY, samples=SAMPLES, sketch_size=SKETCH_SIZE, epochs=0)
    return ron.compress(network, batches)


def _larger(small: RONetwork) -> str:
    """In what a reduced part exceeds the one that it replaces; empty where in nothing."""
    counts = {
        "parameters": (small.head.parameters, small.replaced.parameters),
        "multiply-adds": (small.head.multiply_adds, small.replaced.multiply_adds),
    }
    more = [f"{new:,} {what} instead of {old:,}" for what, (new, old) in counts.items() if new > old]
    return f"the reduced layers would take {' and '.join(more)}" if more else ""


def _evaluated(layer: str, small: RONetwork, dataset: Dataset) -> ReducedCut:
    return ReducedCut(
        layer=layer,
        ranks=tuple(row.rank for row in small.layers),
        overall=small.overall,
        agreement=small.agreement,
        accuracy=accuracies(small.network, dataset),
    )
