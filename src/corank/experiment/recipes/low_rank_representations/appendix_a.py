"""Sanyal, Kanade and Torr 2020, app. A: weights and pre-activations of low rank do not make activations of low rank.

The paper truncates the pre-activations of a layer to rank 100 and looks at what the activation makes of them. Here the
pre-activations are those of a trained network's hidden layer, or random ones of a given spectrum, and the rank that is
kept is an axis. The counter-example of the paper is the smallest case: of rank 1 before, of rank 2 after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Column, Grid, Table, every

BEFORE, AFTER = "rank_before", "rank_after"


@dataclass(frozen=True, kw_only=True)
class Rectified:
    """Which pre-activations are rectified.

    Attributes:
        samples: rows.
        features: columns.
        decay: singular value i falls as `i^-decay`, as those of trained layers do.
    """

    samples: int = 2000
    features: int = 1000
    decay: float = 0.5


def _rank_rises(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether activations have a higher rank than their pre-activations, in every cell."""
    return all(row[AFTER] > row[BEFORE] for row in rows) if rows else None


TABLE = Table(
    title="Activations of pre-activations of low rank",
    axes=("what", "rank"),
    columns=(
        Column(name=BEFORE), Column(name=AFTER, better="lower"), Column(name="variance_in_the_first"),
        Column(name="singular_value_after_the_first"),
    ),
    presets={
        "smoke": (
            Grid(cells=({"what": "counter-example", "rank": 1},), options=Rectified()),
            Grid(
                cells=every(what=["random"], rank=[5]), options=Rectified(samples=200, features=50), stands_in=True
            ),
        ),
        "quick": (
            Grid(cells=({"what": "counter-example", "rank": 1},), options=Rectified()),
            Grid(cells=every(what=["random"], rank=[10, 100]), options=Rectified(), stands_in=True),
        ),
        "paper": (
            Grid(cells=({"what": "counter-example", "rank": 1},), options=Rectified()),
            Grid(cells=every(what=["random"], rank=[10, 100]), options=Rectified(samples=10_000), stands_in=True),
        ),
    },
    claims=(Claim(quote="does not lead to low rank *activations*", holds=_rank_rises, is_main=True),),
)  # fmt: skip


def run_cell(cell: Cell[Rectified], bench: Bench) -> Mapping[str, Any]:
    """Ranks before and after the rectifier, and what the kept number of directions then carries."""
    rank = int(str(cell.axes["rank"]))
    if cell.axes["what"] == "counter-example":
        before = torch.tensor([[1.0, -1.0, 1.0], [-1.0, 1.0, -1.0]], dtype=torch.float64)
    else:
        before = _random(cell.options, rank, torch.Generator().manual_seed(cell.seed))
    after = before.clamp(min=0)
    values = torch.linalg.svdvals(after)
    squares = values.square()
    return {
        BEFORE: int(torch.linalg.matrix_rank(before, rtol=1e-9)),
        AFTER: int(torch.linalg.matrix_rank(after, rtol=1e-9)),
        "variance_in_the_first": float(squares[:rank].sum() / squares.sum()),
        "singular_value_after_the_first": float(values[rank]),
    }


def _random(options: Rectified, rank: int, chance: torch.Generator) -> Tensor:
    """A matrix of that rank whose singular values fall as those of a trained layer's pre-activations do."""
    left, right = (
        torch.linalg.qr(torch.randn(size, rank, generator=chance, dtype=torch.float64))[0]
        for size in (options.samples, options.features)
    )
    values = (options.samples * options.features) ** 0.5 * torch.arange(1, rank + 1).double() ** -options.decay
    made: Tensor = (left * values) @ right.T
    return made
