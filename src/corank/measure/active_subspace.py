"""Active subspaces of the loss gradient at hidden layers, and how many neurons are active there.

The covariance `C = E[g g^T]` of the per-sample loss gradients at a layer is streamed through Frequent Directions, all
layers in one pass over the data (Cui et al. 2020, Active Subspace of Neural Networks, sec. 3.2, 3.4, Alg. 3.2). Active
neurons are counted by energy (Def. 3.1) and by norm (eq. 3.9), each as a certified interval. Samples that stay out of
the sketch say whether there were enough of them, and a bootstrap how sure eigenvalues and subspace are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from corank.errors import InputError
from corank.linalg import FrequentDirections, bootstrap_subspace, count_energy, count_norm, energy_of
from corank.measure.base import Batches, Measurement
from corank.measure.labelling import Labelling, check_labelling
from corank.measure.layer_measure import LayerMeasure
from corank.measure.observing import LayerBatch, Needs, Observed, Observer, Passed, Skip
from corank.measure.response import Response, fit_response
from corank.result import Interval, Result, Scalar

ROWS_PER_DIRECTION = 4
BOOTSTRAPPED, MOST_REPLICATES = 50, 10_000
COORDINATES_PER_DIRECTION = 1.5


@dataclass(frozen=True, kw_only=True)
class ActiveNeurons:
    """The number of active neurons by both criteria, each as a certified interval for the sampled gradients."""

    energy: Interval
    norm: Interval


@dataclass(frozen=True, kw_only=True)
class ActiveLayer(Result):
    """The active subspace of the loss at one layer.

    Attributes:
        layer: the point that was measured.
        index: its number among the convolutions, None where it ends none.
        width: features of one sample there, n.
        samples: gradients in the sketch, m.
        sketch_size: rows of the sketch; the norm criterion counts among as many eigenvalues.
        active_neurons: by energy and by norm at `epsilon`.
        captured: share of the sketched gradient energy in the directions, by the sketch (a lower bound).
        captured_heldout: share of held-out gradient energy in the directions.
        captured_heldout_by_rank: the same for the first 1, 2, ... directions.
        eigenvalues: of the gradient covariance, leading ones, each at most `uncertainty` too small.
        uncertainty: the certificate's width for every eigenvalue.
        mean_squared_gradient: the exact trace of the covariance, `E |g|^2`.
        layout: how one sample's output became rows, in words.
        eigenvalues_low, eigenvalues_high: bootstrap interval (95 %) of each of the first fifty eigenvalues.
        subspace_error: bootstrap mean of the distance `|W W^T - W_b W_b^T|_2` for the first 1, 2, ... directions,
            at most fifty.
        mean_squared_along: `E |V_1^T g|^2` of held-out gradients, which is the sum of `eigenvalues` where the
            samples stand for all (Lemma 2.2).
        response: the loss as a polynomial of the first active variables (sec. 2.1); None where it cannot be fitted.
        variables: `(m, 2)` the first two active variables of held-out samples.
        variable_labels: `(m,)` their classes.
        directions: `(k, n)` orthonormal rows, the active subspace.
    """

    layer: str
    index: int | None
    width: int
    samples: int
    sketch_size: int
    active_neurons: ActiveNeurons
    captured: float
    captured_heldout: float
    captured_heldout_by_rank: tuple[float, ...]
    eigenvalues: tuple[float, ...]
    uncertainty: float
    mean_squared_gradient: float
    layout: str
    eigenvalues_low: tuple[float, ...]
    eigenvalues_high: tuple[float, ...]
    subspace_error: tuple[float, ...]
    mean_squared_along: float
    response: Response | None
    variables: Tensor = field(metadata={"json": False}, repr=False)
    variable_labels: Tensor = field(metadata={"json": False}, repr=False)
    directions: Tensor = field(metadata={"json": False}, repr=False)

    def row(self) -> dict[str, Scalar]:
        """Layer, width, both counts and the captured shares."""
        return {
            "layer": self.layer,
            "index": self.index,
            "width": self.width,
            "active by energy": str(self.active_neurons.energy),
            "active by norm": str(self.active_neurons.norm),
            "captured": self.captured,
            "captured held-out": self.captured_heldout,
        }


@dataclass(frozen=True, kw_only=True)
class ActiveSubspaces(Measurement):
    """The active subspaces of all measured layers, with what produced them."""

    layers: tuple[ActiveLayer, ...]
    rank: int
    epsilon: float
    samples: int
    samples_heldout: int
    loss: str
    layout: str
    precision: str
    skipped: tuple[Skip, ...] = ()

    def row(self) -> dict[str, Scalar]:
        """How many layers and samples."""
        return {"layers": len(self.layers), "samples": self.samples, "held-out": self.samples_heldout}


@final
@dataclass(frozen=True, kw_only=True)
class ActiveSubspace(LayerMeasure[ActiveLayer]):
    """Active subspace and active neurons at one layer, several, or all (`"*"`), in one pass.

    Args:
        rank: how many directions and eigenvalues are kept.
        sketch_size: rows of the sketch; None takes four times the rank, which slowly decaying spectra need.
        epsilon: share of the energy (or norm) that active neurons may miss.
        labels: what the gradients are gradients of: the cross entropy to the "true", the "predicted" or "sampled"
            labels (drawn from the softmax, so that the covariance is the Fisher information), or "logits".
        replicates: of the bootstrap; 0 for none.

    Raises:
        InputError: an option out of its range.

    Example:
        >>> from torch import nn
        >>> _ = torch.manual_seed(0)
        >>> net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> data = [(torch.randn(16, 6), torch.randint(3, (16,))) for _ in range(10)]
        >>> found = ActiveSubspace(layer="1", rank=2).measure(net, data).layers[0]
        >>> found.width, found.samples, found.directions.shape
        (8, 128, torch.Size([2, 8]))
    """

    rank: int = 50
    sketch_size: int | None = None
    epsilon: float = 0.05
    labels: Labelling = "true"
    replicates: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rank < 1:
            raise InputError(f"rank must be at least 1, got {self.rank}")
        if self.sketch_size is not None and self.sketch_size < self.rank:
            raise InputError(f"sketch_size must be at least the rank {self.rank}, got {self.sketch_size}")
        if not 0 < self.epsilon < 1:
            raise InputError(f"epsilon must lie between 0 and 1, got {self.epsilon}")
        if not 0 <= self.replicates <= MOST_REPLICATES:
            raise InputError(f"replicates must be between 0 and {MOST_REPLICATES}, got {self.replicates}")
        check_labelling(self.labels)

    def measure(self, network: nn.Module, batches: Batches) -> ActiveSubspaces:
        """Measure the wanted layers; see `Measure.measure`.

        Raises:
            InputError: an unknown layer, labels out of range, a gradient that is zero for all samples, not
                finite or does not reach a layer.
        """
        result = super().measure(network, batches)
        assert isinstance(result, ActiveSubspaces)
        return result

    def needs(self) -> Needs:
        """A sketch of the gradients."""
        return Needs(gradients=self.sketch_size or ROWS_PER_DIRECTION * self.rank, labels=self.labels)

    def observer(self, layer: Observed) -> Observer[ActiveLayer]:
        """Projects held-out gradients and activations on the directions."""
        return _Watching(self, layer)

    def conclude(self, layers: Sequence[ActiveLayer], passed: Passed) -> ActiveSubspaces:
        """All layers with what they were measured by."""
        return ActiveSubspaces(
            layers=tuple(layers), rank=self.rank, epsilon=self.epsilon, samples=passed.samples,
            samples_heldout=passed.samples_heldout, loss=passed.loss, layout=passed.layout,
            precision=passed.precision, skipped=passed.skipped,
        )  # fmt: skip


class _Watching(Observer[ActiveLayer]):
    """What the held-out samples of one layer say of its directions."""

    def __init__(self, options: ActiveSubspace, layer: Observed) -> None:
        self.options, self.layer = options, layer
        self.captured = torch.zeros(0, dtype=torch.float64)
        self.energy = 0.0
        self.rows = 0
        self.variables: list[Tensor] = []
        self.losses: list[Tensor] = []
        self.classes: list[Tensor] = []

    def update_heldout(self, batch: LayerBatch) -> None:
        """Gradient energy along the directions; active variables and losses of the samples."""
        directions = self._directions()
        if batch.gradients is None or not len(directions):
            return
        gradients = batch.gradients.to(directions.dtype)
        along = (gradients @ directions.T).double().square().sum(0).cpu()
        self.captured = along + (self.captured if len(self.captured) else 0)
        self.energy += energy_of(gradients)
        self.rows += len(gradients)
        self.variables.append((batch.activations.to(directions.dtype) @ directions.T).cpu())
        repeats = len(batch.activations) // max(len(batch.labels), 1)
        self.classes.append(batch.labels.cpu().repeat_interleave(repeats))
        if batch.losses is not None:
            self.losses.append(batch.losses.cpu().repeat_interleave(repeats))

    def result(self) -> ActiveLayer:
        """Counts, eigenvalues and directions with what is known of their errors."""
        sketch, label = self.layer.gradients, self.layer.point.label
        assert sketch is not None
        if sketch.energy == 0:
            raise InputError(f"the gradient at layer {label!r} is zero for all {sketch.rows_seen} samples")
        if not len(sketch.eigenvalues):
            raise InputError(
                f"no direction of the gradients at layer {label!r} stands out of a sketch of {sketch.size} rows: "
                "give a larger sketch_size"
            )
        rank, squares, rows = self.options.rank, sketch.eigenvalues, sketch.rows_seen
        low, high, error = self._bootstrapped(sketch)
        shares = (self.captured.cumsum(0) / self.energy).clamp(max=1).tolist() if self.energy else []
        variables = torch.cat(self.variables) if self.variables else torch.zeros(0, len(self._directions()))
        return ActiveLayer(
            layer=label,
            index=self.layer.point.index,
            width=sketch.features,
            samples=rows,
            sketch_size=sketch.size,
            active_neurons=self._counts(sketch),
            captured=min(1.0, float(squares[:rank].sum()) / sketch.energy),
            captured_heldout=shares[-1] if shares else math.nan,
            captured_heldout_by_rank=tuple(shares),
            eigenvalues=tuple((squares[:rank] / rows).tolist()),
            uncertainty=sketch.shrinkage / rows,
            mean_squared_gradient=sketch.energy / rows,
            layout=self.layer.layout,
            eigenvalues_low=low,
            eigenvalues_high=high,
            subspace_error=error,
            mean_squared_along=float(self.captured.sum()) / self.rows if self.rows else math.nan,
            response=self._response(sketch, variables),
            variables=variables[:, :2],
            variable_labels=torch.cat(self.classes) if self.classes else torch.zeros(0, dtype=torch.int64),
            directions=self._directions().clone(),  # a view would keep all of the sketch's
        )

    def _directions(self) -> Tensor:
        assert self.layer.gradients is not None
        return self.layer.gradients.right_vectors[: self.options.rank]

    def _counts(self, sketch: FrequentDirections) -> ActiveNeurons:
        squares, epsilon = sketch.eigenvalues, self.options.epsilon
        among = functional.pad(squares, (0, min(sketch.size, sketch.features) - len(squares)))
        return ActiveNeurons(
            energy=count_energy(squares, sketch.shrinkage, sketch.energy, epsilon),
            norm=count_norm(among, sketch.shrinkage, epsilon),
        )

    def _bootstrapped(
        self, sketch: FrequentDirections
    ) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
        """Intervals of the eigenvalues and the mean error of the subspaces, where a bootstrap is wanted."""
        if not self.options.replicates:
            return (), (), ()
        coordinates = sketch.coordinates
        rank = min(self.options.rank, BOOTSTRAPPED, coordinates.shape[1])
        found = bootstrap_subspace(
            coordinates,
            rank,
            replicates=self.options.replicates,
            leading=min(coordinates.shape[1], math.ceil(COORDINATES_PER_DIRECTION * rank)),
            generator=torch.Generator().manual_seed(self.layer.seed),
        )
        low, high = found.eigenvalue_intervals.T.tolist()
        return tuple(low), tuple(high), tuple(found.distance_mean.tolist())

    def _response(self, sketch: FrequentDirections, variables: Tensor) -> Response | None:
        losses = torch.cat(self.losses) if self.losses else torch.zeros(0)
        leading = sketch.eigenvalues.cumsum(0)
        return fit_response(
            variables, losses, lambda used: max(0.0, sketch.energy - float(leading[used - 1])) / sketch.rows_seen
        )
