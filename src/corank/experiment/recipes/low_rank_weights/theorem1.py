"""Langenberg et al. 2019, Theorem 1: linear classifiers before and after a projection on the data's subspace.

Points lie in a random subspace of k of n dimensions, along unit vectors or turned at random; classifiers are fitted to
noisy labels by logistic regression, or drawn. The optimal attack of a linear classifier is known, so the error under
attack is too: `mean 1[y w.x < eps |w|_1]`. The theorem's condition is `s(Qw) <= s(w)`; all that the proof needs is
`|Qw|_1 <= |w|_1`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Column, Grid, Table, every
from corank.train.randomness import derived_seed

MEETS, SHORTER, KEEPS, WORSE = "condition_met", "sum_lowered", "accuracy_kept", "worse_where_met"


@dataclass(frozen=True, kw_only=True)
class Projecting:
    """Under which circumstances classifiers are projected.

    Attributes:
        samples: points of each task.
        runs: tasks with a subspace and a classifier of their own.
        shares: of the median margin over `|w|_1`, the radii of the attack.
    """

    samples: int = 1000
    runs: int = 200
    shares: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0)


def _holds(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether no projection changed a label, and none that met the condition raised the error under attack."""
    return all(row[KEEPS] == 1.0 and not row[WORSE] for row in rows) if rows else None


def _always_met(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether nine of ten projections meet it, in every kind of subspace."""
    return all(row[MEETS] >= 0.9 for row in rows) if rows else None


_CELLS = every(subspace=["axes", "turned"], classifier=["drawn", "fitted"], dimensions=[5, 20, 80])

TABLE = Table(
    title="Linear classifiers on the subspace of the data, n = 100",
    axes=("subspace", "classifier", "dimensions"),
    columns=(
        Column(name=MEETS), Column(name=SHORTER), Column(name=KEEPS), Column(name=WORSE, better="lower"),
        Column(name="error_before"), Column(name="error_after"), Column(name="robust_error_before"),
        Column(name="robust_error_after", better="lower"),
    ),
    presets={
        "smoke": (
            Grid(
                cells=every(subspace=["axes", "turned"], classifier=["drawn"], dimensions=[5]),
                options=Projecting(samples=100, runs=5),
                stands_in=True,
            ),
        ),
        "quick": (Grid(cells=_CELLS, options=Projecting(runs=50)),),
        "paper": (Grid(cells=_CELLS, options=Projecting()),),
    },
    claims=(
        Claim(quote="The adversarial robustness against", holds=_holds),
        Claim(quote="The condition on effective sparsity is not very demanding.", holds=_always_met),
    ),
)  # fmt: skip

WIDTH = 100  # n


def run_cell(cell: Cell[Projecting], bench: Bench) -> Mapping[str, Any]:
    """Shares and means over all tasks of a kind."""
    found = [_projected(cell, run) for run in range(cell.options.runs)]
    met = [row for row in found if row[MEETS]]
    return {
        **{name: sum(row[name] for row in found) / len(found) for name in found[0] if name != WORSE},
        WORSE: sum(row[WORSE] for row in met) / len(met) if met else 0.0,
    }


def _projected(cell: Cell[Projecting], run: int) -> dict[str, float]:
    """One task: its classifier before and after the projection."""
    chance = torch.Generator().manual_seed(derived_seed(cell.seed, "theorem1", str(sorted(cell.axes.items())), run))
    k, options = int(str(cell.axes["dimensions"])), cell.options
    basis = torch.eye(WIDTH, dtype=torch.float64)[:, torch.randperm(WIDTH, generator=chance)[:k]]
    if cell.axes["subspace"] == "turned":
        basis = torch.linalg.qr(torch.randn(WIDTH, k, generator=chance, dtype=torch.float64))[0]
    x = torch.randn(options.samples, k, generator=chance, dtype=torch.float64) @ basis.T
    truth = torch.randn(WIDTH, generator=chance, dtype=torch.float64)
    noise = 0.3 * truth.norm() * torch.randn(len(x), generator=chance, dtype=torch.float64)
    y = torch.where(x @ truth + noise > 0, 1.0, -1.0).double()
    w = torch.randn(WIDTH, generator=chance, dtype=torch.float64)
    if cell.axes["classifier"] == "fitted":
        w = _fitted(x, y, w)
    projected = basis @ (basis.T @ w)
    radii = [share * float((x @ w).abs().median() / w.abs().sum()) for share in options.shares]
    before, after = ([_error(each, x, y, radius) for radius in (0.0, *radii)] for each in (w, projected))
    margins = (x @ w, x @ projected)
    return {
        MEETS: float(_sparsity(projected) <= _sparsity(w)),
        SHORTER: float(projected.abs().sum() <= w.abs().sum()),
        KEEPS: float(bool((margins[0].sign() == margins[1].sign()).all())),
        WORSE: float(any(now > was for was, now in zip(before, after, strict=True))),
        "error_before": before[0],
        "error_after": after[0],
        "robust_error_before": sum(before[1:]) / len(radii),
        "robust_error_after": sum(after[1:]) / len(radii),
    }


def _fitted(x: Tensor, y: Tensor, start: Tensor) -> Tensor:
    """Logistic regression by gradient steps, which move within the data's subspace and leave the rest of the start."""
    w = start.clone()
    for _ in range(200):
        w += 0.5 * ((y * torch.sigmoid(-y * (x @ w))) @ x) / len(x)
    return w


def _error(w: Tensor, x: Tensor, y: Tensor, radius: float) -> float:
    """The share of points that the optimal attack within a radius takes to the other side."""
    return float((y * (x @ w) < radius * w.abs().sum()).double().mean())


def _sparsity(w: Tensor) -> float:
    """The effective sparsity of a vector, eq. 2."""
    return float(w.abs().sum() / w.norm())
