"""Daulbaev 2023, Figure 2.4: test loss of the table miniboone by seconds, RDM and IRDM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Column, Grid, Table
from corank.experiment.recipes.thesis.learning import Learning, cells_of, learnt
from corank.experiment.recipes.thesis.tabular import TABLE_PUBLISHED, TABLE_QUICK, TABLE_SMALL

_CELLS = cells_of(("miniboone",), (16,))
_CLOSE = 0.01  # of the loss of RDM


def _falls_faster(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether IRDM takes less time for the same steps and ends with a loss no worse than that of RDM."""
    found = {row["method"]: row for row in rows}
    if set(found) != {"RDM", "IRDM"}:
        return None
    rdm, irdm = found["RDM"], found["IRDM"]
    is_as_good = irdm["test_loss"] <= rdm["test_loss"] + _CLOSE * abs(rdm["test_loss"])
    return bool(irdm["seconds"] < rdm["seconds"] and is_as_good)


TABLE = Table(
    title="Test loss of the table miniboone, IRDM and RDM",
    axes=("dataset", "method", "nodes"),
    columns=(
        Column(name="test_loss", unit="nats", better="lower"),
        Column(name="seconds", unit="s", better="lower"),
        Column(name="evaluations", better="lower"),
    ),
    presets={
        "smoke": (Grid(cells=_CELLS, options=TABLE_SMALL, stands_in=True),),
        "quick": (Grid(cells=_CELLS, options=TABLE_QUICK),),
        "paper": (Grid(cells=_CELLS, options=TABLE_PUBLISHED),),
    },
    claims=(
        Claim(
            quote="Figure 2.4 shows that the test loss decreases more rapidly with our method than with the RDM",
            holds=_falls_faster,
            is_main=True,
        ),
    ),
)


def run_cell(cell: Cell[Learning], bench: Bench) -> Mapping[str, Any]:
    """One training."""
    return learnt(cell, bench)
