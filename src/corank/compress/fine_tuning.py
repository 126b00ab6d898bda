"""The trainings that win accuracy back after a compression: the objective, the optimiser and the step sizes of each.

`ByDistillation` is that of Cui et al. 2020, "Active Subspace of Neural Networks", section 5.1: Adam for 50 epochs, with
1e-4 (VGG-19) or 1e-3 (ResNet-110) for what was kept and 1e-5 for the new layers; for an ASNet-s then proximal
stochastic gradient (section 3.6) for at most 100 epochs, with 1e-4 and 1e-5. `ByLabels` is that of Daulbaev 2023,
Applications of Differential Equations and Reduced-Order Modeling for Deep Learning, section 5.4.3. What either of them
leaves is the network of the last epoch: none is picked by its accuracy.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple, TypeVar

import torch
from torch import nn

from corank.errors import InputError
from corank.measure import Batches
from corank.train import (
    L1,
    Checkpoint,
    Cosine,
    CrossEntropy,
    Distillation,
    GroupLasso,
    History,
    NuclearNorm,
    Penalty,
    Plateau,
    ProximalSteps,
    fit,
)
from corank.train.fit import Parameters
from corank.train.loop import Schedule
from corank.train.objectives import Objective

PenaltyName = Literal["l1", "group-lasso", "nuclear-norm"]
"""The penalties by the names of their files."""
TuningName = Literal["distillation", "thesis"]
"""`ByDistillation` and `ByLabels`, as options name them."""
Network = TypeVar("Network", bound=nn.Module)


class Training(NamedTuple):
    """What `fit` is told of a training."""

    objective: Objective
    optimiser: Callable[[Any], torch.optim.Optimizer]
    parameters: Parameters
    schedule: Schedule | Plateau


@dataclass(frozen=True, kw_only=True)
class ByDistillation:
    """The original network's probabilities and the labels are imitated, by Adam with half a cosine.

    Args:
        beta: weight of the original network against the labels.
        pre_rate: step size of what was kept.
        head_rate: step size of the new layers.
        new: what the names of the new layers' parameters begin with; nothing where there are none.
        penalty: that makes the network sparse, by plain gradient steps and its proximal map instead of Adam.
    """

    beta: float
    pre_rate: float
    head_rate: float
    new: str | tuple[str, ...] = ()
    penalty: Penalty | None = None

    def of(self, student: nn.Module, teacher: nn.Module) -> Training:
        """The training of a student."""
        groups: list[dict[str, Any]] = [{"params": [], "lr": self.pre_rate}, {"params": [], "lr": self.head_rate}]
        for name, value in student.named_parameters():
            groups[name.startswith(self.new)]["params"].append(value)
        steps = torch.optim.Adam if self.penalty is None else ProximalSteps(network=student, penalty=self.penalty)
        return Training(
            objective=Distillation(teacher=teacher, beta=self.beta),
            optimiser=steps,
            parameters=[group for group in groups if group["params"]],
            schedule=Cosine(),
        )


@dataclass(frozen=True, kw_only=True)
class ByLabels:
    """The labels alone are learnt, by stochastic gradients whose rate falls with the validation accuracy.

    Args:
        learning_rate: the first step size.
        momentum: of the gradients.
        weight_decay: of all parameters.
        schedule: how the step size falls; the thesis halves it after ten epochs without a better validation accuracy.
    """

    learning_rate: float = 1e-2
    momentum: float = 0.9
    weight_decay: float = 1e-4
    schedule: Plateau = Plateau()  # noqa: RUF009 - frozen

    def of(self, student: nn.Module, teacher: nn.Module) -> Training:
        """The training of a student; no teacher is asked."""
        steps = partial(torch.optim.SGD, lr=self.learning_rate, momentum=self.momentum, weight_decay=self.weight_decay)
        return Training(CrossEntropy(), steps, list(student.parameters()), self.schedule)


Tuning = ByDistillation | ByLabels


def recovered(
    student: Network,
    teacher: nn.Module,
    batches: Batches,
    tuning: Tuning,
    *,
    epochs: int,
    name: str = "fine-tuning",
    of: str = "",
    validation: Batches | None = None,
    checkpoint: Checkpoint | None = None,
    seed: int = 0,
) -> tuple[Network, History | None]:
    """A trained copy of a compressed network as it is after the last epoch, or without epochs the network itself.

    Args:
        student: the compressed network; it stays as it is.
        teacher: the original one.
        batches: training data.
        tuning: what is minimised, and how.
        epochs: how many; 0 trains nothing.
        name: of the training, for its progress bar and its part of the checkpoint.
        of: what is trained, for the progress bar.
        validation: on which the accuracy is read after each epoch; `ByLabels` follows it.
        checkpoint: of the whole compression; each epoch is kept in a part of it.
        seed: of the training.

    Raises:
        InputError: `ByLabels` without validation batches.

    Example:
        >>> net, small = nn.Linear(4, 3), nn.Sequential(nn.Linear(4, 1), nn.Linear(1, 3))
        >>> data = [(torch.randn(8, 4), torch.randint(3, (8,)))]
        >>> tuned, history = recovered(small, net, data, ByLabels(), epochs=2, validation=data)
        >>> tuned is small, [row.learning_rate for row in history.rows]
        (False, [0.01, 0.01])
    """
    if epochs == 0:
        return student, None
    if validation is None and isinstance(tuning, ByLabels):
        raise InputError("this fine-tuning follows the validation accuracy: give validation batches, or distil instead")
    trained = copy.deepcopy(student)
    history = fit(
        trained,
        batches,
        epochs=epochs,
        **tuning.of(trained, teacher)._asdict(),
        validation=validation,
        checkpoint=None if checkpoint is None else checkpoint.part(name),
        seed=seed,
        label=f"{name}, {of}" if of else name,
    )
    return trained, history


def penalty_named(name: PenaltyName, strength: float) -> Penalty:
    """The penalty of that name on all weights of a network.

    Example:
        >>> penalty_named("l1", 0.5)
        L1(strength=0.5, layers='*')
    """
    kinds: dict[PenaltyName, type[Penalty]] = {"l1": L1, "group-lasso": GroupLasso, "nuclear-norm": NuclearNorm}
    return kinds[name](strength=strength)
