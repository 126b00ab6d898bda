"""`corank ode train` and `corank ode smoothness`: neural ODEs that classify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from corank.cli.output import print_json, print_table, say
from corank.cli.source import Flag, Options, Source
from corank.cli.training import train_and_tell
from corank.errors import InputError
from corank.experiment import Training
from corank.experiment.ode.smooth import run_smoothness, smoothness_table
from corank.ode.block import blocks_of
from corank.report import PAGE
from corank.zoo import ODEOptions, network_names, ode_names


def train(
    *,
    source: Source,
    options: Annotated[ODEOptions, Options] = ODEOptions(),  # noqa: B008 - frozen
    out: Path,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """Train a neural ODE; an interrupted training goes on where it stopped.

    Args:
        source: the network and the data.
        options: of solver, gradient and normalisation.
        out: the run folder.
        epochs: passes over the training images; the default depends on the network.
        batch_size: images a step.
        learning_rate: the largest of the schedule.
        weight_decay: of the optimiser.
        overwrite: replace the run that is in that folder.
        json: print metrics.json.
    """
    source.spare(out, overwrite)
    if source.network in network_names() and source.network not in ode_names():
        raise InputError(
            f"network {source.network!r} has no ODE blocks: take {', '.join(ode_names())}, or corank train"
        )
    training = Training(
        epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, weight_decay=weight_decay,
        seed=source.seed, device=source.device,
    )  # fmt: skip
    train_and_tell(source, training, out, options=options.given(), overwrite=overwrite, json=json)


def smoothness(
    *,
    source: Source,
    evaluations: tuple[int, ...] = (),
    images: int = 2000,
    tolerance: float = 0.01,
    out: Path | None = None,
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """Ask whether a trained neural ODE has learnt a smooth system, by solving it with stronger solvers.

    Args:
        source: the network, a run folder, and the data.
        evaluations: of the field in one solve that are tried, multiples of 4; by default 2, 4 and 8 times the
            training's.
        images: only the first so many of the test split.
        tolerance: the drop of accuracy that counts as none.
        out: a folder for a page with the figure and smoothness.json.
        overwrite: replace what is in that folder.
        json: print what was found as JSON.
    """
    opened, dataset = source.open()
    if not blocks_of(opened.network):
        raise InputError(f"network {source.network!r} has no ODE blocks: train one first (corank ode train)")
    found = run_smoothness(
        opened, dataset, out, evaluations=evaluations, images=images, tolerance=tolerance, overwrite=overwrite,
        report=say,
    )  # fmt: skip
    if json:
        print_json({"network": opened.origin.name, "data": dataset.name, **found.to_dict()})
        return
    print_table(smoothness_table(found))
    print(f"{found.verdict}: {found.message}")
    if out is not None:
        print(f"The page: {out / PAGE}")
