"""A density learnt from points by a flow: a training in steps, checkpoints to resume from, a run folder at the end."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from corank.errors import InputError
from corank.experiment.ode.density_page import density_page
from corank.experiment.ode.learnt import DensityRow, mean_log_density, pictured
from corank.experiment.run_folder import CHECKPOINT, FLOW, Origin, claim, clear_run, load_run, save_run, write_json
from corank.network import fingerprint
from corank.ode.flow import Flow, NegativeLogDensity
from corank.ode.flow_options import FlowOptions
from corank.train import Checkpoint, fit
from corank.train.fit import EpochEnd
from corank.train.randomness import derived_seed
from corank.zoo.data.densities import PointData

ROWS = "rows.json"
_STRETCH = 50  # steps after which the loss on held-out points is read, and a checkpoint written


@dataclass(frozen=True, kw_only=True)
class DensityTraining:
    """How a flow is trained; the defaults are the thesis' for toy densities (section 2.5.2), with fewer steps.

    Args:
        flow: how the flow is built.
        steps: gradient steps; the thesis takes 10,000.
        batch_size: points a step, drawn afresh.
        learning_rate: of Adam.
        seed: of the weights, the points and the noise.

    Raises:
        InputError: an option out of its range.
    """

    flow: FlowOptions = field(default_factory=FlowOptions)
    steps: int = 1500
    batch_size: int = 100
    learning_rate: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 < self.learning_rate < math.inf:
            raise InputError(f"learning_rate must be positive, got {self.learning_rate}")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"seed must be between 0 and {2**32 - 1}, got {self.seed}")

    def run(
        self,
        data: PointData,
        out: Path,
        *,
        overwrite: bool = False,
        report: Callable[[str], None] = lambda stage: None,
    ) -> dict[str, Any]:
        """Learn the density and write the run folder; a run that was interrupted goes on where it stopped.

        Args:
            data: the points.
            out: the run folder. A finished run with the same options is returned as it is.
            overwrite: replace whatever run is there, finished or not.
            report: told when there is nothing to do, and when an earlier training goes on.

        Returns:
            What `metrics.json` holds.

        Raises:
            InputError: the folder holds something else, or the training fails for its options.
        """
        options = self._options(data)
        finished = claim(out, options, overwrite=overwrite)
        if finished is not None:
            report(f"{str(out)!r} holds this very density, finished: nothing to do")
            return dict(finished.metrics)
        if overwrite:
            clear_run(out)
        checkpoint = Checkpoint(out / CHECKPOINT, options=options)
        if (latest := checkpoint.latest()) is not None:
            report(f"going on where the training in {str(out)!r} stopped, after {latest.name.replace('-', ' ')}")
        flow, rows = self.fitted(data, checkpoint)
        found = pictured(flow, data, rows, self.seed)
        origin = Origin(
            name=f"flow of {data.name}", zoo_name=FLOW, classes=None, shape=(data.dimension,),
            options=self.flow.to_dict(),
        )  # fmt: skip
        about = {"command": "ode density", "data": data.name, "options": options, "seed": self.seed,
                 "seconds": rows[-1].seconds}  # fmt: skip
        page = density_page(found, out, options)
        save_run(out, flow, origin, about=about, metrics=found.to_dict(), page=page)
        shutil.rmtree(out / CHECKPOINT, ignore_errors=True)
        return dict(load_run(out).metrics)

    def fitted(self, data: PointData, checkpoint: Checkpoint | None = None) -> tuple[Flow, tuple[DensityRow, ...]]:
        """A trained flow, and how its training went; the flow is in evaluation mode.

        Args:
            data: the points.
            checkpoint: where every stretch of the training is kept.
        """
        generator = torch.Generator().manual_seed(self.seed)
        flow = self.flow.build(data.dimension, mean=data.mean, std=data.std, generator=generator)
        count = math.ceil(self.steps / _STRETCH)
        batches = _Fresh(data, self.batch_size, self.steps, math.ceil(self.steps / count), self.seed)
        rows = _Rows(flow, data, batches, None if checkpoint is None else checkpoint.folder / ROWS)
        fit(
            flow,
            batches,
            epochs=math.ceil(self.steps / batches.stretch),
            optimiser=partial(torch.optim.Adam, lr=self.learning_rate),
            objective=NegativeLogDensity(),
            callbacks=[rows],
            checkpoint=checkpoint,
            seed=self.seed,
            label=f"learning the density of {data.name}",
        )
        return flow.eval(), tuple(rows.found)

    def _options(self, data: PointData) -> dict[str, Any]:
        return {
            "data": data.name, "points": fingerprint({"test": data.test}), "flow": self.flow.to_dict(),
            "steps": self.steps, "batch_size": self.batch_size, "learning_rate": self.learning_rate,
            "seed": self.seed,
        }  # fmt: skip


class _Fresh:
    """Batches of fresh points, a stretch of steps at a time; the last stretch is what is left."""

    def __init__(self, data: PointData, batch_size: int, steps: int, stretch: int, seed: int) -> None:
        self.data, self.batch_size, self.steps, self.stretch, self.seed = data, batch_size, steps, stretch, seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the stretch, counted from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.stretch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(derived_seed(self.seed, self.epoch, "points"))
        for _ in range(min(self.stretch, self.steps - self.epoch * self.stretch)):
            yield self.data.draw(self.batch_size, generator), torch.zeros(self.batch_size, dtype=torch.int64)


class _Rows:
    """What is known after each stretch; kept in a file beside the checkpoint, for a training that is resumed."""

    def __init__(self, flow: Flow, data: PointData, batches: _Fresh, file: Path | None) -> None:
        self.flow, self.data, self.batches, self.file = flow, data, batches, file
        self.found: list[DensityRow] = []
        if file is not None and file.is_file():
            self.found = [DensityRow(**row) for row in json.loads(file.read_text())]

    def __call__(self, end: EpochEnd) -> None:
        counts = self.flow.statistics
        self.found = self.found[: end.epoch - 1]
        before = self.found[-1].seconds if self.found else 0.0
        self.found.append(
            DensityRow(
                step=min(end.epoch * self.batches.stretch, self.batches.steps),
                seconds=before + end.row.seconds,
                train_loss=end.row.loss,
                test_loss=-mean_log_density(self.flow, self.data.test),
                evaluations_forward=sum(one.evaluations_forward for one in counts),
                evaluations_backward=sum(one.evaluations_backward for one in counts),
                gradient=counts[0].gradient,
            )
        )
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_json(self.file, self.found)
