"""Daulbaev 2023, Figure 5.3: accuracy over the reduction of multiply-adds, for the networks of Table 5.1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Table
from corank.experiment.recipes.thesis.reducing import PRESETS, RATIO, TOP1_AFTER, TOP1_BEFORE, Reducing, reduced_row


def _beats_the_pruned(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether some reduced pruned network is both cheaper and no less accurate than the pruned one, all tuned."""
    tuned = [row for row in rows if row["top1_after"] is not None]
    pruned = [row for row in tuned if row["network"] == "pruned"]
    groups: dict[int, list[Mapping[str, Any]]] = {}
    for row in tuned:
        if row["network"] == "pruned+RON":
            groups.setdefault(row["from_layer"], []).append(row)
    if not pruned or not groups:
        return None
    return any(
        all(fmean(row[name] for row in group) >= fmean(row[name] for row in pruned)
            for name in ("multiply_adds_ratio", "top1_after"))
        for group in groups.values()
    )  # fmt: skip


TABLE = Table(
    title="Accuracy over the reduction of multiply-adds, VGG-19 on CIFAR-10",
    axes=("network", "from_layer"),
    columns=(RATIO, TOP1_BEFORE, TOP1_AFTER),
    presets=PRESETS,
    claims=(
        Claim(
            quote="maintaining higher accuracy and better acceleration than the pruned baseline",
            holds=_beats_the_pruned,
        ),
    ),
)


def run_cell(cell: Cell[Reducing], bench: Bench) -> Mapping[str, Any]:
    """A point of the figure."""
    return reduced_row(cell, bench)
