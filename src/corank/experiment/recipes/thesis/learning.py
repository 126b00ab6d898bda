"""What Table 2.1 and Figures 2.4, 2.5, 2.8 and 2.9 share: densities learnt with one gradient method or another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.ode.density import DensityTraining
from corank.experiment.recipe import Axes, Cell, digest
from corank.ode.flow_options import FlowOptions
from corank.zoo.data.densities import PointData, load_points

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

    def flow(self, axes: Axes) -> FlowOptions:
        """The flow of a cell."""
        return FlowOptions(
            hidden=self.hidden, rtol=self.tolerance, atol=self.tolerance, **self.gradient_of(axes)
        )  # fmt: skip

    def gradient_of(self, axes: Axes) -> dict[str, Any]:
        """The options of a cell's gradient method."""
        if axes["method"] == "RDM":
            return {"gradient": "rdm"}
        return {"gradient": "irdm", "nodes": axes["nodes"], "printed_weights": self.printed_weights}

    def points(self, axes: Axes, bench: Bench) -> PointData:
        """The data of a cell."""
        return load_points(str(axes["dataset"]))


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
    key = f"thesis/densities/{name}-{digest(asdict(options))}/seed-{cell.seed}"

    def train() -> dict[str, Any]:
        bench.report(f"learning {name}, {options.steps} steps")
        training = DensityTraining(
            flow=options.flow(axes), steps=options.steps, batch_size=options.batch_size,
            learning_rate=options.learning_rate, seed=cell.seed,
        )  # fmt: skip
        _, rows = training.fitted(options.points(axes, bench))
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


def irdm_takes_fewer(column: str) -> Callable[[Sequence[Mapping[str, Any]]], bool | None]:
    """Whether, in a column, every IRDM has less than RDM on its data set; None where RDM has no IRDM beside it."""

    def holds(rows: Sequence[Mapping[str, Any]]) -> bool | None:
        verdicts = [
            count < counts[None]
            for counts in by_method(rows, column).values()
            if None in counts
            for nodes, count in counts.items()
            if nodes is not None
        ]
        return all(verdicts) if verdicts else None

    return holds
