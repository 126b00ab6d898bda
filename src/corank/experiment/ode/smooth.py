"""The (S, n)-criterion of a trained network on a data set, with its table and its page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from corank.errors import InputError
from corank.experiment import run_folder
from corank.experiment.compressing import EVALUATION_BATCH
from corank.experiment.networks import Opened, identity
from corank.experiment.words import sentence
from corank.ode.smoothness import Smoothness, smoothness
from corank.report import PAGE, Column, Page, Section, Table, figures_of, write_page
from corank.report.format import percent
from corank.train.progress import stage
from corank.zoo import Batches, Dataset

SMOOTHNESS = "smoothness.json"
OWN_FILES = {"figures", PAGE, SMOOTHNESS}


def run_smoothness(
    opened: Opened,
    dataset: Dataset,
    out: Path | None = None,
    *,
    evaluations: Sequence[int] = (),
    images: int = 2000,
    tolerance: float = 0.01,
    overwrite: bool = False,
    report: Callable[[str], None] = lambda stage: None,
) -> Smoothness:
    """Try a trained network with stronger solvers, and write a folder with the page where one is named.

    Args:
        opened: the network, with ODE blocks.
        dataset: on whose test split it is tried.
        out: the folder.
        evaluations: of the field in one solve that are tried.
        images: only the first so many of the test split.
        tolerance: the drop of accuracy that counts as none.
        overwrite: replace what was found with other options.
        report: told of each solver as it begins.

    Raises:
        InputError: an option out of its range, a network without ODE blocks, or a folder that cannot be used.
    """
    if images < 1:
        raise InputError(f"images must be at least 1, got {images}")
    chosen = {"evaluations": list(evaluations), "images": images, "tolerance": tolerance}
    options: dict[str, Any] = {**identity(opened, dataset), **chosen}
    if out is not None:
        _claim(out, options, overwrite=overwrite)
    batches = Batches(dataset.test, EVALUATION_BATCH, limit=images)
    with stage("trying stronger solvers") as said:

        def told(what: str) -> None:
            said(what)
            report(what)

        found = smoothness(opened.network, batches, evaluations=evaluations, tolerance=tolerance, report=told)
    if out is not None:
        if (out / SMOOTHNESS).is_file():
            run_folder.clear_page(out, SMOOTHNESS)
        write_page(smoothness_page(opened.origin.name, dataset.name, found, options), out)
        run_folder.write_json(
            out / SMOOTHNESS, {"options": options, "versions": run_folder.versions(), **found.to_dict()}
        )
    return found


def smoothness_table(found: Smoothness) -> Table:
    """A row a solver, that of the training first."""
    columns = (
        Column("solver"),
        Column("steps", note="of one solve"),
        Column("evaluations", note="of the field in one solve"),
        Column("accuracy", show=lambda share: percent(share, 2)),
        Column("drop", note="against the solver of the training", show=lambda share: percent(share, 2)),
        Column("± standard error", show=lambda share: percent(share, 2)),
    )
    own: tuple[Any, ...] = (f"{found.trained.solver}, as trained", *_numbers(found.trained), None, None)
    rows = [own]
    rows += [(row.solver, *_numbers(row), row.drop, row.standard_error) for row in found.stronger]
    return Table(columns, tuple(rows), f"The (S, n)-criterion: {found.verdict}.")


def smoothness_page(network: str, data: str, found: Smoothness, options: dict[str, Any]) -> Page:
    """The page of the criterion."""
    return Page(
        title=f"{network}: has it learnt a smooth system?",
        subtitle=f"The (S, n)-criterion on {data}: the same weights, stronger solvers",
        summary=(sentence(found.message),),
        facts=(
            ("verdict", found.verdict),
            ("accuracy as trained", percent(found.trained.accuracy)),
            ("with the worst solver", percent(found.worst.accuracy)),
        ),
        sections=(
            Section(
                "Stronger solvers",
                text=(
                    "A network whose ODE blocks solve an equation is as good or better with a more accurate solution. "
                    "One that falls with it has learnt to use the errors of its solver (Daulbaev, Applications of "
                    "Differential Equations and Reduced-Order Modeling for Deep Learning, section 3.3.2). The "
                    "criterion says nothing of a network whose later layers change much with small changes of the "
                    "blocks' outputs.",
                ),
                tables=(smoothness_table(found),),
                figures=tuple(figures_of(found).values()),
            ),
        ),
        provenance={**{name: value for name, value in options.items() if value}, **run_folder.versions()},
    )


def _numbers(row: Any) -> tuple[float, float, float]:
    return _whole(row.steps), _whole(row.evaluations), row.accuracy


def _whole(value: float) -> float:
    return int(value) if value == int(value) else value


def _claim(out: Path, options: dict[str, Any], *, overwrite: bool) -> None:
    run_folder.make_writable(out)
    if not (out / SMOOTHNESS).is_file():
        run_folder.refuse_foreign(out, OWN_FILES, "smoothness")
    elif not overwrite:
        stored = run_folder.read_json(out / SMOOTHNESS).get("options")
        run_folder.refuse_difference(out, "smoothness", stored, options)
