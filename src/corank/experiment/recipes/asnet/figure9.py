"""Cui et al. 2020, Figure 9: universal perturbations of VGG-19 on CIFAR-10 over the number of training images.

The figure shows curves, of which the text of the paper says only that they rise; their points are not printed, nor are
the numbers of images, which are chosen here around the 100 and 200 of the other experiments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import fmean
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Axes, Cell, Claim, Grid, Table, every
from corank.experiment.recipes.asnet.attacking import (
    CIFAR10,
    CLASSES,
    COLUMNS,
    PRINTED_METHODS,
    QUICK_MNIST,
    QUICK_VGG19,
    SMALL,
    TEST,
    Attacking,
    attack_row,
)

IMAGES = (25, 50, 100, 200, 400)
NOISE = 2.0  # points that a curve may fall from one number of images to the next and still be called rising


def _rises(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether the curves of AS end above where they begin, and nowhere fall by more than noise."""
    verdicts = []
    for classes in CLASSES:
        points: dict[int, list[float]] = {}
        for row in rows:
            if (row["classes"], row["method"]) == (classes, "AS"):
                points.setdefault(row["images"], []).append(row[TEST.name])
        curve = [fmean(points[images]) for images in sorted(points)]
        if len(curve) < 3:
            return None
        verdicts.append(curve[-1] > curve[0] and all(later >= sooner - NOISE for sooner, later in pairwise(curve)))
    return all(verdicts)


def _cells(methods: Sequence[str] = PRINTED_METHODS, images: Sequence[int] = IMAGES) -> tuple[Axes, ...]:
    return every(classes=CLASSES, method=methods, images=images)


TABLE = Table(
    title="Universal perturbations of norm 10 of VGG-19 on CIFAR-10 over the number of training images",
    axes=("classes", "method", "images"),
    columns=COLUMNS,
    presets={
        "smoke": (Grid(cells=_cells(["AS"], [5, 10]), options=SMALL, stands_in=True),),
        "quick": (
            Grid(cells=_cells(), options=QUICK_MNIST, stands_in=True),
            Grid(cells=_cells(["AS"], [25, 100, 400]), options=QUICK_VGG19),
        ),
        "paper": (Grid(cells=_cells(), options=CIFAR10),),
    },
    claims=(
        Claim(
            quote="When the number of samples is increased, the testing attack ratio is getting better",
            holds=_rises,
        ),
    ),
)


def run_cell(cell: Cell[Attacking], bench: Bench) -> Mapping[str, Any]:
    """One method from so many images of one class or of all."""
    return attack_row(cell, bench)
