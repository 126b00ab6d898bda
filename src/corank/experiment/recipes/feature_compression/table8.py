"""Gao et al., Table 8: photographs and the nearest of another class, lengths of four experiments on ImageNet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Column, Grid, Table, every
from corank.experiment.recipes.feature_compression.photographs import (
    PUBLISHED,
    QUICK,
    SMALL,
    Photographs,
    rows_of,
)

EXPERIMENTS = (1, 2, 3, 4)
FACTOR = 2.5  # between lengths that the paper calls close: those of its experiment 2 are


def _lengths_agree(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether |M| and Q differ by at most two and a half times in all four."""
    if len(rows) < len(EXPERIMENTS):
        return None
    ratios = [abs(row["M_over_half_L"]) / row["Q_over_half_L"] for row in rows]
    return all(1 / FACTOR <= ratio <= FACTOR for ratio in ratios)


TABLE = Table(
    title="Photographs and the nearest of another class: lengths",
    axes=("experiment",),
    columns=(
        Column(name="M_over_half_L"), Column(name="Q"), Column(name="L"), Column(name="Q_over_half_L"),
        Column(name="M_b_over_half_L"), Column(name="predicted"),
    ),
    presets={
        "smoke": (Grid(cells=every(experiment=[1, 2]), options=SMALL, stands_in=True),),
        "quick": (Grid(cells=every(experiment=EXPERIMENTS), options=QUICK, stands_in=True),),
        "paper": (Grid(cells=every(experiment=EXPERIMENTS), options=PUBLISHED),),
    },
    claims=(
        Claim(
            quote=r"confirms our prediction that $|M/(0.5L)| \approx Q/(0.5L)$",
            holds=_lengths_agree,
        ),
    ),
)  # fmt: skip


def run_cell(cell: Cell[Photographs], bench: Bench) -> Mapping[str, Any]:
    """One experiment."""
    place = cell.axes["experiment"]
    assert isinstance(place, int)
    return rows_of(cell.options, bench, cell.seed)[place - 1]
