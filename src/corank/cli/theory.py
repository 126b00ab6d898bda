"""The command that puts the theory of feature compression to the test."""

from __future__ import annotations

from pathlib import Path

from corank.cli.output import print_json, print_table, say
from corank.cli.source import Flag
from corank.experiment.theory.bench import run_theory, run_theory_folder
from corank.experiment.theory.options import TheoryTraining
from corank.experiment.theory.page import averages_table
from corank.report import PAGE

PAPERS = TheoryTraining()


def theory(
    *,
    dimension: tuple[int, ...] = (12,),
    runs: int = 50,
    seed: int = 0,
    width: int = PAPERS.width,
    epochs: int = PAPERS.epochs,
    learning_rate: float = PAPERS.learning_rate,
    batch_size: int = PAPERS.batch_size,
    out: Path | None = None,
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """Train networks on random data of which theory predicts how little of the separating feature they look at.

    Args:
        dimension: of the data; several give a figure over dimensions.
        runs: networks trained at each dimension.
        seed: of every random draw.
        width: of the hidden layer.
        epochs: passes over all 2^d points.
        learning_rate: of Adam.
        batch_size: points a step; fewer where an epoch would have less than eight steps.
        out: a folder for a page with the figure and theory.json.
        overwrite: replace the results that are in that folder.
        json: print what was found as JSON.
    """
    options = TheoryTraining(width=width, epochs=epochs, learning_rate=learning_rate, batch_size=batch_size)
    if out is None:
        found = run_theory(dimension, runs=runs, seed=seed, options=options, report=say)
    else:
        found = run_theory_folder(
            dimension, out, runs=runs, seed=seed, options=options, overwrite=overwrite, report=say
        )
    if json:
        print_json(found)
        return
    print_table(averages_table(found.dimensions))
    if out is not None:
        print(f"The page: {out / PAGE}")
