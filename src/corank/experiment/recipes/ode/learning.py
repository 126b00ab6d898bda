"""What Table 2.1 and Figures 2.8 and 2.9 share: planar densities learnt with one gradient method or another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.ode.density import DensityTraining
from corank.experiment.recipe import Axes, Cell, digest
from corank.ode.flow_options import FlowOptions
from corank.zoo.data.densities import load_points

DATASETS = ("pinwheel", "circles", "moons", "2spirals")
NODES = (4, 8, 16, 32, 64, 128)


@dataclass(frozen=True, kw_only=True)
class Learning:
    """Under which circumstances densities are learnt.

    Attributes:
        steps: of Adam.
        hidden: units of the field's hidden layers.
        batch_size: points a step.
        learning_rate: of Adam.
        tolerance: of the solver, relative and absolute.
        printed_weights: whether the interpolation has the weights that the thesis prints.
    """

    steps: int = 10_000
    hidden: tuple[int, ...] = (64, 64)
    batch_size: int = 100
    learning_rate: float = 1e-3
    tolerance: float = 1e-5
    printed_weights: bool = True


PUBLISHED = Learning()
QUICK = Learning(steps=1500)
SMALL = Learning(steps=3, hidden=(8,), tolerance=1e-3)


def cells_of(datasets: Sequence[str], nodes: Sequence[int]) -> tuple[Axes, ...]:
    """RDM, and IRDM with every number of nodes, on every data set."""
    found: list[Axes] = []
    for dataset in datasets:
        found.append({"dataset": dataset, "method": "RDM"})
        found += [{"dataset": dataset, "method": "IRDM", "nodes": count} for count in nodes]
    return tuple(found)


def learnt(cell: Cell[Learning], bench: Bench) -> Mapping[str, Any]:
    """One training, done once for all tables that want it: seconds, evaluations, losses and their course."""
    options, axes = cell.options, cell.axes
    name = "-".join(str(value) for value in axes.values())
    key = f"ode/densities/{name}-{digest(asdict(options))}/seed-{cell.seed}"

    def train() -> dict[str, Any]:
        bench.report(f"learning {name}, {options.steps} steps")
        own: dict[str, Any] = (
            {} if axes["method"] == "RDM" else {"nodes": axes["nodes"], "printed_weights": options.printed_weights}
        )
        flow = FlowOptions(
            hidden=options.hidden, gradient=str(axes["method"]).lower(), rtol=options.tolerance,
            atol=options.tolerance, **own,
        )  # fmt: skip
        training = DensityTraining(
            flow=flow, steps=options.steps, batch_size=options.batch_size, learning_rate=options.learning_rate,
            seed=cell.seed,
        )  # fmt: skip
        _, rows = training.fitted(load_points(str(axes["dataset"])))
        taken = [after - before for before, after in pairwise((0, *(row.step for row in rows)))]
        return {
            "seconds": rows[-1].seconds,
            "evaluations": sum(
                steps * (row.evaluations_forward + row.evaluations_backward)
                for steps, row in zip(taken, rows, strict=True)
            ),
            "test_loss": rows[-1].test_loss,
            "course": [asdict(row) for row in rows],
        }

    return bench.store.once(key, train)


def by_method(rows: Sequence[Mapping[str, Any]], column: str) -> dict[str, dict[int | None, float]]:
    """A column by data set and number of nodes, that of RDM under None."""
    found: dict[str, dict[int | None, float]] = {}
    for row in rows:
        if row[column] is not None:
            found.setdefault(row["dataset"], {})[row.get("nodes")] = row[column]
    return found
