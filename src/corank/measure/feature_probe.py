"""How far a linear classifier gets from a layer: on all its features, on active directions, on principal ones.

Logistic regression on the features of a layer and on a few directions of it (Cui et al. 2020, Active Subspace of Neural
Networks, sec. 5.1.2 and Fig. 5b), cross-validated on samples that took no part in finding the directions. That on
all n features is exact and yet never sees them: with an l2 penalty the weights lie in the span of the m samples (the
representer theorem), so m coordinates give the same classifier.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.measure.base import Batches, Measurement
from corank.measure.layer_measure import LayerMeasure
from corank.measure.observing import LayerBatch, Needs, Observed, Observer, Passed, Skip
from corank.result import Result, Scalar

ROWS_PER_DIRECTION = 2
STEPS = 1000  # of the solver; none of VGG-19's layers needs a tenth of it


@dataclass(frozen=True, kw_only=True)
class ProbeLayer(Result):
    """What linear classifiers reach from one layer.

    Attributes:
        layer: the point that was measured.
        index: its number among the convolutions, None where it ends none.
        width: features of one sample.
        samples: held-out samples that the classifiers were cross-validated on.
        samples_left_out: those of classes with fewer samples than folds.
        rank: directions wanted; there may be fewer gradient or activation directions.
        all_features: accuracy from all features.
        active: accuracy from the leading directions of the loss gradient.
        principal: accuracy from the leading directions of the activations.
        network: the network's own accuracy on the same samples.
        chance: accuracy of always naming the most frequent class.
        converged: whether every fit reached its tolerance.
    """

    layer: str
    index: int | None
    width: int
    samples: int
    samples_left_out: int
    rank: int
    all_features: float
    active: float
    principal: float
    network: float
    chance: float
    converged: bool

    def row(self) -> dict[str, Scalar]:
        """Layer and the accuracies."""
        return {
            "layer": self.layer, "all features": self.all_features, "active": self.active,
            "principal": self.principal, "network": self.network,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FeatureProbes(Measurement):
    """The linear classifiers of all measured layers; options as they were given."""

    layers: tuple[ProbeLayer, ...]
    samples: int
    folds: int
    ridge: float
    skipped: tuple[Skip, ...] = ()

    def row(self) -> dict[str, Scalar]:
        """How many layers and samples."""
        return {"layers": len(self.layers), "samples": self.samples}


@final
@dataclass(frozen=True, kw_only=True)
class FeatureProbe(LayerMeasure[ProbeLayer]):
    """Logistic regression from a layer: on all features, on active and on principal directions.

    Each of the three sets of features is centred and scaled by one number, such that the mean squared norm of a row
    is 1; the fits minimise `mean cross entropy + ridge / 2 |W|^2`, the intercept free. Active directions are those of
    the loss gradients that the pass measures (in a survey those of its `labels`, else of the cross entropy to the true
    labels), principal ones those of the activation matrix, uncentred.
    Where tokens are kept apart, those of a sample are joined again after they were projected.

    Args:
        rank: directions of each kind.
        folds: of the stratified cross-validation; classes with fewer held-out samples are left out, and counted.
        ridge: weight of the penalty.
        sketch_size: rows of the sketches; None takes twice the rank.

    Raises:
        InputError: an option out of its range.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> x = torch.randn(300, 6)
        >>> data = list(zip(x.split(50), (x[:, 0] > 0).long().split(50)))
        >>> found = FeatureProbe(layer="1", rank=2).measure(net, data).layers[0]
        >>> found.samples, found.all_features > 0.8, found.converged
        (60, True, True)
    """

    rank: int = 50
    folds: int = 5
    ridge: float = 1e-3
    sketch_size: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rank < 1:
            raise InputError(f"rank must be at least 1, got {self.rank}")
        if self.sketch_size is not None and self.sketch_size < self.rank:
            raise InputError(f"sketch_size must be at least the rank {self.rank}, got {self.sketch_size}")
        if self.folds < 2:
            raise InputError(f"folds must be at least 2, got {self.folds}")
        if not (self.ridge > 0 and math.isfinite(self.ridge)):
            raise InputError(f"ridge must be positive and finite, got {self.ridge}")

    def measure(self, network: nn.Module, batches: Batches) -> FeatureProbes:
        """Measure the wanted layers; see `Measure.measure`."""
        result = super().measure(network, batches)
        assert isinstance(result, FeatureProbes)
        return result

    def needs(self) -> Needs:
        """Both sketches, and held-out samples."""
        rows = self.sketch_size or ROWS_PER_DIRECTION * self.rank
        return Needs(gradients=rows, activations=rows, heldout=True)

    def observer(self, layer: Observed) -> Observer[ProbeLayer]:
        """One for a layer."""
        return _Probed(layer, self)

    def conclude(self, layers: Sequence[ProbeLayer], passed: Passed) -> FeatureProbes:
        """All layers together."""
        return FeatureProbes(
            layers=tuple(layers),
            samples=layers[0].samples,
            folds=self.folds,
            ridge=self.ridge,
            skipped=passed.skipped,
        )


class _Probed(Observer[ProbeLayer]):
    """Keeps what the network said of the held-out samples of a layer; fits when all are there."""

    def __init__(self, layer: Observed, options: FeatureProbe) -> None:
        self.layer = layer
        self.options = options
        self.predictions: list[Tensor] = []

    def update_heldout(self, batch: LayerBatch) -> None:
        self.predictions.append(batch.logits.argmax(1).cpu())

    def result(self) -> ProbeLayer:
        gram = self.layer.heldout_gram
        labels = torch.cat(self.layer.heldout_labels).cpu().numpy()
        kept = _in_large_classes(labels, self.options.folds)
        truth = labels[kept]
        probes = [
            cross_validated(features[kept], truth, self.options)
            for features in (
                gram.coordinates.numpy(),
                self._along(self._directions("gradients")),
                self._along(self._directions("activations")),
            )
        ]
        return ProbeLayer(
            layer=self.layer.point.label,
            index=self.layer.point.index,
            width=gram.width,
            samples=len(truth),
            samples_left_out=len(labels) - len(truth),
            rank=self.options.rank,
            all_features=probes[0].accuracy,
            active=probes[1].accuracy,
            principal=probes[2].accuracy,
            network=float((torch.cat(self.predictions).numpy()[kept] == truth).mean()),
            chance=float(np.bincount(truth).max() / len(truth)),
            converged=all(probe.converged for probe in probes),
        )

    def _directions(self, kind: str) -> Tensor:
        """`(k, n)` the leading directions of a sketch."""
        sketch = getattr(self.layer, kind)
        vectors: Tensor = sketch.right_vectors[: self.options.rank]
        if not len(vectors):
            raise InputError(f"the {kind} at layer {self.layer.point.label!r} have no direction: they are all zero")
        return vectors

    def _along(self, directions: Tensor) -> np.ndarray:
        """The coordinates of the held-out samples along directions, those of a sample's tokens side by side."""
        coordinates = [
            (rows.to(directions.dtype) @ directions.T).reshape(len(labels), -1)
            for rows, labels in zip(self.layer.heldout, self.layer.heldout_labels, strict=True)
        ]
        return torch.cat(coordinates).double().cpu().numpy()


