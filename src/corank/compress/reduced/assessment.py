"""How far a small network is from the original, layer by layer, on samples that had no part in its bases.

Daulbaev, "Applications of Differential Equations and Reduced-Order Modeling for Deep Learning", section 5.3.4. Its
`e = |(S V)^+ S eps|` and the whole error `|z - V (S V)^+ S z|` both obey `|eps| / sigma_min(S V)`; the latter is
measured here, and beside it what errors of earlier layers add.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from corank.compress.reduced.bases import Bases
from corank.compress.reduced.reduction import Reduced, Reduction
from corank.compress.reduced.student import DenseLayer
from corank.network import Reader


@dataclass(frozen=True, kw_only=True)
class LayerErrors:
    """Relative root mean square errors of one layer: of the projection, of the interpolation, of the small network."""

    projection: float
    interpolation: float
    propagated: float


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """What a small network is worth on held-out samples.

    Attributes:
        layers: errors of every layer; not a number where no sample was held out.
        agreement: share of samples that it puts into the original's class.
        accuracy: share that it puts into the right one.
        accuracy_original: the same of the original network.
    """

    layers: tuple[LayerErrors, ...]
    agreement: float
    accuracy: float
    accuracy_original: float


def assess(reduction: Reduction, reduced: Reduced, bases: Bases) -> Assessment:
    """Errors and agreement of a small network on the samples that were held out."""
    tail = reduction.tail
    labels = [tail.layers.point(stage.end).label for stage in tail.stages]
    sums = torch.zeros(len(labels), 4, dtype=torch.float64)
    right = torch.zeros(3, dtype=torch.float64)
    for x, y in bases.heldout:
        reader = Reader(tail.layers.network, [*labels, *([] if tail.label is None else [tail.label])], x)
        reading = reader.read(x)
        start = x if tail.label is None else reading.activations[tail.label]
        true = [reading.activations[label].flatten(1) for label in labels]
        with torch.no_grad():
            kept, logits = _run(reduced, reduction.names, start)
        sums += torch.stack(
            [_squares(reduction, reduced, place, true[place], kept[place]) for place in range(len(true))]
        )
        classes, original = logits.argmax(1), reading.logits.argmax(1)
        right += torch.tensor([float((classes == original).sum()), float((classes == y).sum()),
                               float((original == y).sum())], dtype=torch.float64)  # fmt: skip
    count = bases.samples_heldout
    shares = (right / count).tolist() if count else [math.nan] * 3
    return Assessment(
        layers=tuple(_relative(row) for row in sums.tolist()), agreement=shares[0], accuracy=shares[1],
        accuracy_original=shares[2],
    )  # fmt: skip


def _run(reduced: Reduced, names: Sequence[str], start: Tensor) -> tuple[list[Tensor], Tensor]:
    """The kept features of every layer, and the logits."""
    network, kept = reduced.network, []
    *_, values = network.states(start)
    for name in names:
        layer = network.layers[name]
        assert isinstance(layer, DenseLayer)
        kept.append(layer(values))
    return kept, network.output.mapped(values)


def _squares(reduction: Reduction, reduced: Reduced, place: int, true: Tensor, kept: Tensor) -> Tensor:
    """Sums over samples: of the squared values, and of the three squared errors."""
    size, inverse = reduced.sizes[place], reduced.inverses[place]
    vectors = reduction.vectors[place][: size.rank]
    errors = (
        true,
        true - (true @ vectors.T) @ vectors,
        true - (true[:, reduced.selections[place].rows] @ inverse.T) @ vectors,
        true - (kept @ inverse.T) @ vectors,
    )
    return torch.stack([error.double().square().sum() for error in errors]).cpu()


def _relative(sums: Sequence[float]) -> LayerErrors:
    energy, *errors = sums
    projection, interpolation, propagated = (math.sqrt(error / energy) if energy else math.nan for error in errors)
    return LayerErrors(projection=projection, interpolation=interpolation, propagated=propagated)
