"""Hybrid models: few directions of what a network makes of images, then a linear classifier (Sanyal et al. 2020, 3.3).

Tables 5, 7c and 8 show how accurate they are, Figure 8 two of their directions; Table 6 asks them about images that
fooled the network.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from corank.defend.max_margin import MaxMargin, MaxMarginHead
from corank.experiment.bench import EVALUATION_BATCH, Bench, Teacher, thinned, top_accuracies
from corank.experiment.recipe import Cell, Column, digest
from corank.experiment.recipes.low_rank_representations.models import (
    BOTTLE_ONE,
    BOTTLE_TWO,
    MNIST,
    RESNET18,
    SMALL,
    Comparing,
    images_of,
)
from corank.train.evaluate import device_of
from corank.zoo import Batches, Dataset

ACCURACY = Column(name="accuracy", unit="%", better="higher")


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """Where hybrid models take what they classify.

    Attributes:
        comparing: the networks.
        is_deep: before the last stage; else before the classifier.
        images: of the training split, that a hybrid model is fitted to.
    """

    comparing: Comparing
    is_deep: bool = False
    images: int = 50_000

    def layer(self, model: str) -> str:
        """Whose output is taken: of the network's own layer, or of a real low-rank layer behind it."""
        own = self.comparing.deep if self.is_deep else self.comparing.last
        return f"{own}.1.up" if model in (BOTTLE_ONE, BOTTLE_TWO) else own


RESNET18_DEEP = Embedding(comparing=RESNET18, is_deep=True)
MNIST_LAST = Embedding(comparing=MNIST, images=10_000)
MNIST_DEEP = Embedding(comparing=MNIST, is_deep=True, images=10_000)
SMALL_LAST = Embedding(comparing=SMALL, images=300)


def hybrid_of(
    options: Embedding, model: str, dimensions: int | None, seed: int, bench: Bench, labelled: Dataset | None = None
) -> tuple[MaxMargin, Teacher]:
    """A hybrid model of a network, and the network.

    Args:
        options: which network, and where its features are taken.
        model: how it was trained.
        dimensions: that are kept; None for all.
        seed: of the classifier.
        bench: where networks come from.
        labelled: the same images with the labels to be told apart; None for those that the network learnt.
    """
    teacher = options.comparing.trained(model, bench)
    train = thinned((labelled or teacher.data).train, options.images)
    head = MaxMarginHead(layer=options.layer(model), dimensions=dimensions, samples=options.images, seed=seed)
    return head.fit(teacher.network, Batches(train, EVALUATION_BATCH)), teacher


def embedded_row(cell: Cell[Embedding], bench: Bench) -> dict[str, Any]:
    """Accuracy of the hybrid model of a cell in percent, and what its directions hold.

    The axis `dimensions` says how many are kept; as many as there are features, or more, keep all of them.
    """
    options, model, dimensions = cell.options, str(cell.axes["model"]), int(str(cell.axes["dimensions"]))
    key = f"low_rank_representations/embedded/{digest([asdict(options), model, dimensions])}/seed-{cell.seed}"
    return dict(bench.store.once(key, lambda: _embedded(options, model, dimensions, cell.seed, bench)))


def _embedded(options: Embedding, model: str, dimensions: int, seed: int, bench: Bench) -> dict[str, Any]:
    bench.report(f"{model}: {dimensions} dimensions of {options.layer(model)}")
    found, teacher = hybrid_of(options, model, dimensions, seed, bench)
    images, labels = images_of(teacher)
    with torch.no_grad():
        parts = [found.network.embedded(part) for part in torch.split(images, EVALUATION_BATCH)]
    return {
        ACCURACY.name: 100 * top_accuracies(found.network.to(device_of(teacher.network)), teacher.data.test)["top1"],
        "captured": found.captured, "between": between_classes(torch.cat(parts), labels), "features": found.features,
        "parameters": found.parameters, "replaced": found.replaced,
    }  # fmt: skip


def between_classes(points: Tensor, labels: Tensor) -> float:
    """The share of the variance of points that lies between the means of their classes.

    Example:
        >>> between_classes(torch.tensor([[0.0], [2.0], [4.0], [6.0]]), torch.tensor([0, 0, 1, 1]))
        0.8
    """
    about = points.double() - points.double().mean(0)
    means = torch.zeros_like(about)
    for own in range(int(labels.max()) + 1):
        means[labels == own] = about[labels == own].mean(0)
    return float(means.square().sum() / about.square().sum())
