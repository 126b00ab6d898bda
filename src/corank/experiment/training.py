"""A training as a run: defaults, checkpoints to resume from, accuracies, and a run folder at the end."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from corank.errors import InputError
from corank.experiment.compressing import accuracies
from corank.experiment.evaluated import Accuracies
from corank.experiment.networks import Opened, check_capture, identity
from corank.experiment.ode.blocks import BlockRow, block_rows, block_sections
from corank.experiment.processes import is_first_process
from corank.experiment.run_folder import CHECKPOINT, Run, claim, clear_run, load_run, save_run
from corank.experiment.run_pages import training_page
from corank.network import cost
from corank.report.format import number
from corank.train import Checkpoint, EpochEnd, EpochRow, History, fit, make_fabric
from corank.train.devices import Devices, checked_device
from corank.zoo import Batches, Dataset, TrainingDefaults, training_defaults


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a network is trained; None leaves an option to the default of the network and the data.

    Args:
        epochs: passes over the training split.
        batch_size: images a step.
        learning_rate: the largest of the schedule.
        weight_decay: of the optimiser.
        seed: of the weights, the order of the images and the noise.
        device: `cpu`, `cuda` or `cuda:N`.
        precision: `32-true` or `bf16-mixed`.
        processes: how many train together.

    Raises:
        InputError: an option out of its range.
    """

    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    seed: int = 0
    device: str = "cpu"
    precision: str | None = None
    processes: int = 1

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} must be at least 1, got {value}")
        if self.learning_rate is not None and not 0 < self.learning_rate < math.inf:
            raise InputError(f"learning_rate must be positive, got {self.learning_rate}")
        if self.weight_decay is not None and not 0 <= self.weight_decay < math.inf:
            raise InputError(f"weight_decay must not be negative, got {self.weight_decay}")

    def run(
        self,
        opened: Opened,
        dataset: Dataset,
        out: Path,
        *,
        overwrite: bool = False,
        report: Callable[[str], None] = lambda stage: None,
        each_epoch: Callable[[str], None] = lambda words: None,
    ) -> Run:
        """Train a network and write the run folder; a run that was interrupted goes on where it stopped.

        Args:
            opened: the network; it is trained in place.
            dataset: trained on its training split.
            out: the run folder. A finished run with the same options is returned as it is.
            overwrite: replace whatever run is there, finished or not.
            report: told when there is nothing to do, and when an earlier training goes on.
            each_epoch: told of every epoch in a line as it ends.

        Raises:
            InputError: the folder holds something else, or the training fails for its options.
        """
        defaults = self.filled(training_defaults(opened.origin.name, dataset.name))
        options = self.options(opened, dataset, defaults)
        if opened.origin.zoo_name is None:
            check_capture(opened)
        fabric = make_fabric(self.device, self.precision, self.processes)
        finished = claim(out, options, overwrite=overwrite)
        if finished is not None:
            report(f"{str(out)!r} holds this very training, finished: nothing to do")
            return finished
        if overwrite and is_first_process():
            clear_run(out)
        if fabric is not None:
            fabric.barrier()
        checkpoint = Checkpoint(out / CHECKPOINT, options=options)
        if (latest := checkpoint.latest()) is not None:
            report(f"going on where the training in {str(out)!r} stopped, after {latest.name.replace('-', ' ')}")
        if fabric is None:
            opened.network.to(checked_device(self.device))
        history = self._fit(opened, dataset, defaults, checkpoint, fabric, each_epoch)
        blocks = block_rows(opened.network)
        opened.network.eval()
        if is_first_process():
            self._save(out, opened, dataset, history, blocks, options)
            shutil.rmtree(out / CHECKPOINT, ignore_errors=True)
        if fabric is not None:
            fabric.barrier()
        return load_run(out)

    def _fit(
        self,
        opened: Opened,
        dataset: Dataset,
        defaults: TrainingDefaults,
        checkpoint: Checkpoint,
        fabric: Devices | None,
        each_epoch: Callable[[str], None],
    ) -> History:
        batches = Batches(dataset.train, defaults.batch_size, shuffle=True, seed=self.seed, augment=defaults.augment)

        def told(end: EpochEnd) -> None:
            each_epoch(epoch_words(end.row, defaults.epochs))

        return fit(
            opened.network,
            batches,
            epochs=defaults.epochs,
            optimiser=defaults.make_optimiser,
            schedule=defaults.schedule,
            callbacks=(told,),
            checkpoint=checkpoint,
            seed=self.seed,
            fabric=fabric,
            label=f"training {opened.origin.name} on {dataset.name}",
        )

    def _save(
        self,
        out: Path,
        opened: Opened,
        dataset: Dataset,
        history: History,
        blocks: tuple[BlockRow, ...],
        options: dict[str, Any],
    ) -> None:
        """Evaluate the trained network and write its run folder."""
        found = accuracies(opened.network, dataset)
        network, origin = opened.network.cpu(), opened.origin
        page = training_page(
            origin.name, dataset, found, cost(network, origin.shape, getattr(torch, origin.dtype)), history,
            folder=out, options=options, device=self.device, more=block_sections(blocks),
        )  # fmt: skip
        about = {"command": "train", "data": dataset.name, "bounds": dataset.bounds, "options": options,
                 "seed": self.seed, "seconds": history.row()["seconds"]}  # fmt: skip
        save_run(out, network, origin, about=about, metrics=_metrics(found, history, blocks), page=page)

    def filled(self, defaults: TrainingDefaults) -> TrainingDefaults:
        """The defaults with the options that were given in their place."""
        given = {
            field.name: getattr(self, field.name)
            for field in fields(TrainingDefaults)
            if getattr(self, field.name, None) is not None
        }
        return replace(defaults, **given)

    def options(self, opened: Opened, dataset: Dataset, defaults: TrainingDefaults) -> dict[str, Any]:
        """What makes a training this one: the options that a run folder records and compares."""
        named = {**asdict(defaults), "schedule": repr(defaults.schedule), "augment": repr(defaults.augment)}
        own = {"network_options": opened.origin.options} if opened.origin.options else {}
        return {**identity(opened, dataset), **own, **named, "seed": self.seed,
                "precision": self.precision, "processes": self.processes}  # fmt: skip


def epoch_words(row: EpochRow, epochs: int) -> str:
    """One epoch in a line.

    Example:
        >>> epoch_words(EpochRow(epoch=2, loss=0.51234, accuracy=0.75, learning_rate=0.1, seconds=12.0), 30)
        'epoch 2 of 30: loss 0.512, accuracy 75.0%, 12.0 s'
    """
    accuracy = "" if row.accuracy is None else f", accuracy {row.accuracy:.1%}"
    return f"epoch {row.epoch} of {epochs}: loss {number(row.loss)}{accuracy}, {number(row.seconds)} s"


def _metrics(found: Accuracies, history: History, blocks: tuple[BlockRow, ...]) -> dict[str, Any]:
    last = history.rows[-1]
    return {
        **found.row(),
        "train_accuracy": last.accuracy,
        "train_loss": last.loss,
        "epochs": last.epoch,
        "seconds": history.row()["seconds"],
        "message": history.message,
        "history": history.rows,
        **({"ode_blocks": blocks} if blocks else {}),
    }
