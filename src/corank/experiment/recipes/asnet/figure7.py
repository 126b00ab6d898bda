"""Cui et al. 2020, Figure 7: a trouser, a perturbation of norm 5, and the trouser that a network takes for a shirt.

The figure shows three pictures. Here they are kept in `pictures` as numbers, in the space in which the network sees
them, beside their norms and what the network thinks of the first and the last. Shown is the first test image of the
class that is classified rightly before and wrongly after; the share of such images says how typical it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from corank.attack.victim import Victim
from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Column, Grid, Table, every
from corank.experiment.recipes.asnet.attacking import (
    FASHION,
    QUICK_MNIST,
    SMALL,
    Attacking,
    found_by,
    heldout_samples,
    inner,
    training_samples,
)

PLACES = 4  # decimal places of a pixel that is kept


def _becomes_a_shirt(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether the image that is shown is taken for a t-shirt or top, with every seed."""
    return all(row["becomes"] == "t-shirt/top" for row in rows) if rows else None


TABLE = Table(
    title="One image of Fashion-MNIST, a universal perturbation and their sum",
    axes=("method", "radius"),
    columns=(
        Column(name="image_norm"),
        Column(name="perturbation_norm"),
        Column(name="probability_before", unit="share", better="higher"),
        Column(name="probability_after", unit="share", better="lower"),
        Column(name="typical", unit="%", better="higher"),
    ),
    presets={
        "smoke": (Grid(cells=every(method=["AS"], radius=[5]), options=SMALL, stands_in=True),),
        "quick": (Grid(cells=every(method=["AS"], radius=[5]), options=QUICK_MNIST, stands_in=True),),
        "paper": (Grid(cells=every(method=["AS"], radius=[5]), options=FASHION),),
    },
    claims=(Claim(quote="the deep neural network misclassifies it as a t-shirt/top", holds=_becomes_a_shirt),),
)


def run_cell(cell: Cell[Attacking], bench: Bench) -> Mapping[str, Any]:
    """The image, the perturbation found from one training set, and the probabilities of the image's class.

    Returns:
        The norms of the image and of the perturbation, the probability that the network gives to the class of the
        image before and after, and the share of the test images of that class, in percent, that are classified
        rightly before and wrongly after; `becomes`, the name of the class afterwards. Where no image is
        misclassified the first is taken.
    """
    options, radius = cell.options, float(cell.axes["radius"])  # type: ignore[arg-type]
    teacher = options.teacher(bench)
    network = inner(teacher)
    samples = training_samples(teacher, options.images_of_one, cell.seed, options.one_class)
    vector = found_by("AS", options, network, samples, radius, cell.seed)[0].vector
    images, labels = heldout_samples(teacher, options.test_images, options.one_class)
    before, after = (Victim(network).logits(x).softmax(1) for x in (images, images + vector))
    turned = (before.argmax(1) == labels) & (after.argmax(1) != labels)
    shown = int(turned.double().argmax())
    image, label = images[shown], int(labels[shown])
    return {
        "image_norm": float(image.norm()),
        "perturbation_norm": float(vector.norm()),
        "probability_before": float(before[shown, label]),
        "probability_after": float(after[shown, label]),
        "typical": 100 * float(turned.double().mean()),
        "is": teacher.data.class_names[label],
        "becomes": teacher.data.class_names[int(after[shown].argmax())],
        "pictures": {
            "image": _rounded(image), "perturbation": _rounded(vector), "perturbed": _rounded(image + vector)
        },
    }  # fmt: skip


def _rounded(picture: Tensor) -> list[Any]:
    values = picture.double().cpu()
    rounded: list[Any] = torch.round(values, decimals=PLACES).tolist()
    return rounded
