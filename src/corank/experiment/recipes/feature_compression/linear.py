"""What Tables 1 and 2 and Figure 2 share: linear networks trained on the points of Theorem 6."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, digest
from corank.experiment.theory import LinearRun, TheoryTraining
from corank.experiment.theory.averages import train_runs
from corank.result import jsonable


@dataclass(frozen=True, kw_only=True)
class Linear(TheoryTraining):
    """Under which circumstances linear networks are trained.

    Attributes:
        runs: at each dimension, each with a matrix of its own.
    """

    runs: int = 50


PUBLISHED = Linear()
SMALL = Linear(runs=6, width=100, learning_rate=1e-2)


def runs_of(cell: Cell[Any], options: Linear, dimension: int, bench: Bench) -> list[LinearRun]:
    """The runs at one dimension, trained once for all tables that want them."""
    chosen = {field.name: getattr(options, field.name) for field in fields(Linear)}
    key = f"feature_compression/linear/d-{dimension}-{digest(chosen)}/seed-{cell.seed}"

    def train() -> dict[str, Any]:
        found = train_runs(dimension, options.runs, cell.seed, options, bench.report)
        return {"runs": jsonable(found)}

    return [LinearRun(**run) for run in bench.store.once(key, train)["runs"]]