@dataclass(frozen=True)
class Probe:
    """The share of right answers of a cross-validated classifier, and whether all its fits converged."""

    accuracy: float
    converged: bool


def cross_validated(features: np.ndarray, labels: np.ndarray, options: FeatureProbe) -> Probe:
    """Logistic regression on some samples, tested on the others, fold by fold.

    Args:
        features: `(m, k)`; only their inner products matter.
        labels: `(m,)`, each class at least as often as there are folds.
        options: folds, ridge and the seed of the folds.
    """
    # imported here: scikit-learn takes longer to import than many a command to run
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold

    scaled = features - features.mean(0)
    scaled /= np.sqrt(np.square(scaled).sum(1).mean()) or 1.0
    right, converged = 0, True
    folds = StratifiedKFold(options.folds, shuffle=True, random_state=options.seed)
    for train, test in folds.split(scaled, labels):
        classifier = LogisticRegression(C=1 / (options.ridge * len(train)), max_iter=STEPS)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            classifier.fit(scaled[train], labels[train])
        for warning in caught:
            if issubclass(warning.category, ConvergenceWarning):
                converged = False
            else:
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        right += int((classifier.predict(scaled[test]) == labels[test]).sum())
    return Probe(accuracy=right / len(labels), converged=converged)


def _in_large_classes(labels: np.ndarray, folds: int) -> np.ndarray:
    """Which samples are of a class that has one for each fold.

    Raises:
        InputError: fewer than two classes have.
    """
    counts = np.bincount(labels)
    if (counts >= folds).sum() < 2:
        raise InputError(
            f"{folds} folds need two classes of at least {folds} held-out samples, got {sorted(counts.tolist())[-2:]} "
            "in the largest: give more samples or take fewer folds"
        )
    kept: np.ndarray = (counts >= folds)[labels]
    return kept
