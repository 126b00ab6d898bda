"""Cui et al. 2020, Example 4.1 and Figure 4: `f(x) = a^T x - b` on the unit square, pushed along two directions.

The active subspace is the direction that f depends on; the first principal component of the data is the one that they
vary along, and here f does not see it at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Column, Grid, Table

STEP = 0.3  # the paper's delta


@dataclass(frozen=True, kw_only=True)
class Square:
    """How many points of the square are drawn; the paper integrates."""

    points: int


TABLE = Table(
    title="A linear function along its active direction and along the principal one",
    axes=(),
    columns=(
        Column(name="second_moment"),
        Column(name="mixed_moment"),
        Column(name="change_along_principal"),
        Column(name="change_along_active"),
        Column(name="alignment"),
    ),
    presets={
        "smoke": (Grid(cells=({},), options=Square(points=10_000)),),
        "quick": (Grid(cells=({},), options=Square(points=100_000)),),
        "paper": (Grid(cells=({},), options=Square(points=1_000_000)),),
    },
)


def run_cell(cell: Cell[Square], bench: Bench) -> Mapping[str, Any]:
    """Both directions from samples, and how much f changes along them.

    Returns:
        Second and mixed moment of the data, the mean change of f after a step of 0.3 along either direction, and how
        well the active direction is aligned with a (1: the same line).
    """
    generator = torch.Generator().manual_seed(cell.seed)
    a, b = torch.tensor([1.0, -1.0], dtype=torch.float64), 1.0
    x = torch.rand(cell.options.points, 2, dtype=torch.float64, generator=generator).requires_grad_()
    f = x @ a - b
    (gradients,) = torch.autograd.grad(f.sum(), x)
    active, principal = _leading(gradients), _leading(x.detach())
    moments = (x.detach().T @ x.detach()) / len(x)

    def change(direction: torch.Tensor) -> float:
        return float(((x.detach() + STEP * direction) @ a - b - f.detach()).abs().mean())

    return {
        "second_moment": float(moments.diagonal().mean()),
        "mixed_moment": float(moments[0, 1]),
        "change_along_principal": change(principal),
        "change_along_active": change(active),
        "alignment": float((active @ a).abs() / a.norm()),
    }


def _leading(rows: torch.Tensor) -> torch.Tensor:
    """The dominant eigenvector of the uncentred covariance of rows (eq. 2.1)."""
    directions: torch.Tensor = torch.linalg.eigh(rows.T @ rows / len(rows)).eigenvectors
    return directions[:, -1]
