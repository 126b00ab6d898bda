"""Cui et al. 2020, Figure 5 (b): what finishes a cut VGG-19 best, without any fine-tuning.

Active subspace (AS) or principal components (PCA), then polynomial chaos (PCE) or logistic regression (LR), and
logistic regression on all features. Its weights lie in the span of the samples, so that as many coordinates as there
are samples stand for all features, exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from corank.compress.chaos import fit_expansion
from corank.experiment.bench import EVALUATION_BATCH, Bench, Teacher, Wanted, thinned
from corank.experiment.recipe import Cell, Claim, Column, Grid, Table, every
from corank.measure import ActivationSpectrum, ActiveSubspace, FeatureProbe
from corank.network import Cut, capture, cut, evaluation_mode
from corank.zoo import Batches, Dataset, Split

ORDER = 2
BATCH_SIZE = 64
STEPS = 1000  # of the solver of the logistic regression
RIDGE = FeatureProbe().ridge  # of its penalty, relative to the mean squared norm of the features


@dataclass(frozen=True, kw_only=True)
class Finishing:
    """Under which circumstances a cut network is finished.

    Attributes:
        network: the teacher, a name of the zoo.
        data: it learnt.
        teacher_epochs: of its training; None takes a weights file.
        train_images: that everything but the logistic regression on all features is fitted to.
        full_images: that this one is fitted to; there a matrix of as many rows and columns is decomposed.
        test_images: that accuracies are read from.
        gradients: that directions are found from.
        rank: directions kept.
    """

    network: str
    data: str
    teacher_epochs: int | None = field(default=None, metadata={"none": "those of a weights file"})
    train_images: int | None = field(default=None, metadata={"none": "all"})
    full_images: int | None = field(default=None, metadata={"none": "all"})
    test_images: int | None = field(default=None, metadata={"none": "all"})
    gradients: int | None = field(default=None, metadata={"none": "all"})
    rank: int = 50


_PUBLISHED = Finishing(network="vgg19", data="cifar10", teacher_epochs=60)
_QUICK = replace(
    _PUBLISHED, data="cifar10-jpeg", teacher_epochs=None,
    train_images=8_000, full_images=2_000, test_images=2_000, gradients=2_000,
)  # fmt: skip
_SMOKE = Finishing(network="vgg_digits", data="digits", teacher_epochs=1, full_images=200, gradients=256, rank=5)
_LAYERS = every(layer=[4, 5, 6, 7])
WAYS = ("as_pce", "as_lr", "pca_pce", "pca_lr", "lr")


def _as_pce_is_best(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether no other way is better at any layer, with any seed."""
    return all(row["as_pce"] >= max(row[way] for way in WAYS) for row in rows) if rows else None


TABLE = Table(
    title="Ways to finish a cut network, VGG-19 on CIFAR-10",
    axes=("layer",),
    columns=tuple(Column(name=way, unit="%", better="higher") for way in WAYS),
    presets={
        "smoke": (Grid(cells=every(layer=[2]), options=_SMOKE, stands_in=True),),
        "quick": (Grid(cells=_LAYERS, options=_QUICK),),
        "paper": (Grid(cells=_LAYERS, options=replace(_PUBLISHED, full_images=10_000)),),
    },
    claims=(
        Claim(
            quote="the combination of active-subspace and polynomial chaos expansion can achieve the best accuracy",
            holds=_as_pce_is_best,
        ),
    ),
)


