"""What a defence is: a network to a more robust one, by a training that is done differently.

The base copies the network, runs the one fitting loop with what the defence adds to it, looks at the network after each
epoch, and returns the copy with nothing of the training left in it. The caller's network comes back unchanged, and no
defence grades itself: what is watched is asked of the plain network.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, Optimizer

from corank.attack.budget import Budget
from corank.defend.watching import Watch, Watched, Watcher
from corank.errors import InputError
from corank.measure import Batches, OnDevice, first_that_fits
from corank.network import fingerprint
from corank.network.guard import unchanged
from corank.result import Result, Scalar
from corank.train import Checkpoint, EpochEnd, History, OneCycle, fit
from corank.train.evaluate import device_of
from corank.train.fit import Callback
from corank.train.loop import Penalties, Perturb, Schedule
from corank.train.plateau import Plateau

Bounds = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Course:
    """How a network is trained, whatever the defence.

    Args:
        epochs: passes over the batches.
        optimiser: from parameters to the optimiser.
        schedule: from the progress in [0, 1] to the factor of the learning rate.
        seed: of the noise, and of batches that draw from torch's global generator.
    """

    epochs: int = 5
    optimiser: Callable[[Any], Optimizer] = partial(SGD, lr=0.05, momentum=0.9)  # noqa: RUF009 - not changed
    schedule: Schedule | Plateau = OneCycle()  # noqa: RUF009 - frozen
    seed: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """What a defence makes of a training.

    Attributes:
        network: that is trained; it may hold more than the network that is returned.
        plain: the network as it is to be used, at any time, sharing its weights with the trained one or copying them.
        course: of the training.
        penalties, perturb, callbacks: as the fitting loop takes them.
    """

    network: nn.Module
    plain: Callable[[], nn.Module]
    course: Course
    penalties: Penalties = ()
    perturb: Perturb | None = None
    callbacks: Sequence[Callback] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Defended(Result):
    """A defended network and how its training went.

    Attributes:
        network: in evaluation mode.
        history: of the training.
        watched: what was seen of the network after each epoch; None where nothing was to be watched.
    """

    network: nn.Module = field(metadata={"json": False}, repr=False)
    history: History
    watched: Watched | None = None

    def row(self) -> dict[str, Scalar]:
        """The last epoch, as trained and as watched."""
        return {**self.history.row(), **({} if self.watched is None else self.watched.row())}


@dataclass(frozen=True, kw_only=True)
class Defence(ABC):
    """The base of all defences: options are fields, the verb is `defend`."""

    @property
    def budget_trained_on(self) -> Budget | None:
        """Of the perturbations that are trained on; None where there are none."""
        return None

    def defend(
        self,
        network: nn.Module,
        batches: Batches,
        course: Course = Course(),
        *,
        bounds: Bounds = (0.0, 1.0),
        watch: Watch | None = None,
        validation: Batches | None = None,
        checkpoint: Checkpoint | Path | None = None,
        label: str = "defending",
    ) -> Defended:
        """Train a copy of a network so that it becomes more robust.

        Args:
            network: any `nn.Module`, trained or not; it comes back bit for bit.
            batches: re-iterable training batches `(x, y)`.
            course: of the training.
            bounds: of the inputs.
            watch: what is to be seen of the network before the training and after each epoch.
            validation: batches on which it is watched.
            checkpoint: a folder, alone or with options, in which each epoch is kept and from which it goes on.
            label: what the progress bar says.

        Raises:
            InputError: options that the network or the data cannot satisfy, something to watch without validation
                batches, or a checkpoint that is broken or of other options.
        """
        if watch is not None and validation is None:
            raise InputError("watching a training needs validation batches, got none: give some, or watch nothing")
        with unchanged(network):
            example = first_that_fits(network, OnDevice(batches, device_of(network)))
            if not isinstance(example, torch.Tensor):
                raise InputError(f"a network is defended that takes one tensor, got a {type(example).__name__}")
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(course.seed)  # of what torch draws for new modules and power iterations
                plan = self._plan(copy.deepcopy(network).eval(), batches, course, bounds)
            keeper = self._keeper(network, checkpoint)
            watcher = self._watcher(plan, watch, validation, bounds, keeper)
            if watcher is not None:
                watcher.before()
            history = fit(
                plan.network, batches, epochs=plan.course.epochs, optimiser=plan.course.optimiser,
                schedule=plan.course.schedule, penalties=plan.penalties, perturb=plan.perturb,
                callbacks=(*plan.callbacks, *(() if watcher is None else (watcher,))), checkpoint=keeper,
                seed=plan.course.seed, label=label,
            )  # fmt: skip
        watched = None if watcher is None else watcher.watched(len(history.rows))
        return Defended(network=plan.plain().eval(), history=history, watched=watched)

    @abstractmethod
    def _plan(self, network: nn.Module, batches: Batches, course: Course, bounds: Bounds) -> Plan:
        """What to do with a copy of the caller's network, which is in evaluation mode."""

    def _keeper(self, network: nn.Module, checkpoint: Checkpoint | Path | None) -> Checkpoint | None:
        """The checkpoint of this defence of this network and of no other."""
        if checkpoint is None:
            return None
        given = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)
        own = {"method": type(self).__name__, **asdict(self), "weights": fingerprint(network.state_dict())}
        keeper = Checkpoint(given.folder, options={**given.options, "defence": own})
        keeper.check()
        return keeper

    def _watcher(
        self, plan: Plan, watch: Watch | None, validation: Batches | None, bounds: Bounds, keeper: Checkpoint | None
    ) -> Watcher | None:
        if watch is None or validation is None:
            return None
        radius, own = watch.radius, self.budget_trained_on
        if radius is None:
            radius = own.radius if own is not None and own.norm == watch.norm else (bounds[1] - bounds[0]) / 20
        Budget(norm=watch.norm, radius=radius).check_within(bounds)
        chosen = replace(watch, radius=radius)
        return Watcher(chosen, plan.plain, validation, bounds, None if keeper is None else keeper.folder)


def after_epoch(work: Callable[[int], None]) -> Callback:
    """A callback that is told the epochs done, and ends nothing."""

    def callback(end: EpochEnd) -> None:
        work(end.epoch)

    return callback
