"""`corank ode compare`: gradient methods side by side on a field."""

from __future__ import annotations

from corank.cli.output import print_json, print_table, say
from corank.cli.source import Flag
from corank.errors import InputError
from corank.experiment.ode.comparing import METHODS, ODEComparison, check_comparison, compare_gradients
from corank.experiment.ode.problems import check_problem, ode_problem
from corank.report import Column, Table
from corank.report.format import number


def compare(
    *,
    problem: str = "cnf-moons",
    method: tuple[str, ...] = tuple(METHODS),
    tolerance: float = 1e-5,
    repeats: int = 3,
    seed: int = 0,
    json: Flag = False,
) -> None:
    """Compare gradient methods on a field: error, seconds, evaluations and memory.

    Args:
        problem: cnf-moons, a flow's field trained on two moons; conv-block, a smooth convolutional block; dissipative,
            the same that contracts; relu, the same with kinks.
        method: backprop, rdm, irdm, ours, checkpoint, auto or torchdiffeq-adjoint; several may be given.
        tolerance: relative and absolute, of all solves.
        repeats: of the timings.
        seed: of weights and states.
        json: print what was found as JSON.
    """
    check_problem(problem)
    check_comparison(method, tolerance, repeats)
    if not 0 <= seed < 2**32:
        raise InputError(f"seed must be between 0 and {2**32 - 1}, got {seed}")
    say(f"the problem {problem}")
    made = ode_problem(problem, seed)
    found = compare_gradients(
        problem, made, methods=method, seed=seed, tolerance=tolerance, repeats=repeats, report=say
    )
    if json:
        print_json(found)
        return
    print_table(comparison_table(found))
    for row in found.methods:
        if row.note:
            print(f"{row.method}: {row.note}")
    for one in found.left_out:
        print(f"left out: {one.method}: {one.reason}")


def comparison_table(found: ODEComparison) -> Table:
    """A line for each method."""
    columns = (
        Column("method"),
        Column("gradient error", show=number),
        Column("ms forward", show=number),
        Column("ms backward", show=number),
        Column("evaluations"),
        Column("backward"),
        Column("peak MB", show=number),
        Column("chosen"),
    )
    rows = tuple(
        (
            row.method,
            row.gradient_error,
            1000 * row.seconds_forward,
            1000 * row.seconds_backward,
            row.evaluations_forward,
            row.evaluations_backward,
            row.peak_mb,
            row.chosen,
        )
        for row in found.methods
    )
    caption = f"{found.problem}, tolerance {found.tolerance:g}, median of {found.repeats}, {found.threads} thread(s)"
    return Table(columns, rows, caption)
