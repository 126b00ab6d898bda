"""The one fitting loop: gradient steps over batches, with everything that varies given as a callable.

An objective, penalties, a perturbation of the inputs (adversarial training), a schedule of the step size and
callbacks after each epoch cover what the methods of this package need. One seed gives one result; a run that
was interrupted goes on from its last finished epoch, bit for bit on the CPU; and under several processes each
takes its shard of every batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from corank.errors import InputError
from corank.network import evaluation_mode
from corank.train.checkpoint import Checkpoint, Progress
from corank.train.devices import Devices, Local
from corank.train.evaluate import Batches, accuracy, device_of
from corank.train.history import EpochRow, History
from corank.train.loop import Loop, Penalties, Perturb, Schedule, Terms
from corank.train.objectives import CrossEntropy, Objective
from corank.train.plateau import Plateau
from corank.train.progress import progress_bar
from corank.train.randomness import private_randomness
from corank.train.schedules import Constant

Parameters = Iterable[nn.Parameter] | Iterable[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class EpochEnd:
    """What a callback is told after an epoch.

    Args:
        epoch: epochs done, this one included.
        network: the network as it is now; it may be evaluated, and changed.
        row: the numbers of the epoch.
    """

    epoch: int
    network: nn.Module
    row: EpochRow


Callback = Callable[[EpochEnd], str | None]


def fit(
    network: nn.Module,
    batches: Batches,
    *,
    epochs: int,
    optimiser: Callable[[Any], Optimizer],
    objective: Objective = CrossEntropy(),  # noqa: B008 - frozen
    parameters: Parameters | None = None,
    schedule: Schedule | Plateau = Constant(),  # noqa: B008 - frozen
    penalties: Penalties = (),
    perturb: Perturb | None = None,
    callbacks: Sequence[Callback] = (),
    validation: Batches | None = None,
    checkpoint: Checkpoint | Path | None = None,
    seed: int = 0,
    fabric: Devices | None = None,
    progress: bool | None = None,
    label: str = "training",
) -> History:
    """Train a network in place.

    Args:
        network: trained where it is, or on the fabric's device and then moved back; its modes are restored.
        batches: re-iterable of `(x, y)`, `x` float in pixel space. If it has `set_epoch`, that is called with
            0, 1, ... before each epoch. Without a length it is counted by going through it once.
        epochs: how often to go through the batches, those before a resumption included.
        optimiser: from parameters or parameter groups to an optimiser, as `partial(torch.optim.SGD, lr=0.1)`.
        objective: `(network, x, y)` to the mean loss of the batch.
        parameters: parameters or parameter groups; by default all of the network's that require a gradient.
        schedule: from progress in `[0, 1]` to the factor of each group's own step size; or `Plateau`, which follows the
            validation accuracy.
        penalties: each from the network to a scalar that is added to the loss.
        perturb: `(network, x, y)` to the inputs that are learnt instead of `x`.
        callbacks: each told of an epoch's end, in every process; a reason that one returns in the first
            process ends the training.
        validation: re-iterable batches on which the accuracy is read after each epoch; they are not trained on.
        checkpoint: a folder, alone or with options, to keep each epoch in and to resume from.
        seed: of the network's noise and of batches that draw from torch's global generator, whose state is
            left as found.
        fabric: a launched Lightning Fabric for devices, precision and processes (see `make_fabric`).
        progress: whether to show a bar on standard error; None means on a terminal only.
        label: what the bar says.

    Returns:
        A row an epoch; `converged` is False where a callback ended the training.

    Raises:
        InputError: nothing to train or to train on, a `Plateau` without validation batches, a loss that is not a
            finite scalar, a checkpoint that is broken or of another training.

    Example:
        >>> from functools import partial
        >>> import torch
        >>> batches = [(torch.tensor([[-1.0], [1.0]]), torch.tensor([0, 1]))]
        >>> history = fit(nn.Linear(1, 2), batches, epochs=50, optimiser=partial(torch.optim.SGD, lr=1.0))
        >>> history.rows[-1].accuracy
        1.0
    """
    if epochs < 1:
        raise InputError(f"epochs must be at least 1, got {epochs}")
    devices = Local(device_of(network)) if fabric is None else fabric
    own = optimiser(_trainable(network, parameters))
    terms = Terms(objective=objective, penalties=penalties, perturb=perturb)
    with _borrowed(network, devices):
        _check_validation(validation, schedule)
        steps = _number_of(batches)
        choices = {"epochs": epochs, "steps": steps, "seed": seed, **_choices(own, schedule, terms, validation)}
        keeper = _keeper(checkpoint, choices)
        loop = Loop(network, own, devices, terms, epochs=epochs, steps=steps, seed=seed)
        done = (keeper.load(network, own) if keeper else None) or Progress(rows=())
        shown = progress if devices.global_rank == 0 else False
        with progress_bar(label, epochs=epochs, steps=steps, done=len(done.rows), shown=shown) as advance:
            while len(done.rows) < epochs and not done.message:
                row = loop.epoch(batches, len(done.rows), _factors(schedule, done), advance)
                row = replace(row, validation_accuracy=_judged(network, validation, devices))
                end = EpochEnd(epoch=row.epoch, network=network, row=row)
                done = Progress(rows=(*done.rows, row), message=_reasons(callbacks, end, devices))
                if keeper and devices.global_rank == 0:
                    keeper.save(network, own, done)
    return History(rows=done.rows, converged=not done.message, message=done.message or _all_done(epochs))


def _all_done(epochs: int) -> str:
    return f"all {epochs} epochs done" if epochs > 1 else "the one epoch done"


@contextmanager
def _borrowed(network: nn.Module, devices: Devices) -> Iterator[None]:
    """Modes, device and torch's random state go back to what they were, and no gradients stay behind."""
    origin = device_of(network)
    with evaluation_mode(network), private_randomness(devices.device):
        try:
            yield
        finally:
            network.zero_grad()
            if device_of(network) != origin:
                network.to(origin)


