"""Cui et al. 2020, Table 1: how many directions to keep where VGG-19 is cut.

The accuracy that is lost before and after fine-tuning, in points of the teacher's, and the storage saved, for three
cuts and three numbers of directions. Epsilon is the share of the gradients' energy outside the directions; here that
of held-out gradients, which does not flatter a small sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Column, Grid, Table, every
from corank.experiment.recipes.asnet.cutting import SMALL, Cutting, costs_of, trained

_PUBLISHED = Cutting(network="vgg19", data="cifar10", teacher_epochs=60)
_QUICK = replace(
    _PUBLISHED,
    data="cifar10-jpeg",
    teacher_epochs=None,
    gradients=4_096,
    epochs=0,
)
_COUNTS_ONLY = replace(_PUBLISHED, data=None)
_CELLS = every(layer=[5, 6, 7], rank=[25, 50, 75])


def _wider_keeps_more(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether at every cut a larger r leaves a smaller epsilon."""
    found = sorted((row["layer"], row["rank"], row["epsilon"]) for row in rows if row["epsilon"] is not None)
    pairs = [(few, many) for few in found for many in found if few[0] == many[0] and few[1] < many[1]]
    return all(many[2] < few[2] for few, many in pairs) if pairs else None


TABLE = Table(
    title="Number of directions kept, VGG-19 on CIFAR-10",
    axes=("layer", "rank"),
    columns=(
        Column(name="epsilon", unit="share", better="lower"),
        Column(name="storage_ratio", unit="times", better="higher"),
        Column(name="loss_before", unit="points", better="lower"),
        Column(name="loss_after", unit="points", better="lower"),
        Column(name="teacher_top1", unit="%", better="higher"),
    ),
    presets={
        "smoke": (
            Grid(cells=_CELLS, options=_COUNTS_ONLY),
            Grid(cells=every(layer=[2], rank=[2, 5]), options=SMALL, stands_in=True),
        ),
        "quick": (Grid(cells=_CELLS, options=_QUICK),),
        "paper": (Grid(cells=_CELLS, options=_PUBLISHED),),
    },
    claims=(Claim(quote="a larger r usually results in a smaller tolerance", holds=_wider_keeps_more),),
)


def run_cell(cell: Cell[Cutting], bench: Bench) -> Mapping[str, Any]:
    """One cut with one number of directions."""
    found = trained(cell, bench)
    return {
        **found,
        "storage_ratio": costs_of(cell, bench)["storage_ratio"],
        "loss_before": _lost(found["teacher_top1"], found["before_top1"]),
        "loss_after": _lost(found["teacher_top1"], found["after_top1"]),
    }


def _lost(teacher: float | None, student: float | None) -> float | None:
    return None if teacher is None or student is None else teacher - student
