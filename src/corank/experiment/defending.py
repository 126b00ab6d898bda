"""A defence as a run: what is watched on the way, checkpoints to resume from, and a run folder at the end."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from corank.defend import Course, Defence, Defended, Watch
from corank.discover import name_of
from corank.errors import InputError
from corank.experiment.compressing import EVALUATION_BATCH, accuracies
from corank.experiment.defence_page import defence_page
from corank.experiment.evaluated import Accuracies
from corank.experiment.networks import Opened, check_capture
from corank.experiment.run_folder import (
    CHECKPOINT,
    Origin,
    Run,
    claim,
    clear_run,
    load_run,
    no_empty_folder,
    refuse_other_beginning,
    save_run,
)
from corank.experiment.training import Training
from corank.network import capture, cost
from corank.result import jsonable
from corank.train import Checkpoint
from corank.train.devices import checked_device
from corank.zoo import Batches, Dataset, TrainingDefaults, training_defaults


def run_defence(
    opened: Opened,
    dataset: Dataset,
    defence: Defence,
    training: Training,
    out: Path,
    *,
    watch: Watch,
    overwrite: bool = False,
    report: Callable[[str], None] = lambda stage: None,
) -> Run:
    """Defend a network and write its run folder; a run that was interrupted goes on where it stopped.

    Args:
        opened: the network, trained or not; it comes back as it was, on the device of the training.
        dataset: trained on its training split, watched on its validation split.
        defence: the method with its options.
        training: epochs, rates and the like; one process in full precision.
        out: the run folder. A finished run with the same options is returned as it is.
        watch: what is looked at after each epoch.
        overwrite: replace whatever run is there, finished or not.
        report: told when there is nothing to do, and when an earlier run goes on.

    Raises:
        InputError: the folder holds something else, or the network or the data do not suit the options.
    """
    defaults = training.filled(training_defaults(opened.origin.name, dataset.name))
    options = {
        **training.options(opened, dataset, defaults), "method": type(defence).__name__, **asdict(defence),
        "watch": asdict(watch),
    }  # fmt: skip
    if opened.origin.zoo_name is None:
        check_capture(opened)
    with no_empty_folder(out):
        finished = claim(out, options, overwrite=overwrite)
        if finished is not None:
            report(f"{str(out)!r} holds this very defence, finished: nothing to do")
            return finished
        if overwrite:
            clear_run(out)
        checkpoint = Checkpoint(out / CHECKPOINT, options={"run": options})
        if (latest := checkpoint.latest()) is not None:
            stopped = latest.name.replace("-", " ")
            refuse_other_beginning(out, "defence", stopped, checkpoint.kept_options().get("run"), options)
            report(
                f"{str(out)!r} holds this very defence, which stopped after {stopped} of {defaults.epochs}: going on "
                "from there (--overwrite begins anew)"
            )
        opened.network.to(checked_device(training.device))
        found = _defended(opened, dataset, defence, training, defaults, watch, checkpoint)
        _save(out, opened, dataset, defence, found, options, training)
        shutil.rmtree(out / CHECKPOINT, ignore_errors=True)
        return load_run(out)


def _defended(
    opened: Opened,
    dataset: Dataset,
    defence: Defence,
    training: Training,
    defaults: TrainingDefaults,
    watch: Watch,
    checkpoint: Checkpoint,
) -> Defended:
    course = Course(
        epochs=defaults.epochs, optimiser=defaults.make_optimiser, schedule=defaults.schedule, seed=training.seed
    )  # fmt: skip
    batches = Batches(
        dataset.train, defaults.batch_size, shuffle=True, seed=training.seed, augment=defaults.augment
    )  # fmt: skip
    return defence.defend(
        opened.network,
        batches,
        course,
        bounds=dataset.bounds,
        watch=watch,
        validation=Batches(dataset.validation, EVALUATION_BATCH),
        checkpoint=checkpoint,
        label=f"{name_of(type(defence))} of {opened.origin.name} on {dataset.name}",
    )


def _save(
    out: Path,
    opened: Opened,
    dataset: Dataset,
    defence: Defence,
    found: Defended,
    options: dict[str, Any],
    training: Training,
) -> None:
    """Evaluate the defended network and write its run folder."""
    result = accuracies(found.network, dataset)
    network = found.network.cpu()
    origin = opened.origin
    if origin.zoo_name is not None and {*network.state_dict()} != {*opened.network.state_dict()}:
        origin = Origin(name=f"{type(defence).__name__} of {origin.name}", zoo_name=None, classes=origin.classes,
                        shape=origin.shape, dtype=origin.dtype)  # fmt: skip
    example = torch.zeros(2, *origin.shape, dtype=getattr(torch, origin.dtype))
    if origin.zoo_name is None:
        network = capture(network, example)
    page = defence_page(
        opened.origin.name, defence, dataset, result, cost(network, origin.shape, example.dtype), found,
        folder=out, options=options, device=training.device,
    )  # fmt: skip
    about = {"command": "defend", "data": dataset.name, "bounds": dataset.bounds, "options": options,
             "seed": training.seed, "seconds": found.history.row()["seconds"]}  # fmt: skip
    save_run(out, network, origin, about=about, metrics=defence_metrics(result, found), page=page)


def defence_metrics(result: Accuracies, found: Defended) -> dict[str, Any]:
    """What `metrics.json` of a defended network holds: a row an epoch, and the last one's accuracies.

    Args:
        result: on the whole validation and test split, without attack.
        found: the defended network.
    """
    watched = found.watched
    if watched is None:
        raise InputError("the metrics of a defence are what was watched, got nothing: watch at least the accuracies")
    trained = {row.epoch: jsonable(row) for row in found.history.rows}
    return {
        **result.row(),
        "robust_validation_accuracy": watched.rows[-1].robust_accuracy,
        "attack": {
            "name": "pgd", "norm": watched.norm, "radius": watched.radius, "steps": watched.steps,
            "images": watched.images,
        },
        "epochs": found.history.iterations,
        "seconds": found.history.row()["seconds"],
        "message": found.history.message,
        "history": [_epoch(jsonable(row), trained.get(row.epoch, {})) for row in watched.rows],
    }  # fmt: skip


def _epoch(seen: dict[str, Any], trained: dict[str, Any]) -> dict[str, Any]:
    """A row: how the epoch was trained, the accuracies after it, and the numbers of every layer."""
    return {
        "epoch": seen["epoch"],
        "loss": trained.get("loss"),
        "train_accuracy": trained.get("accuracy"),
        "learning_rate": trained.get("learning_rate"),
        "seconds": trained.get("seconds"),
        "clean_accuracy": seen["clean_accuracy"],
        "robust_accuracy": seen["robust_accuracy"],
        "fooled": seen["fooled"],
        "layers": seen["weights"],
        "information": seen["information"],
        "variance_ratios": seen["variance_ratios"],
    }
