"""The theory bench: every experiment of the theory at the dimensions that are wanted, as one result and a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from corank.errors import InputError
from corank.experiment import run_folder
from corank.experiment.theory.averages import DimensionAverages, averaged, train_runs
from corank.experiment.theory.data import LARGEST, SMALLEST
from corank.experiment.theory.options import TheoryTraining
from corank.experiment.theory.page import theory_page
from corank.experiment.theory.random_matrices import (
    GENERATORS,
    RandomPoints,
    SameFactors,
    TailRow,
    random_points,
    same_factors,
    tail_rows,
)
from corank.report import PAGE, write_page
from corank.result import Result, Scalar

THEORY = "theory.json"
OWN_FILES = {"figures", PAGE, THEORY}
POINT_DIMENSIONS = (10, 30, 100)  # of the theorems without training, which are about large ones


@dataclass(frozen=True, kw_only=True)
class Theory(Result):
    """What the experiments found.

    Attributes:
        dimensions: Theorem 6, a row a dimension.
        random_points: Theorems 1 and 4.
        lemma_2: frequencies beside the bound.
        lemma_3: the test of the distribution.
    """

    dimensions: tuple[DimensionAverages, ...]
    random_points: tuple[RandomPoints, ...]
    lemma_2: tuple[TailRow, ...]
    lemma_3: SameFactors

    def row(self) -> dict[str, Scalar]:
        """How many dimensions and runs."""
        return {"dimensions": len(self.dimensions), "runs": sum(row.runs for row in self.dimensions)}

    def to_dict(self) -> dict[str, Any]:
        """All of it; what is about one dimension alone stands at the top too."""
        alone = self.dimensions[0].to_dict() if len(self.dimensions) == 1 else {}
        return {**alone, **super().to_dict()}


def run_theory(
    dimensions: Sequence[int],
    *,
    runs: int = 50,
    seed: int = 0,
    options: TheoryTraining = TheoryTraining(),  # noqa: B008 - frozen
    report: Callable[[str], None] = lambda stage: None,
) -> Theory:
    """Run the experiments.

    Args:
        dimensions: of Theorem 6.
        runs: networks trained at each.
        seed: of every draw.
        options: of the training.
        report: told of each dimension as it begins.

    Raises:
        InputError: no dimension, one twice, or an option out of its range.
    """
    check(dimensions, runs, seed)
    return Theory(
        dimensions=tuple(
            averaged(train_runs(dimension, runs, seed, options, report)) for dimension in sorted(dimensions)
        ),
        random_points=tuple(
            random_points(dimension, generators, seed) for generators in GENERATORS for dimension in POINT_DIMENSIONS
        ),
        lemma_2=tail_rows(sorted(dimensions), seed),
        lemma_3=same_factors(seed),
    )


def check(dimensions: Sequence[int], runs: int, seed: int) -> None:
    """Refuse what cannot be run, before anything is.

    Raises:
        InputError: no dimension, one twice, or a number out of its range.
    """
    if not dimensions or len(set(dimensions)) != len(dimensions):
        raise InputError(f"dimensions must be at least one and each named once, got {list(dimensions)}")
    for dimension in dimensions:
        if not SMALLEST <= dimension <= LARGEST:
            raise InputError(f"dimension must be between {SMALLEST} and {LARGEST}, got {dimension}")
    if runs < 1:
        raise InputError(f"runs must be at least 1, got {runs}")
    if not 0 <= seed < 2**32:
        raise InputError(f"seed must be between 0 and {2**32 - 1}, got {seed}")


def run_theory_folder(
    dimensions: Sequence[int],
    out: Path,
    *,
    runs: int,
    seed: int,
    options: TheoryTraining,
    overwrite: bool = False,
    report: Callable[[str], None] = lambda stage: None,
) -> Theory:
    """Run the experiments and write `index.html`, the figure and `theory.json`.

    Args:
        dimensions: of Theorem 6.
        out: the folder.
        runs: networks trained at each.
        seed: of every draw.
        options: of the training.
        overwrite: replace results of other options that are there.
        report: told of each dimension as it begins.

    Raises:
        InputError: an option out of its range, or a folder that holds something else or cannot be written to.
    """
    check(dimensions, runs, seed)
    told = {"dimensions": sorted(dimensions), "runs": runs, "seed": seed, **asdict(options)}
    run_folder.make_writable(out)
    if not (out / THEORY).is_file():
        run_folder.refuse_foreign(out, OWN_FILES, "theory bench")
    elif not overwrite:
        stored = run_folder.read_json(out / THEORY).get("options")
        run_folder.refuse_difference(out, "theory bench", stored, told)
    found = run_theory(dimensions, runs=runs, seed=seed, options=options, report=report)
    if (out / THEORY).is_file():
        run_folder.clear_page(out, THEORY)
    write_page(theory_page(found.dimensions, found.random_points, found.lemma_2, found.lemma_3, told), out)
    run_folder.write_json(out / THEORY, {"options": told, "versions": run_folder.versions(), **found.to_dict()})
    return found
