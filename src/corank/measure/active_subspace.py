"""Active subspaces of the loss gradient at hidden layers, and how many neurons are active there.

The covariance `C = E[g g^T]` of the per-sample loss gradients at a layer is streamed through Frequent
Directions, all layers in one pass over the data (Cui et al. 2020, sec. 3.2 and 3.4, Alg. 3.2). Active
neurons are counted by energy (Def. 3.1) and by norm (eq. 3.9), each as a certified interval. Every fifth sample
stays out of the sketch, up to a thousand: the share of their gradient energy that the directions capture says
whether the samples were enough.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from corank.errors import InputError
from corank.linalg import FrequentDirections, count_energy, count_norm
from corank.measure.base import Batches, Measure, Measurement, first_batch, taking
from corank.measure.heldout import HeldOut
from corank.network import Layer, Point, Reader
from corank.result import Interval, Result, Scalar

ROWS_PER_DIRECTION = 4


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
    loss: str = "cross entropy to the true labels, network in evaluation mode"

    def row(self) -> dict[str, Scalar]:
        """How many layers and samples."""
        return {"layers": len(self.layers), "samples": self.samples, "held-out": self.samples_heldout}


@final
@dataclass(frozen=True, kw_only=True)
class ActiveSubspace(Measure):
    """Active subspace and active neurons at one layer, several, or all (`"*"`), in one pass.

    Args:
        layer: a name, a glob, a convolution's number, `"*"`, or a tuple of these.
        rank: how many directions and eigenvalues are kept.
        samples: how many gradients go into the sketch; None takes all data.
        sketch_size: rows of the sketch; None takes four times the rank, which slowly decaying spectra need.
        epsilon: share of the energy (or norm) that active neurons may miss.

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

    layer: Layer | tuple[Layer, ...] = "*"
    rank: int = 50
    samples: int | None = None
    sketch_size: int | None = None
    epsilon: float = 0.05

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise InputError(f"rank must be at least 1, got {self.rank}")
        if self.samples is not None and self.samples < 1:
            raise InputError(f"samples must be at least 1, got {self.samples}")
        if self.sketch_size is not None and self.sketch_size < self.rank:
            raise InputError(f"sketch_size must be at least the rank {self.rank}, got {self.sketch_size}")
        if not 0 < self.epsilon < 1:
            raise InputError(f"epsilon must lie between 0 and 1, got {self.epsilon}")

    def measure(self, network: nn.Module, batches: Batches) -> ActiveSubspaces:
        """Measure the wanted layers; see `Measure.measure`.

        Raises:
            InputError: an unknown layer, labels out of range, a gradient that is zero for all samples, not
                finite or does not reach a layer.
        """
        result = super().measure(network, batches)
        assert isinstance(result, ActiveSubspaces)
        return result

    def _measure(self, network: nn.Module, batches: Batches) -> ActiveSubspaces:
        wanted = self.layer if isinstance(self.layer, str | int) else list(self.layer)
        first, _ = first_batch(batches)
        reader = Reader(network, wanted, first)
        sketches: dict[str, FrequentDirections] = {}
        heldout = HeldOut()
        for number, x, y in self._limited(batches, heldout):
            with taking(number, x, first):
                gradients = _gradients(reader, x, y, f"batch {number}")
            for label, gradient in gradients.items():
                rows = gradient.flatten(1)
                if label not in sketches:
                    sketches[label] = self._sketch(rows)
                sketches[label].update(rows)
        for label, sketch in sketches.items():
            if sketch.energy == 0:
                raise InputError(f"the gradient at layer {label!r} is zero for all {sketch.rows_seen} samples")
            if not len(sketch.eigenvalues):
                raise InputError(
                    f"no direction of the gradients at layer {label!r} stands out of a sketch of {sketch.size} rows: "
                    "give a larger sketch_size"
                )
        shares = self._captured_heldout(reader, sketches, heldout, batch_size=len(first))
        return ActiveSubspaces(
            layers=tuple(self._layer(point, sketches[point.label], shares[point.label]) for point in reader.points),
            rank=self.rank,
            epsilon=self.epsilon,
            samples=next(iter(sketches.values())).rows_seen,
            samples_heldout=heldout.count,
        )

    def _limited(self, batches: Batches, heldout: HeldOut) -> Iterator[tuple[int, Tensor, Tensor]]:
        """The numbered batches of the sketch, until it has its samples; held-out samples go aside."""
        left = math.inf if self.samples is None else self.samples
        for number, (x, y) in enumerate(batches):
            x, y = heldout.take(x, y)
            if len(x):
                size = int(min(left, len(x)))
                yield number, x[:size], y[:size]
                left -= size
            if left <= 0:
                return

    def _sketch(self, rows: Tensor) -> FrequentDirections:
        """An empty sketch; one more row than features makes it exact."""
        features = rows.shape[1]
        size = min(self.sketch_size or ROWS_PER_DIRECTION * self.rank, features + 1)
        dtype = rows.dtype if rows.dtype == torch.float64 else torch.float32
        return FrequentDirections(size, features, dtype=dtype, device=rows.device)

    def _captured_heldout(
        self, reader: Reader, sketches: dict[str, FrequentDirections], heldout: HeldOut, batch_size: int
    ) -> dict[str, tuple[float, ...]]:
        """The share of held-out gradient energy in the first 1, 2, ... directions of every layer."""
        directions = {label: sketch.right_vectors[: self.rank] for label, sketch in sketches.items()}
        captured = {label: torch.zeros(len(vectors), dtype=torch.float64) for label, vectors in directions.items()}
        energy = dict.fromkeys(sketches, 0.0)
        for named, x, y in heldout.merged(batch_size):
            for label, gradient in _gradients(reader, x, y, named).items():
                rows = gradient.flatten(1).to(directions[label].dtype)
                captured[label] += (rows @ directions[label].T).double().square().sum(0).cpu()
                energy[label] += float(rows.double().square().sum())
        return {
            label: tuple((values.cumsum(0) / energy[label]).clamp(max=1).tolist()) if energy[label] else ()
            for label, values in captured.items()
        }

    def _layer(self, point: Point, sketch: FrequentDirections, heldout: tuple[float, ...]) -> ActiveLayer:
        squares = sketch.eigenvalues
        among = functional.pad(squares, (0, min(sketch.size, sketch.features) - len(squares)))
        return ActiveLayer(
            layer=point.label,
            index=point.index,
            width=sketch.features,
            samples=sketch.rows_seen,
            sketch_size=sketch.size,
            active_neurons=ActiveNeurons(
                energy=count_energy(squares, sketch.shrinkage, sketch.energy, self.epsilon),
                norm=count_norm(among, sketch.shrinkage, self.epsilon),
            ),
            captured=min(1.0, float(squares[: self.rank].sum()) / sketch.energy),
            captured_heldout=heldout[-1] if heldout else math.nan,
            captured_heldout_by_rank=heldout,
            eigenvalues=tuple((squares[: self.rank] / sketch.rows_seen).tolist()),
            uncertainty=sketch.shrinkage / sketch.rows_seen,
            mean_squared_gradient=sketch.energy / sketch.rows_seen,
            directions=sketch.right_vectors[: self.rank],
        )


def _gradients(reader: Reader, x: Tensor, y: Tensor, where: str) -> dict[str, Tensor]:
    """The gradient of every sample's cross entropy at the points."""

    def loss(logits: Tensor) -> Tensor:
        if logits.ndim != 2:
            raise InputError(f"the network must return logits (B, classes), got shape {tuple(logits.shape)}")
        if y.ndim != 1 or y.is_floating_point():
            raise InputError(f"labels must be whole numbers of shape (B,), got {y.dtype} of shape {tuple(y.shape)}")
        if len(y) and not 0 <= int(y.min()) <= int(y.max()) < logits.shape[1]:
            wrong = y[(y < 0) | (y >= logits.shape[1])][0]
            raise InputError(f"label {int(wrong)} is outside 0 .. {logits.shape[1] - 1}")
        return functional.cross_entropy(logits, y.long(), reduction="none")

    try:
        return reader.gradients(x, loss)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
