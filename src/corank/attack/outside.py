"""The one place where attacks of other libraries meet a network.

They want inputs from 0 to 1, fill the gradients of parameters, move networks to a device of their choice, and some know
float32 alone. What they get is a stand-in that answers for the network and counts; the network is never in their hands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from corank.attack.sample import Task
from corank.attack.victim import CHUNK, Victim
from corank.errors import InputError
from corank.network.adapted import adapted


class StandIn(nn.Module):
    """Answers for a victim, for inputs from 0 to 1 of any floating-point type, and counts what it was asked.

    Args:
        victim: with bounds.
        dtype: of the inputs that its network takes.
    """

    range: float
    """By how much inputs may differ: radii are a share of it."""

    def __init__(self, victim: Victim, dtype: torch.dtype) -> None:
        super().__init__()
        assert victim.bounds is not None
        self._ask: Callable[[Tensor], Tensor] = adapted(victim.network).__call__
        self._asked, self._dtype, (self._low, high) = victim.asked, dtype, victim.bounds
        self.range = high - self._low
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        """The logits, in the type of the inputs; they depend on the inputs even where the network's do not."""
        if x.requires_grad:
            self._asked.gradients += len(x)
        else:
            self._asked.forward += len(x)
        logits = self._ask((self._low + self.range * x).to(self._dtype)).to(x.dtype)
        if x.requires_grad and not logits.requires_grad:
            return logits + 0.0 * x.flatten(1).sum(1, keepdim=True)
        return logits.clone()  # some write into it


Attempt = Callable[[StandIn, Tensor, Tensor], Tensor]
"""From a stand-in, inputs from 0 to 1 and true or target classes to perturbed inputs."""


def attacked_outside(task: Task, attempt: Attempt, *, dtype: torch.dtype | None = None, chunk: int = CHUNK) -> Tensor:
    """Inputs that another library perturbed, back in the victim's bounds.

    Args:
        task: of the attack.
        attempt: what the library does.
        dtype: of the numbers that it computes with; None for that of the inputs.
        chunk: inputs that it gets at a time.

    Raises:
        InputError: the inputs have no bounds.
    """
    if task.victim.bounds is None:
        raise InputError("this attack needs the bounds of the inputs, got None: give bounds=(lowest, highest)")
    low, high = task.victim.bounds
    unit = ((task.x - low) / (high - low)).clamp(0, 1).to(dtype or task.x.dtype)
    goals = task.labels if task.targets is None else task.targets
    stand_in = StandIn(task.victim, task.x.dtype)
    with _without_gradients(task.victim.network):
        parts = zip(torch.split(unit, chunk), torch.split(goals, chunk), strict=True)
        found = [attempt(stand_in, *part) for part in parts]
    back = torch.cat(found).detach().to(task.x.dtype)
    return torch.where(back == unit.to(task.x.dtype), task.x, low + (high - low) * back)


def foolbox_attempt(attack: Any, *, targeted: bool) -> Attempt:
    """What an attack of foolbox that looks for the shortest perturbation does."""
    from foolbox.criteria import Misclassification, TargetedMisclassification
    from foolbox.models.pytorch import PyTorchModel

    criterion = TargetedMisclassification if targeted else Misclassification

    def attempt(network: StandIn, x: Tensor, classes: Tensor) -> Tensor:
        model = PyTorchModel(network, bounds=(0, 1), device=x.device)
        found: Tensor = attack.run(model, x, criterion(classes))
        return found

    return attempt


def autoattack_module(name: str) -> ModuleType:
    """A module of `pyautoattack`.

    Raises:
        InputError: it is not installed.
    """
    try:
        return import_module(f"pyautoattack.{name}")
    except ImportError as error:
        raise InputError("this attack needs pyautoattack: pip install 'corank[autoattack]'") from error


def check_images(task: Task, least: int = 1) -> None:
    """Refuse inputs that are no images, for attacks that paint squares.

    Raises:
        InputError: another shape than `(m, channels, height, width)`, or too small a one.
    """
    if task.x.ndim != 4 or min(task.x.shape[2:]) < least:
        shape = tuple(task.x.shape)
        raise InputError(f"images must have the shape (m, channels, height, width), at least {least} wide, got {shape}")


@contextmanager
def _without_gradients(network: nn.Module) -> Iterator[None]:
    """Parameters for which backward passes compute no gradients, as long as the block lasts."""
    needed = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in needed:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in needed:
            parameter.requires_grad_(True)
