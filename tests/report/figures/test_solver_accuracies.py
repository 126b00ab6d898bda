"""The figure of the (S, n)-criterion: a line a solver, with the training's own beside it."""

from __future__ import annotations

import math

from corank.ode.smoothness import Smoothness, SolverAccuracy
from corank.report import figures_of
from corank.report.palette import ACCENT, SECOND

from .svg_reading import are_on_one_scale, outlines, texts


def row(solver: str, evaluations: int, accuracy: float) -> SolverAccuracy:
    return SolverAccuracy(
        solver=solver, steps=evaluations, evaluations=evaluations, accuracy=accuracy, drop=0.9 - accuracy,
        standard_error=0.01,
    )  # fmt: skip


FOUND = Smoothness(
    verdict="not smooth",
    message="it falls",
    tolerance=0.01,
    samples=100,
    trained=row("Euler", 2, 0.9),
    stronger=(
        *(row("Euler", n, 0.9 - 0.02 * n) for n in (4, 8, 16)),
        *(row("RK4", n, 0.9 - 0.03 * n) for n in (4, 8, 16)),
    ),
)


def test_every_solver_has_its_line() -> None:
    figure = figures_of(FOUND)["solver-accuracies"]
    for svg in (figure.svg, figure.svg_narrow):
        assert {"Euler, trained with", "Euler", "RK4", "16"} <= set(texts(svg))
        for solver, colour in (("Euler", ACCENT), ("RK4", SECOND)):
            rows = [one for one in FOUND.stronger if one.solver == solver]
            (line,) = (line for line in outlines(svg, colour.light) if len({y for _, y in line}) == 3)
            assert are_on_one_scale([math.log2(one.evaluations) for one in rows], [x for x, _ in line])
            assert are_on_one_scale([one.accuracy for one in rows], [y for _, y in line], falling=True)
    assert "1.0" in figure.caption
