"""Daulbaev 2023, Figure 2.7: classifiers trained by RDM and by IRDM, and by IRDM with straight lines between nodes.

Panel a compares RDM with IRDM on CIFAR-10, panel b the barycentric polynomial with straight lines between eight nodes
on MNIST.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Axes, Cell, Claim, Column, Grid, Table
from corank.experiment.recipes.thesis.classifying import Classifying, trained

_A: tuple[Axes, ...] = ({"panel": "a", "method": "RDM"}, {"panel": "a", "method": "IRDM", "nodes": 16})
_B: tuple[Axes, ...] = (
    {"panel": "b", "method": "IRDM", "nodes": 8},
    {"panel": "b", "method": "IRDM, linear", "nodes": 8},
)


@dataclass(frozen=True, kw_only=True)
class Interpolated(Classifying):
    """Under which circumstances networks are trained.

    Attributes:
        tolerance: of the solver, relative and absolute.
    """

    tolerance: float = 1e-3


_PHOTOGRAPHS = Interpolated(network="ode_single_block", data="cifar10", epochs=350, batch_size=512, learning_rate=5e-3)
_DIGITS = Interpolated(network="ode_single_block", data="mnist", epochs=50)
_SMALL = Interpolated(
    network="ode_single_block", data="digits", epochs=1, channels=2, train_images=64, test_images=50, tolerance=0.1
)


def _is_faster(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether IRDM took less time than RDM and is at least as accurate, within a point."""
    found = {row["method"]: row for row in rows if row["panel"] == "a"}
    if set(found) != {"RDM", "IRDM"}:
        return None
    is_faster = found["IRDM"]["seconds"] < found["RDM"]["seconds"]
    return bool(is_faster and found["IRDM"]["accuracy"] > found["RDM"]["accuracy"] - 0.01)


TABLE = Table(
    title="Classifiers trained by RDM and IRDM",
    axes=("panel", "method", "nodes"),
    columns=(
        Column(name="accuracy", better="higher"),
        Column(name="seconds", unit="s", better="lower"),
        Column(name="evaluations", better="lower"),
    ),
    presets={
        "smoke": (Grid(cells=(_A[0], _B[1]), options=_SMALL, stands_in=True),),
        "quick": (
            Grid(
                cells=_A,
                options=replace(
                    _PHOTOGRAPHS,
                    data="cifar10-jpeg",
                    epochs=3,
                    batch_size=128,
                    learning_rate=0.05,
                    channels=16,
                    train_images=2_000,
                    test_images=1_000,
                ),
            ),
            Grid(cells=_B, options=replace(_DIGITS, epochs=1, channels=16, train_images=10_000, test_images=2_000)),
        ),
        "paper": (Grid(cells=_A, options=_PHOTOGRAPHS), Grid(cells=_B, options=_DIGITS)),
    },
    claims=(Claim(quote="the IRDM gives higher test accuracy and requires less training time", holds=_is_faster),),
)


def run_cell(cell: Cell[Interpolated], bench: Bench) -> Mapping[str, Any]:
    """One network: its accuracy, the time of its training, and evaluations of the field in its last step."""
    tolerance, method = cell.options.tolerance, str(cell.axes["method"])
    built: dict[str, Any] = {"solver": "dopri5", "rtol": tolerance, "atol": tolerance, "gradient": "rdm"}
    if method != "RDM":
        kind = "linear" if "linear" in method else "chebyshev"
        built |= {"gradient": "irdm", "nodes": cell.axes["nodes"], "interpolation": kind}
    found = trained(cell.options, built, bench, cell.seed)
    return {"accuracy": found.accuracy, "seconds": found.seconds, "evaluations": found.evaluations}