def run_cell(cell: Cell[Finishing], bench: Bench) -> Mapping[str, Any]:
    """The test accuracy of each way at one layer, in percent."""
    options, layer = cell.options, cell.axes["layer"]
    assert isinstance(layer, int)
    teacher = bench.teacher(
        Wanted(
            network=options.network, data=options.data, epochs=options.teacher_epochs,
            train_images=options.train_images, test_images=options.test_images,
        )
    )  # fmt: skip
    batches = Batches(teacher.data.train, BATCH_SIZE, shuffle=True, seed=cell.seed)
    device = next(teacher.network.parameters()).device
    example = next(iter(batches))[0].to(device)
    halves = cut(capture(teacher.network, example), layer, example)
    directions = _directions(cell, teacher, batches, layer)
    train, test = (_projected(halves, split, directions) for split in (teacher.data.train, teacher.data.test))
    found: dict[str, Any] = {}
    for way, basis in directions.items():
        head = fit_expansion(halves, basis, batches, order=ORDER, samples=len(teacher.data.train)).module()
        found[f"{way}_pce"] = _share_right(halves, head, teacher.data.test)
        found[f"{way}_lr"] = _regressed(train[way], teacher.data.train.labels, test[way], teacher.data.test.labels)
    return {**found, "lr": _on_all_features(halves, teacher.data, options.full_images)}


def _directions(cell: Cell[Finishing], teacher: Teacher, batches: Batches, layer: int) -> dict[str, Tensor]:
    """`(rank, n)` directions of each kind."""
    options = {"layer": layer, "rank": cell.options.rank, "samples": cell.options.gradients, "seed": cell.seed}
    active = ActiveSubspace(replicates=0, **options).measure(teacher.network, batches)  # type: ignore[arg-type]
    principal = ActivationSpectrum(centred=True, **options).measure(teacher.network, batches)  # type: ignore[arg-type]
    return {"as": active.layers[0].directions, "pca": principal.layers[0].directions}


def _projected(halves: Cut, split: Split, directions: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The coordinates `(N, rank)` of all images of a split along directions of each kind."""
    parts: dict[str, list[Tensor]] = {kind: [] for kind in directions}
    for features in _features(halves, split):
        for kind, basis in directions.items():
            parts[kind].append((features @ basis.T).cpu())
    return {kind: torch.cat(rows) for kind, rows in parts.items()}


def _features(halves: Cut, split: Split) -> Iterator[Tensor]:
    """The features `(B, n)` at the cut, batch by batch."""
    device = next(halves.pre.parameters()).device
    for x, _ in Batches(split, EVALUATION_BATCH):
        with evaluation_mode(halves.pre), torch.inference_mode():
            features: Tensor = halves.pre(x.to(device)).flatten(1)
        yield features


@torch.inference_mode()
def _share_right(halves: Cut, head: nn.Module, split: Split) -> float:
    """Accuracy in percent of a head behind the cut."""
    outputs = torch.cat([head(features).argmax(1).cpu() for features in _features(halves, split)])
    return 100 * float((outputs == split.labels).double().mean())


def _on_all_features(halves: Cut, data: Dataset, images: int | None) -> float:
    """Logistic regression on all features of so many training images, in as many coordinates."""
    seen = thinned(data.train, images)
    rows = torch.cat([features.cpu() for features in _features(halves, seen)])
    mean = rows.mean(0)
    rows -= mean
    values, vectors = torch.linalg.eigh((rows @ rows.T).double())
    kept = values > values[-1] * len(rows) * torch.finfo(rows.dtype).eps
    axes = vectors[:, kept] / values[kept].sqrt()

    def coordinates(features: Tensor) -> Tensor:
        inner_products: Tensor = (features.cpu() - mean) @ rows.T
        found: Tensor = inner_products.double() @ axes
        return found

    test = torch.cat([coordinates(features) for features in _features(halves, data.test)])
    return _regressed(coordinates(rows + mean), seen.labels, test, data.test.labels)


def _regressed(train: Tensor, labels: Tensor, test: Tensor, truth: Tensor) -> float:
    """Accuracy in percent of a logistic regression; features are centred and scaled to a mean squared norm of 1."""
    mean = train.mean(0)
    scale = (train - mean).square().sum(1).mean().sqrt()
    classifier = LogisticRegression(C=1 / (RIDGE * len(train)), max_iter=STEPS)
    classifier.fit(((train - mean) / scale).numpy(), labels.numpy())
    found = classifier.predict(((test - mean) / scale).numpy())
    return 100 * float((found == truth.numpy()).mean())
