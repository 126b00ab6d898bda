"""How far perturbations move inputs and what the classifier reads (Sanyal et al. 2020, Figures 4b and 16).

Both are squared Euclidean lengths over that of what was there before, the medians over the images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from corank.attack.pgd import PGD
from corank.attack.representation import displacements
from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Column, Grid, digest, every
from corank.experiment.recipes.low_rank_representations.models import DEFENDED, MODELS, PLAIN, Comparing, images_of

RADII = (2, 4, 8, 16)  # in 255ths
STEPS = 20
INPUT = Column(name="input")
REPRESENTATION = Column(name="representation", better="lower")
COLUMNS = (INPUT, REPRESENTATION)
AXES = ("model", "radius")


def grid(options: Comparing, *, radii: Sequence[int] = RADII, stands_in: bool = False) -> Grid[Comparing]:
    """Every model at every radius."""
    return Grid(cells=every(model=MODELS, radius=radii), options=options, stands_in=stands_in)


def displaced_row(cell: Cell[Comparing], bench: Bench) -> dict[str, Any]:
    """Both columns above for one model and radius."""
    key = f"low_rank_representations/displaced/{digest([asdict(cell.options), dict(cell.axes)])}/seed-{cell.seed}"
    return dict(bench.store.once(key, lambda: _displaced(cell, bench)))


def attenuates(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether representations of models with low-rank layers move less than the plain one's, at every radius."""
    plain = {row["radius"]: row[REPRESENTATION.name] for row in rows if row["model"] == PLAIN}
    pairs = [
        (row[REPRESENTATION.name], plain[row["radius"]])
        for row in rows
        if row["model"] in DEFENDED and row["radius"] in plain
    ]
    return all(ours < theirs for ours, theirs in pairs) if pairs else None


def _displaced(cell: Cell[Comparing], bench: Bench) -> dict[str, Any]:
    judged, radius = cell.options.trained(str(cell.axes["model"]), bench), cell.axes["radius"]
    assert isinstance(radius, int)
    x, y = images_of(judged)
    examples = PGD(radius=radius / 255, steps=STEPS, seed=cell.seed).attack(
        judged.network, x, y, bounds=judged.data.bounds
    )
    found = displacements(judged.network, x, examples.inputs, layers=cell.options.last)
    return {INPUT.name: found.inputs.median, REPRESENTATION.name: found.layers[0].median}
