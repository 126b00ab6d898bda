"""What is seen of a network before its training and after each epoch.

Accuracy with and without attack, and of every weight matrix the effective rank and sparsity (Langenberg et al. 2019,
On the Effect of Low-Rank Weights on Adversarial Robustness of Neural Networks, Fig. 2 and 5); where they are asked for,
the bounds of the information in every layer (ibid., Fig. 2) and the share of its activations' energy in few directions
(Sanyal et al. 2020, Robustness via Deep Low-Rank Representations, Fig. 2). All on validation samples.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, final, get_args

import torch
from torch import Tensor, nn

from corank.attack import PGD
from corank.attack.budget import Budget, Norm
from corank.errors import InputError
from corank.linalg import information_bounds, matrix_norms
from corank.linalg.small_gram import descending_eigenpairs
from corank.measure import Batches
from corank.network import Reader, Weighted, evaluation_mode, weighted_layers
from corank.result import Result, Scalar
from corank.train import EpochEnd
from corank.train.evaluate import device_of

Quantity = Literal["weights", "information", "variance-ratios"]
NOISE_VARIANCE = 0.1  # as in section 5 of Langenberg et al.
DIRECTIONS = (1, 2, 5, 10, 20, 50, 100)
FILE = "watched.json"


@final
@dataclass(frozen=True, kw_only=True)
class Watch:
    """What is looked at.

    Args:
        quantities: "weights", "information" and "variance-ratios", each of all layers; accuracies are always seen.
        radius: of the attack; None takes the one trained on if that is in the same norm, else a twentieth of the range.
        norm: in which it is measured.
        steps: of the attack, projected gradient descent from one random start.
        images: that are attacked, at most.
        samples: whose activations are looked at, at most.

    Raises:
        InputError: an option out of its range.
    """

    quantities: tuple[Quantity, ...] = ("weights",)
    radius: float | None = None
    norm: Norm = "linf"
    steps: int = 10
    images: int = 500
    samples: int = 1000

    def __post_init__(self) -> None:
        for quantity in self.quantities:
            if quantity not in get_args(Quantity):
                raise InputError(f"what is watched must be of {', '.join(get_args(Quantity))}, got {quantity!r}")
        for name in ("steps", "images", "samples"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")
        Budget(norm=self.norm, radius=1.0 if self.radius is None else self.radius)


@dataclass(frozen=True, kw_only=True)
class WatchedWeights:
    """The norms of a weight matrix, as `corank.linalg.MatrixNorms` names them."""

    layer: str
    effective_rank: float
    effective_sparsity: float
    stable_rank: float
    spectral_norm: float


@dataclass(frozen=True, kw_only=True)
class WatchedInformation:
    """Bounds in nats of the information of a layer about the input and about the label."""

    layer: str
    input_low: float
    input_high: float
    label_low: float
    label_high: float


@dataclass(frozen=True, kw_only=True)
class WatchedRatios:
    """Shares of the energy of a layer's activations in its first 1, 2, 5, 10, ... directions."""

    layer: str
    shares: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class WatchedEpoch:
    """A network after so many epochs.

    Attributes:
        epoch: 0 before the training.
        clean_accuracy: share of the attacked samples that is classified rightly as they are.
        robust_accuracy: share that is so under attack.
        fooled: share of those classified rightly whose class the attack changes; None where none was.
        weights: of every weight matrix.
        information: of every layer, where it was asked for.
        variance_ratios: of every layer, where they were asked for.
    """

    epoch: int
    clean_accuracy: float
    robust_accuracy: float
    fooled: float | None
    weights: tuple[WatchedWeights, ...] = ()
    information: tuple[WatchedInformation, ...] = ()
    variance_ratios: tuple[WatchedRatios, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Watched(Result):
    """A training as it was watched.

    Attributes:
        rows: one before the training and one an epoch.
        radius, norm, steps: of the attack.
        images: that were attacked.
    """

    rows: tuple[WatchedEpoch, ...]
    radius: float
    norm: Norm
    steps: int
    images: int

    def row(self) -> dict[str, Scalar]:
        """The accuracies at the end."""
        last = self.rows[-1]
        return {"clean accuracy": last.clean_accuracy, "robust accuracy": last.robust_accuracy, "radius": self.radius}


class Watcher:
    """A callback of the fitting loop that looks at the network and keeps what it saw beside the checkpoint.

    Args:
        watch: what is looked at; its radius is given.
        plain: the network as it is at the moment.
        validation: batches of samples.
        bounds: of the inputs.
        folder: where what was seen is kept, so that a training that goes on knows it; None for nowhere.
    """

    def __init__(
        self,
        watch: Watch,
        plain: Callable[[], nn.Module],
        validation: Batches,
        bounds: tuple[float, float],
        folder: Path | None,
    ) -> None:
        assert watch.radius is not None
        self.watch, self.plain, self.bounds = watch, plain, bounds
        self.attack = PGD(radius=watch.radius, norm=watch.norm, steps=watch.steps)
        self.x, self.y = _samples(validation, max(watch.images, watch.samples))
        self.file = None if folder is None else folder / FILE
        self.rows: dict[int, WatchedEpoch] = {}
        if self.file is not None and self.file.is_file():
            self.rows = {row.epoch: row for row in _read(self.file)}

    def before(self) -> None:
        """Look at the network before the training, if that was not done."""
        if 0 not in self.rows:
            self._look(0)

    def __call__(self, end: EpochEnd) -> None:
        """Look at the network after an epoch."""
        self._look(end.epoch)

    def watched(self, epochs: int) -> Watched:
        """All that was seen up to an epoch."""
        assert self.watch.radius is not None
        rows = tuple(self.rows[epoch] for epoch in sorted(self.rows) if epoch <= epochs)
        return Watched(
            rows=rows, radius=self.watch.radius, norm=self.watch.norm, steps=self.watch.steps,
            images=min(self.watch.images, len(self.y)),
        )  # fmt: skip

    def _look(self, epoch: int) -> None:
        network = self.plain()
        with evaluation_mode(network):
            self.rows[epoch] = self._row(epoch, network)
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            aside = self.file.with_name(f"{self.file.name}.part")
            aside.write_text(json.dumps([asdict(row) for row in self.rows.values()]))
            aside.replace(self.file)

    def _row(self, epoch: int, network: nn.Module) -> WatchedEpoch:
        device = device_of(network)
        x, y = (part[: self.watch.images].to(device) for part in (self.x, self.y))
        found = self.attack.attack(network, x, y, bounds=self.bounds)
        wanted = self.watch.quantities
        reads = self._activations(network) if {"information", "variance-ratios"} & {*wanted} else {}
        return WatchedEpoch(
            epoch=epoch,
            clean_accuracy=found.accuracy_before,
            robust_accuracy=found.accuracy,
            fooled=found.fooled_of_right,
            weights=tuple(map(_weights, weighted_layers(network))) if "weights" in wanted else (),
            information=tuple(
                _information(layer, h, self.y[: len(h)]) for layer, h in reads.items() if "information" in wanted
            ),
            variance_ratios=tuple(_ratios(layer, h) for layer, h in reads.items() if "variance-ratios" in wanted),
        )

    def _activations(self, network: nn.Module) -> dict[str, Tensor]:
        """Of every hidden layer, a sample a row."""
        x = self.x[: self.watch.samples].to(device_of(network))
        reader = Reader(network, ["*"], x[:2])
        parts = [reader.read(part).activations for part in torch.split(x, 250)]
        return {label: torch.cat([part[label].flatten(1).float().cpu() for part in parts]) for label in parts[0]}


def _weights(weighted: Weighted) -> WatchedWeights:
    """The norms of a matrix; of one that a penalty made zero they are zero."""
    if not bool(weighted.matrix.any()):
        return WatchedWeights(
            layer=weighted.name, effective_rank=0.0, effective_sparsity=0.0, stable_rank=0.0, spectral_norm=0.0
        )
    norms = matrix_norms(weighted.matrix)
    return WatchedWeights(
        layer=weighted.name, effective_rank=norms.effective_rank, effective_sparsity=norms.effective_sparsity,
        stable_rank=norms.stable_rank, spectral_norm=norms.spectral,
    )  # fmt: skip


def _information(layer: str, h: Tensor, labels: Tensor) -> WatchedInformation:
    found = information_bounds(h, NOISE_VARIANCE, labels.cpu())
    assert found.label_lower is not None
    assert found.label_upper is not None
    return WatchedInformation(
        layer=layer, input_low=found.lower, input_high=found.upper, label_low=found.label_lower,
        label_high=found.label_upper,
    )  # fmt: skip


def _ratios(layer: str, h: Tensor) -> WatchedRatios:
    wide = h.double()
    gram = wide @ wide.T if len(wide) <= wide.shape[1] else wide.T @ wide
    squares = descending_eigenpairs(gram)[0]
    total = float(squares.sum())
    shares = (squares.cumsum(0) / total).tolist() if total > 0 else []
    known = [count for count in DIRECTIONS if count <= min(h.shape) and shares]
    return WatchedRatios(layer=layer, shares=tuple(min(1.0, shares[count - 1]) for count in known))


def _samples(validation: Batches, count: int) -> tuple[Tensor, Tensor]:
    """The first samples of the batches."""
    seen, parts = 0, []
    for x, y in validation:
        parts.append((x, y))
        seen += len(y)
        if seen >= count:
            break
    if not seen:
        raise InputError("there are no validation samples: give at least one")
    x, y = (torch.cat(column)[:count] for column in zip(*parts, strict=True))
    return x, y


def _read(file: Path) -> list[WatchedEpoch]:
    """What an interrupted training had seen.

    Raises:
        InputError: the file is damaged.
    """
    try:
        return [_epoch(row) for row in json.loads(file.read_text())]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{str(file)!r} is damaged ({error}): delete {str(file.parent)!r} to begin anew") from error


_KINDS = {"weights": WatchedWeights, "information": WatchedInformation, "variance_ratios": WatchedRatios}


def _epoch(row: dict[str, Any]) -> WatchedEpoch:
    parts: dict[str, Any] = {
        name: tuple(kind(**_tuples(item)) for item in row[name]) for name, kind in _KINDS.items() if name in row
    }
    return WatchedEpoch(**{**row, **parts})


def _tuples(item: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in item.items()}
