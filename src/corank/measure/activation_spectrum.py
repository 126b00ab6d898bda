"""Spectra of the activations of hidden layers: how many directions the data use there, of each class too.

The singular values of the activation matrix are streamed (Sanyal et al. 2020, Robustness via Deep Low-Rank
Representations, sec. 3; Daulbaev's thesis, sec. 5.4.1), uncentred or centred. The first direction of each class (App. B
there: the inverse stable rank of the class's activations) is exact for the held-out samples, from their inner products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from corank.errors import InputError
from corank.linalg import centred, count_energy
from corank.measure.active_subspace import ROWS_PER_DIRECTION
from corank.measure.base import Batches, Measurement
from corank.measure.layer_measure import LayerMeasure
from corank.measure.observing import LayerBatch, Needs, Observed, Observer, Passed, Skip
from corank.result import Interval, Result, Scalar

ROUNDING = 1e-6  # of an inner product in float32, relative to the largest


@dataclass(frozen=True, kw_only=True)
class ActivationLayer(Result):
    """The activation spectrum of one layer.

    Attributes:
        layer: the point that was measured.
        index: its number among the convolutions, None where it ends none.
        width: features of one row, n.
        samples: rows in the sketch.
        singular_values: of the activation matrix over the square root of its rows, leading ones.
        uncertainty: every squared singular value is at most so much too small.
        mean_squared_activation: the exact sum of all squares, `E |h|^2` (centred: the variance).
        variance_ratios: share of the sum in the first 1, 2, ... directions.
        directions_needed: how many carry `1 - epsilon` of the sum, certified.
        captured_heldout_by_rank: share of held-out energy in the first 1, 2, ... directions.
        class_variance_ratios: for each class, the share that the first direction of its own held-out activations
            carries (centred: about the mean of the class); None where that is 0 of 0, or no sample was held out.
        components: `(m, 2)` held-out samples along their first two principal components, for a picture.
        component_labels: `(m,)` their classes.
        directions: `(k, n)` orthonormal rows.
    """

    layer: str
    index: int | None
    width: int
    samples: int
    singular_values: tuple[float, ...]
    uncertainty: float
    mean_squared_activation: float
    variance_ratios: tuple[float, ...]
    directions_needed: Interval
    captured_heldout_by_rank: tuple[float, ...]
    class_variance_ratios: tuple[float | None, ...]
    components: Tensor = field(metadata={"json": False}, repr=False)
    component_labels: Tensor = field(metadata={"json": False}, repr=False)
    directions: Tensor = field(metadata={"json": False}, repr=False)

    def row(self) -> dict[str, Scalar]:
        """Layer, width, directions needed, first variance ratio."""
        return {
            "layer": self.layer,
            "width": self.width,
            "directions needed": str(self.directions_needed),
            "first direction": self.variance_ratios[0],
        }


@dataclass(frozen=True, kw_only=True)
class ActivationSpectra(Measurement):
    """The activation spectra of all measured layers."""

    layers: tuple[ActivationLayer, ...]
    centred: bool
    epsilon: float
    samples: int
    samples_heldout: int
    layout: str
    skipped: tuple[Skip, ...] = ()

    def row(self) -> dict[str, Scalar]:
        """How many layers and samples."""
        return {"layers": len(self.layers), "samples": self.samples}


@final
@dataclass(frozen=True, kw_only=True)
class ActivationSpectrum(LayerMeasure[ActivationLayer]):
    """How the energy of activations, or their variance, spreads over directions.

    Every squared singular value is certified up to `uncertainty`: by what the sketch took away and, where rows are
    centred afterwards, by the smallest that it kept. Class-wise shares and the picture take whole samples, also
    where tokens are kept apart.

    Args:
        rank: how many directions and singular values are kept.
        centred: about the mean of all measured rows.
        epsilon: share of the energy that the directions needed may miss.
        sketch_size: rows of the sketch; None takes four times the rank, which slowly decaying spectra need.

    Raises:
        InputError: an option out of its range.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> data = [(torch.randn(16, 6), torch.randint(3, (16,))) for _ in range(10)]
        >>> found = ActivationSpectrum(layer="1", rank=8).measure(net, data).layers[0]
        >>> found.width, len(found.singular_values), round(found.variance_ratios[-1], 6)
        (8, 8, 1.0)
    """

    rank: int = 50
    centred: bool = False
    epsilon: float = 0.05
    sketch_size: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rank < 1:
            raise InputError(f"rank must be at least 1, got {self.rank}")
        if not 0 < self.epsilon < 1:
            raise InputError(f"epsilon must lie between 0 and 1, got {self.epsilon}")
        if self.sketch_size is not None and self.sketch_size < self.rank:
            raise InputError(f"sketch_size must be at least the rank {self.rank}, got {self.sketch_size}")

    def measure(self, network: nn.Module, batches: Batches) -> ActivationSpectra:
        """Measure the wanted layers; see `Measure.measure`."""
        result = super().measure(network, batches)
        assert isinstance(result, ActivationSpectra)
        return result

    def needs(self) -> Needs:
        """A sketch, and held-out samples."""
        return Needs(activations=self.sketch_size or ROWS_PER_DIRECTION * self.rank, heldout=True)

    def observer(self, layer: Observed) -> Observer[ActivationLayer]:
        """One for a layer."""
        return _Spectrum(layer, self)

    def conclude(self, layers: Sequence[ActivationLayer], passed: Passed) -> ActivationSpectra:
        """All layers together."""
        return ActivationSpectra(
            layers=tuple(layers),
            centred=self.centred,
            epsilon=self.epsilon,
            samples=passed.samples,
            samples_heldout=passed.samples_heldout,
            layout=passed.layout,
            skipped=passed.skipped,
        )


@dataclass(frozen=True)
class _Energies:
    """The energy of the rows by direction: leading eigenvalues, how much too small they may be, their exact sum.

    `mean` is what the rows were centred about.
    """

    eigenvalues: Tensor
    directions: Tensor
    uncertainty: float
    total: float
    mean: Tensor | None


class _Spectrum(Observer[ActivationLayer]):
    """Reads a layer's sketch when all rows are in it; keeps their sum, where they are to be centred."""

    def __init__(self, layer: Observed, options: ActivationSpectrum) -> None:
        self.layer = layer
        self.options = options
        self.sum: Tensor | None = None

    def update(self, batch: LayerBatch) -> None:
        if self.options.centred:
            rows = batch.activations
            total = rows.sum(0, dtype=torch.promote_types(rows.dtype, torch.float32)).to(torch.float64)
            self.sum = total if self.sum is None else self.sum + total

    def result(self) -> ActivationLayer:
        sketch, options, label = self.layer.activations, self.options, self.layer.point.label
        assert sketch is not None
        if sketch.energy == 0:
            raise InputError(f"the activations at layer {label!r} are zero for all {sketch.rows_seen} rows")
        energies = self._energies()
        if not len(energies.eigenvalues):
            raise InputError(
                f"no direction of the activations at layer {label!r} stands out of a sketch of {sketch.size} rows: "
                "give a larger sketch_size, unless all rows are the same"
            )
        leading = energies.eigenvalues[: options.rank]
        directions = energies.directions[: options.rank]
        labels = torch.cat([torch.zeros(0, dtype=torch.long), *(y.cpu() for y in self.layer.heldout_labels)])
        return ActivationLayer(
            layer=label,
            index=self.layer.point.index,
            width=self.layer.features,
            samples=sketch.rows_seen,
            singular_values=tuple((leading / sketch.rows_seen).sqrt().tolist()),
            uncertainty=energies.uncertainty / sketch.rows_seen,
            mean_squared_activation=energies.total / sketch.rows_seen,
            variance_ratios=tuple((leading.cumsum(0) / energies.total).clamp(max=1).tolist()),
            directions_needed=count_energy(energies.eigenvalues, energies.uncertainty, energies.total, options.epsilon),
            captured_heldout_by_rank=self._captured_heldout(directions, energies.mean),
            class_variance_ratios=self._of_classes(labels),
            components=self._components(),
            component_labels=labels,
            directions=directions.clone(),  # a view would keep all of the sketch's
        )

    def _energies(self) -> _Energies:
        sketch = self.layer.activations
        assert sketch is not None
        if self.sum is None:
            return _Energies(sketch.eigenvalues, sketch.right_vectors, sketch.shrinkage, sketch.energy, None)
        mean = self.sum / sketch.rows_seen
        values, directions = centred(sketch.singular_values, sketch.right_vectors, mean, sketch.rows_seen)
        is_full = len(sketch.eigenvalues) == sketch.size
        left_behind = float(sketch.eigenvalues[-1]) if is_full else 0.0
        total = sketch.energy - sketch.rows_seen * float(mean.square().sum())
        return _Energies(values.square(), directions, sketch.shrinkage + left_behind, total, mean)

    def _captured_heldout(self, directions: Tensor, mean: Tensor | None) -> tuple[float, ...]:
        """The share of the held-out energy in the first 1, 2, ... directions; nothing where there is none."""
        along, energy = torch.zeros(len(directions), dtype=torch.float64), 0.0
        for batch in self.layer.heldout:
            rows = batch.to(directions.dtype)
            rows = rows if mean is None else rows - mean.to(directions.dtype)
            along += (rows @ directions.T).to(torch.float64).square().sum(0).cpu()
            energy += float(torch.linalg.vector_norm(rows, dim=1).to(torch.float64).square().sum())
        return tuple((along.cumsum(0) / energy).clamp(max=1).tolist()) if energy else ()

    def _of_classes(self, labels: Tensor) -> tuple[float | None, ...]:
        """The share that the first direction of the samples of every class carries."""
        ratios: list[float | None] = [None] * self.layer.classes
        if not self.layer.heldout:
            return tuple(ratios)
        gram = self.layer.heldout_gram
        products = gram.centred if self.options.centred else gram.uncentred
        least = ROUNDING * float(gram.uncentred.diagonal().max())
        for number in sorted(set(labels.tolist())):
            members = labels == number
            own = products[members][:, members]
            if self.options.centred:
                own = own - own.mean(0) - own.mean(1, keepdim=True) + own.mean()
            energy = float(own.trace())
            if energy > len(own) * least:
                ratios[number] = min(1.0, float(torch.linalg.eigvalsh(own)[-1]) / energy)
        return tuple(ratios)

    def _components(self) -> Tensor:
        """Held-out samples along their first two principal components; zeros where there are fewer."""
        if not self.layer.heldout:
            return torch.zeros(0, 2)
        leading = self.layer.heldout_gram.coordinates[:, :2]
        return functional.pad(leading, (0, 2 - leading.shape[1])).to(torch.float32)
