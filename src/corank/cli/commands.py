"""The commands that are no single method: study, train and cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

import corank
from corank.cli.attack import attack_app
from corank.cli.defend import defend_app
from corank.cli.export import export, shape_of
from corank.cli.fragility import fragility
from corank.cli.methods import compress_app, measure_app
from corank.cli.ode import ode_app
from corank.cli.output import print_json, print_table, say
from corank.cli.reproduce import reproduce_app
from corank.cli.source import Flag, Options, Source, StudySource, convert, seeded
from corank.cli.theory import theory
from corank.cli.training import train_and_tell
from corank.errors import InputError
from corank.experiment import Study, Training, open_network
from corank.experiment.costing import cost_of
from corank.experiment.networks import meant, with_meant_layers
from corank.experiment.run_folder import said
from corank.experiment.study_run import STUDY, run_study
from corank.experiment.tables import cost_table
from corank.network import Layer
from corank.report import PAGE

app = App(
    name="corank",
    help=corank.__doc__,
    version=corank.__version__,
    default_parameter=Parameter(converter=convert, negative=""),
    suppress_keyboard_interrupt=False,
)
app.command(measure_app)
app.command(compress_app)
app.command(attack_app)
app.command(defend_app)
app.command(fragility)
app.command(ode_app)
app.command(reproduce_app)
app.command(export)
app.command(theory)


@app.command
def study(
    *,
    source: StudySource = StudySource(),  # noqa: B008 - frozen
    options: Annotated[Study, Options] = Study(),  # noqa: B008 - frozen
    train_epochs: int | None = None,
    out: Path,
    quick: Flag = False,
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """Measure every layer of a network, forecast every cut, build the few worth it, and write a page.

    Args:
        source: the network and the data; a network without weights is trained first.
        options: of the study.
        train_epochs: of a network without weights.
        out: the folder for the page, study.json, figures and the cut networks.
        quick: fewer samples and one epoch of fine-tuning, where these are not given.
        overwrite: replace the study that is in that folder.
        json: print what study.json holds.
    """
    source.spare(out, overwrite)
    if train_epochs is not None and train_epochs < 1:
        raise InputError(f"--train-epochs must be at least 1, got {train_epochs}")
    training = Training(epochs=train_epochs, seed=source.seed, device=source.device)
    opened, dataset = source.open(untrained=True)
    is_random = source.random_weights and not opened.is_trained
    opened = replace(opened, is_trained=opened.is_trained or is_random)
    if train_epochs is not None and opened.is_trained:
        raise InputError(
            f"--train-epochs {train_epochs} is for a network that is trained here, {source.network!r} is not"
        )
    chosen = _hastened(options) if quick else options
    chosen = with_meant_layers(seeded(chosen, source.seed), opened.network)
    found = run_study(opened, dataset, chosen, training, out, random_weights=is_random, overwrite=overwrite, report=say)
    if json:
        print_json(found)
        return
    for sentence in said(found, out / STUDY, "summary"):
        print(sentence)
    print(f"The page: {out / PAGE}")


@app.command
def train(
    *,
    source: Source,
    out: Path,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    precision: str | None = None,
    processes: int = 1,
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """Train a network; an interrupted training goes on where it stopped.

    Args:
        source: the network and the data.
        out: the run folder.
        epochs: passes over the training images; the default depends on the network.
        batch_size: images a step.
        learning_rate: the largest of the schedule.
        weight_decay: of the optimiser.
        precision: 32-true or bf16-mixed.
        processes: how many train together.
        overwrite: replace the run that is in that folder.
        json: print metrics.json.
    """
    source.spare(out, overwrite)
    training = Training(
        epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, weight_decay=weight_decay,
        seed=source.seed, device=source.device, precision=precision, processes=processes,
    )  # fmt: skip
    train_and_tell(source, training, out, overwrite=overwrite, json=json)


@app.command
def cost(
    *,
    network: str,
    layer: Layer | None = None,
    rank: int = 50,
    order: int = 2,
    classes: int | None = None,
    input_shape: str | None = None,
    weights: Path | None = None,
    latency: Annotated[bool, Parameter(negative="--no-latency")] = True,
    json: Flag = False,
) -> None:
    """Count parameters, storage and multiply-adds of a network, and of its ASNet if it is cut at a layer.

    Args:
        network: a name of the zoo, a run folder, or package.module:factory.
        layer: where to cut: a name, or the number of a convolution.
        rank: directions kept at the cut.
        order: of the polynomial.
        classes: outputs of a network of the zoo.
        input_shape: of one input, as in 3,32,32; needed for a factory's network.
        weights: for a zoo name or a factory; costs do not depend on them.
        latency: measure it too, at batch sizes 1 and 64.
        json: print JSON.
    """
    opened = open_network(
        network, weights=weights, classes=classes, shape=None if input_shape is None else shape_of(input_shape)
    )
    place = None if layer is None else meant(layer, opened.network)
    found = cost_of(opened, place, rank=rank, order=order, latency=latency)
    if json:
        print_json(found)
    else:
        print_table(cost_table(found))


def _hastened(options: Study) -> Study:
    """The study with little of everything that it was not told."""
    default = Study()
    little = {"samples": 1024, "fit_samples": 10_000, "epochs": 1, "attack_images": 50}
    return replace(options, **{k: v for k, v in little.items() if getattr(options, k) == getattr(default, k)})
