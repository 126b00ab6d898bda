"""Cui et al. 2020, Figure 5 (b): what finishes a cut VGG-19 best, without any fine-tuning.

Active subspace (AS) or principal components (PCA), then polynomial chaos (PCE) or logistic regression (LR), and
logistic regression on all features: what `ASNet` builds with the options `directions` and `head`. Here all five are
built from one measurement of the directions, and those with directions are fitted to the same images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any

import torch
from torch import nn

from corank.compress.chaos import fit_expansion
from corank.compress.directions import DirectionsName, find_directions
from corank.compress.logistic import fit_logistic
from corank.compress.samples import draw_samples
from corank.experiment.bench import EVALUATION_BATCH, Bench, Wanted
from corank.experiment.recipe import Cell, Claim, Column, Grid, Table, every
from corank.measure import OnDevice
from corank.network import Cut, GraphNetwork, capture, cut, evaluation_mode
from corank.train.evaluate import device_of
from corank.zoo import Batches, Split

ORDER = 2
BATCH_SIZE = 64


@dataclass(frozen=True, kw_only=True)
class Finishing:
    """Under which circumstances a cut network is finished.

    Attributes:
        network: the teacher, a name of the zoo.
        data: it learnt.
        teacher_epochs: of its training; None takes a weights file.
        train_images: that everything is found from, other ones for each seed; of them up to a thousand are held out.
        full_images: that the logistic regression on all features is fitted to, at most.
        test_images: that accuracies are read from.
        gradients: that directions of each kind are found from.
        rank: directions kept.
    """

    network: str
    data: str
    teacher_epochs: int | None = field(default=None, metadata={"none": "those of a weights file"})
    train_images: int | None = field(default=None, metadata={"none": "all"})
    full_images: int
    test_images: int | None = field(default=None, metadata={"none": "all"})
    gradients: int | None = field(default=None, metadata={"none": "all"})
    rank: int = 50


_PUBLISHED = Finishing(network="vgg19", data="cifar10", teacher_epochs=60, full_images=10_000)
_QUICK = replace(
    _PUBLISHED, data="cifar10-jpeg", teacher_epochs=None, train_images=16_000, full_images=4_000, gradients=4_096
)
_SMOKE = Finishing(network="vgg_digits", data="digits", teacher_epochs=1, full_images=200, gradients=256, rank=5)
_LAYERS = (4, 5, 6, 7)
WAYS = ("as_pce", "as_lr", "pca_pce", "pca_lr", "lr")


def _as_pce_is_best(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether no other way is better at any layer, on average over the seeds."""
    if {row["layer"] for row in rows} < set(_LAYERS):
        return None
    means = [{way: fmean(row[way] for row in rows if row["layer"] == layer) for way in WAYS} for layer in _LAYERS]
    return all(mean["as_pce"] == max(mean.values()) for mean in means)


TABLE = Table(
    title="Ways to finish a cut network, VGG-19 on CIFAR-10",
    axes=("layer",),
    columns=(
        *(Column(name=way, unit="%", better="higher") for way in WAYS),
        Column(name="as_pce_ahead", unit="points", better="higher"),
        Column(name="as_pce_is_best", unit="share of seeds", better="higher"),
    ),
    presets={
        "smoke": (Grid(cells=every(layer=[2]), options=_SMOKE, stands_in=True),),
        "quick": (Grid(cells=every(layer=_LAYERS), options=_QUICK),),
        "paper": (Grid(cells=every(layer=_LAYERS), options=_PUBLISHED),),
    },
    claims=(
        Claim(
            quote="the combination of active-subspace and polynomial chaos expansion can achieve the best accuracy",
            holds=_as_pce_is_best,
        ),
    ),
)


def run_cell(cell: Cell[Finishing], bench: Bench) -> Mapping[str, Any]:
    """The test accuracy of each way at one layer in percent, and how far AS + PCE is ahead of the best other one."""
    options, layer = cell.options, cell.axes["layer"]
    assert isinstance(layer, int)
    teacher = bench.teacher(
        Wanted(
            network=options.network, data=options.data, epochs=options.teacher_epochs,
            train_images=None, test_images=options.test_images,
        )
    )  # fmt: skip
    device = device_of(teacher.network)
    images = drawn_images(teacher.data.train, options.train_images, cell.seed)
    batches = OnDevice(Batches(images, BATCH_SIZE, shuffle=True, seed=cell.seed), device)
    example = next(iter(batches))[0]
    graph = capture(teacher.network, example)
    halves = cut(graph, layer, example)
    heads = _heads(options, graph, halves, layer, batches, len(images))
    found = _accuracies(halves, heads, teacher.data.test)
    ahead = found["as_pce"] - max(found[way] for way in WAYS if way != "as_pce")
    return {**found, "as_pce_ahead": ahead, "as_pce_is_best": float(ahead >= 0)}


def drawn_images(split: Split, count: int | None, seed: int) -> Split:
    """So many images of a split, drawn by a seed; all of them without a count.

    Example:
        >>> split = Split(torch.zeros(9, 1, 2, 2), torch.arange(9))
        >>> len(drawn_images(split, 4, 0)), drawn_images(split, None, 0) is split
        (4, True)
        >>> drawn_images(split, 4, 0).labels.tolist() == drawn_images(split, 4, 2).labels.tolist()
        False
    """
    if count is None:
        return split
    return split.select(torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))[:count])


def _heads(
    options: Finishing, graph: GraphNetwork, halves: Cut, layer: int, batches: OnDevice, images: int
) -> dict[str, nn.Module]:
    """The new layers of each way."""
    kinds: dict[str, DirectionsName] = {"as": "active", "pca": "principal"}
    directions = [
        find_directions(graph, layer, batches, kind=kind, rank=options.rank, samples=options.gradients).vectors
        for kind in kinds.values()
    ]
    drawn = draw_samples(halves, torch.cat([vectors for vectors in directions if vectors is not None]), batches, images)
    heads: dict[str, nn.Module] = {}
    for number, name in enumerate(kinds):
        along = drawn.along(slice(number * options.rank, (number + 1) * options.rank))
        heads[f"{name}_pce"] = fit_expansion(along, order=ORDER).module
        heads[f"{name}_lr"] = fit_logistic(along).module
    heads["lr"] = fit_logistic(draw_samples(halves, None, batches, options.full_images)).module
    return heads


@torch.inference_mode()
def _accuracies(halves: Cut, heads: Mapping[str, nn.Module], split: Split) -> dict[str, float]:
    """The accuracy in percent of each head behind the cut."""
    device = device_of(halves.pre)
    right = dict.fromkeys(heads, 0)
    with evaluation_mode(halves.pre):
        for x, labels in Batches(split, EVALUATION_BATCH):
            features = halves.pre(x.to(device))
            for name, head in heads.items():
                right[name] += int((head(features).argmax(1).cpu() == labels).sum())
    return {name: 100 * count / len(split) for name, count in right.items()}
