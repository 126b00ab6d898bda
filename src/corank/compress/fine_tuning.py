"""The two trainings of an ASNet, by distillation, each with a step size for the pre-model and one for the new layers.

Cui et al. 2020, "Active Subspace of Neural Networks", section 5.1: Adam for 50 epochs, with 1e-4 (VGG-19) or 1e-3
(ResNet-110) for the pre-model and 1e-5 for the new layers; for an ASNet-s then proximal stochastic gradient (section
3.6) for at most 100 epochs, with 1e-4 and 1e-5.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from corank.measure import Batches
from corank.network import GraphNetwork, Layer
from corank.train import (
    L1,
    Checkpoint,
    Cosine,
    Distillation,
    GroupLasso,
    History,
    NuclearNorm,
    Penalty,
    ProximalSteps,
    fit,
)

PenaltyName = Literal["l1", "group-lasso", "nuclear-norm"]
"""The penalties by the names of their files."""


@dataclass(frozen=True, kw_only=True)
class TwoRates:
    """A training of a cut network whose two parts have step sizes of their own.

    Args:
        name: of the training, for its progress bar and its checkpoint.
        prefix: of the names of the new layers' parameters.
        pre_rate: step size of the others.
        head_rate: step size of the new layers.
        epochs: how many.
        objective: what is minimised.
        seed: of the training.
    """

    name: str
    prefix: str
    pre_rate: float
    head_rate: float
    epochs: int
    objective: Distillation
    seed: int

    def tuned(
        self,
        network: GraphNetwork,
        batches: Batches,
        *,
        cut: Layer,
        checkpoint: Checkpoint | None,
        optimiser: Callable[[nn.Module], Any] | None = None,
    ) -> tuple[GraphNetwork, History]:
        """A trained copy of a network.

        Args:
            network: stays as it is.
            batches: training data.
            cut: where the network was cut, for the progress bar.
            checkpoint: of the whole compression; each epoch is kept in a part of it.
            optimiser: from the copy to a function from parameter groups to its optimiser; Adam if not given.
        """
        student = copy.deepcopy(network)
        history = fit(
            student,
            batches,
            epochs=self.epochs,
            optimiser=torch.optim.Adam if optimiser is None else optimiser(student),
            objective=self.objective,
            parameters=self._groups(student),
            schedule=Cosine(),
            checkpoint=None if checkpoint is None else checkpoint.part(self.name),
            seed=self.seed,
            label=f"{self.name}, cut at {cut}",
        )
        return student, history

    def _groups(self, student: nn.Module) -> list[dict[str, Any]]:
        groups: list[dict[str, Any]] = [{"params": [], "lr": self.pre_rate}, {"params": [], "lr": self.head_rate}]
        for name, value in student.named_parameters():
            groups[name.startswith(self.prefix)]["params"].append(value)
        return [group for group in groups if group["params"]]


def penalty_named(name: PenaltyName, strength: float) -> Penalty:
    """The penalty of that name on all weights of a network.

    Example:
        >>> penalty_named("l1", 0.5)
        L1(strength=0.5, layers='*')
    """
    kinds: dict[PenaltyName, type[Penalty]] = {"l1": L1, "group-lasso": GroupLasso, "nuclear-norm": NuclearNorm}
    return kinds[name](strength=strength)


def sparse_steps(penalty: Penalty) -> Callable[[nn.Module], ProximalSteps]:
    """Proximal stochastic gradient with a penalty, for `TwoRates.tuned`: plain gradient steps and its proximal map."""
    return lambda student: ProximalSteps(network=student, penalty=penalty)
