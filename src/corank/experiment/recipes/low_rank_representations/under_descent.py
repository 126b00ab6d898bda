"""Accuracy under projected gradient descent, as Tables 1, 2 and 9 have it (Sanyal et al. 2020, sec. 3.1).

White box, the examples are made on the network that is judged; black box, on the one without virtual layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from corank.attack.pgd import PGD
from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Column, digest
from corank.experiment.recipes.low_rank_representations.models import PLAIN, Comparing, images_of

WHITE, BLACK = "white box", "black box"
RADII = (8, 10, 16, 20)  # in 255ths
STEPS = (7, 20)
CLEAN = Column(name="clean", unit="%", better="higher")
ATTACKED = tuple(
    Column(name=f"radius_{radius}_steps_{steps}", unit="%", better="higher") for radius in RADII for steps in STEPS
)
COLUMNS = (*ATTACKED, CLEAN)
Row = Mapping[str, Any]


def attacked_row(cell: Cell[Comparing], bench: Bench) -> dict[str, Any]:
    """All columns above: accuracies in percent of the model and under the access of a cell."""
    options, access, model = cell.options, str(cell.axes.get("access", WHITE)), str(cell.axes["model"])
    key = f"low_rank_representations/descents/{digest([asdict(options), access, model])}/seed-{cell.seed}"
    return dict(bench.store.once(key, lambda: _attacked(options, access, model, cell.seed, bench)))


def _attacked(options: Comparing, access: str, model: str, seed: int, bench: Bench) -> dict[str, Any]:
    judged = options.trained(model, bench)
    source = options.trained(PLAIN, bench).network if access == BLACK else None
    x, y = images_of(judged)
    found: dict[str, Any] = {CLEAN.name: 100 * judged.top1}
    for radius in RADII:
        for steps in STEPS:
            attack = PGD(radius=radius / 255, steps=steps, seed=seed)
            bench.report(f"{model}, {access}: {steps} steps within {radius}/255")
            examples = attack.attack(judged.network, x, y, bounds=judged.data.bounds, source=source)
            found[f"radius_{radius}_steps_{steps}"] = 100 * examples.accuracy
    return found


def is_above(rows: Sequence[Row], model: str, other: str, *, access: str = WHITE, points: float = 0.0) -> bool | None:
    """Whether a model is more accurate than another under every attack, on the same network and data."""
    pairs = [
        (row[column.name], beside[column.name])
        for row in rows
        for beside in rows
        for column in ATTACKED
        if (row["model"], beside["model"]) == (model, other)
        and all(row.get(name) == beside.get(name) for name in ("data", "network"))
        and row.get("access", WHITE) == access
        and beside.get("access", WHITE) == WHITE
    ]
    return all(ours - theirs > points for ours, theirs in pairs) if pairs else None