def _trainable(network: nn.Module, parameters: Parameters | None) -> list[Any]:
    chosen: list[Any] = list(network.parameters() if parameters is None else parameters)
    # Groups are copied: the optimiser and the schedule write into theirs.
    copies = [dict(item) if isinstance(item, dict) else item for item in chosen]
    for group in copies:
        if isinstance(group, dict):
            group["params"] = _with_gradients(group["params"])
    trainable = [item for item in copies if (item["params"] if isinstance(item, dict) else item.requires_grad)]
    if not trainable:
        raise InputError("no parameter requires a gradient, so nothing can be trained: unfreeze some, or take 0 epochs")
    return trainable


def _with_gradients(values: Any) -> list[Any]:
    """Those of a group's parameters, or its only one, that are trained; pairs of names and parameters are kept."""
    several = [values] if isinstance(values, Tensor) else list(values)
    return [value for value in several if not isinstance(value, Tensor) or value.requires_grad]


def _number_of(batches: Batches) -> int:
    length = getattr(batches, "__len__", None)
    count = length() if length is not None else sum(1 for _ in batches)
    if not count:
        raise InputError("there are no batches: give at least one")
    return int(count)


def _check_validation(validation: Batches | None, schedule: Schedule | Plateau) -> None:
    if validation is None and isinstance(schedule, Plateau):
        raise InputError(
            "a step size that follows the validation accuracy needs validation batches, got none: give some, or choose "
            "another schedule"
        )
    if validation is None:
        return
    if iter(validation) is validation:
        raise InputError("the validation batches must be re-iterable: give a list or a loader, not an iterator")
    if next(iter(validation), None) is None:
        raise InputError("there are no validation batches: give at least one")


def _factors(schedule: Schedule | Plateau, done: Progress) -> Schedule:
    """From progress to the factor of the rates in the epoch that is next."""
    if not isinstance(schedule, Plateau):
        return schedule
    factor = schedule.next_factor(done.rows)
    return lambda progress: factor


def _judged(network: nn.Module, validation: Batches | None, devices: Devices) -> float | None:
    """The accuracy on validation batches, as the first process finds it."""
    if validation is None:
        return None
    found = accuracy(network, validation) if devices.global_rank == 0 else 0.0
    return float(devices.broadcast(repr(found)))


def _reasons(callbacks: Sequence[Callback], end: EpochEnd, devices: Devices) -> str:
    reasons = [reason for callback in callbacks if (reason := callback(end))]
    return devices.broadcast("; ".join(reasons))


def _keeper(checkpoint: Checkpoint | Path | None, choices: dict[str, Any]) -> Checkpoint | None:
    if checkpoint is None:
        return None
    given = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)
    return Checkpoint(given.folder, options={**given.options, "fit": choices})


def _choices(
    optimiser: Optimizer, schedule: Schedule | Plateau, terms: Terms, validation: Batches | None
) -> dict[str, Any]:
    """What a checkpoint must have in common with the run that resumes from it."""
    return {
        "optimiser": type(optimiser).__qualname__,
        "groups": {str(index): _plain(group) for index, group in enumerate(optimiser.param_groups)},
        "schedule": _described(schedule),
        "objective": _described(terms.objective),
        "penalties": [_described(penalty) for penalty in terms.penalties],
        "perturb": _described(terms.perturb),
        **({} if validation is None else {"validation": True}),
    }


def _described(choice: object) -> str:
    """A callable by its name and plain options: the same for the same choice in another process."""
    name = getattr(choice, "__qualname__", type(choice).__qualname__)
    if not is_dataclass(choice):
        return str(name)
    options = _plain({field.name: getattr(choice, field.name) for field in fields(choice)})
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in options.items())})"


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if isinstance(value, str | int | float | tuple)}
