"""Active subspaces of all wanted layers of a teacher, found in one pass and shared by the figures that show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import sqrt
from typing import Any

import torch
from torch import Tensor

from corank.experiment.bench import Bench, Teacher, Wanted
from corank.experiment.recipe import Cell, digest
from corank.linalg import count_norm
from corank.measure import ActiveLayer, ActiveSubspace
from corank.zoo import Batches

BATCH_SIZE = 64
EPSILON = 0.05  # share of the norm that active neurons may miss, in all experiments of the paper


@dataclass(frozen=True, kw_only=True)
class Measuring:
    """Under which circumstances gradients are measured.

    Attributes:
        network: the teacher, a name of the zoo.
        data: it learnt.
        teacher_epochs: of its training; None takes a weights file.
        gradients: how many are sketched.
        directions: how many are kept, among whose singular values active neurons are counted.
        sketch_size: rows of the sketch; None takes four times the directions.
        layers: that are measured in one pass, by number.
    """

    network: str
    data: str
    teacher_epochs: int | None = field(default=None, metadata={"none": "those of a weights file"})
    gradients: int | None = field(default=None, metadata={"none": "all"})
    directions: int = 200
    sketch_size: int | None = field(default=None, metadata={"none": "four times the directions"})
    layers: tuple[int, ...]

    def teacher(self, bench: Bench) -> Teacher:
        """The teacher on its data."""
        return bench.teacher(
            Wanted(
                network=self.network, data=self.data, epochs=self.teacher_epochs, train_images=None, test_images=1_000
            )
        )


def spectrum(cell: Cell[Measuring], bench: Bench) -> dict[str, Any]:
    """What is known of the gradients at the layer of a cell.

    Returns:
        `features` of the layer; `active_neurons` by norm (eq. 3.9), the middle of the certified interval, and its ends;
        `singular_values` of the matrix of gradients; `distance_1` and `distance_2`, how far the first two active
        variables of held-out samples are from a normal distribution (see `distance_to_normal`).
    """
    options = cell.options
    key = f"asnet/spectra/{options.network}-{options.data}-{digest(asdict(options))}/seed-{cell.seed}"
    found = bench.store.once(key, lambda: _measured(options, options.teacher(bench), cell.seed))
    return next(dict(row) for row in found["layers"] if row["layer"] == cell.axes["layer"])


def distance_to_normal(values: Tensor) -> float:
    """The largest distance between the distribution of values and the normal one of their mean and deviation.

    Example:
        >>> normal = torch.distributions.Normal(3.0, 2.0).icdf((torch.arange(1000) + 0.5) / 1000)
        >>> round(distance_to_normal(normal), 2), round(distance_to_normal((normal > 3).double()), 2)
        (0.0, 0.34)
    """
    ordered = values.double().sort().values
    fitted = torch.special.ndtr((ordered - ordered.mean()) / ordered.std())
    steps = torch.arange(len(ordered) + 1, dtype=torch.float64) / len(ordered)
    return float(torch.maximum(fitted - steps[:-1], steps[1:] - fitted).max())


def _measured(options: Measuring, teacher: Teacher, seed: int) -> Mapping[str, Any]:
    measure = ActiveSubspace(
        layer=options.layers, rank=options.directions, sketch_size=options.sketch_size, samples=options.gradients,
        replicates=0, seed=seed,
    )  # fmt: skip
    batches = Batches(teacher.data.train, BATCH_SIZE, shuffle=True, seed=seed)
    return {"layers": [_described(layer) for layer in measure.measure(teacher.network, batches).layers]}


def _described(layer: ActiveLayer) -> dict[str, Any]:
    active = count_norm(torch.tensor(layer.eigenvalues, dtype=torch.float64), layer.uncertainty, EPSILON)
    assert active.low is not None
    assert active.high is not None
    return {
        "layer": layer.index,
        "features": layer.width,
        "active_neurons": (active.low + active.high) / 2,
        "active_neurons_low": active.low,
        "active_neurons_high": active.high,
        "captured_heldout": layer.captured_heldout,
        "singular_values": [sqrt(value * layer.samples) for value in layer.eigenvalues],
        **{f"distance_{place + 1}": distance_to_normal(layer.variables[:, place]) for place in range(2)},
    }
