"""The base of attacks that walk by projected gradient steps, and whose way can be looked at."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from torch import Tensor

from corank.attack.descent import Path, Steps, descent
from corank.attack.sample import BoundedAttack, Task


@dataclass(frozen=True, kw_only=True)
class SteppedAttack(BoundedAttack):
    """Options are fields, the verb is `attack`; the descent is shared, what differs is how it goes."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.course

    @property
    @abstractmethod
    def course(self) -> Steps:
        """How the descent goes."""

    def path(self, task: Task) -> Path:
        """All that the descent sees."""
        return descent(task.victim, task.x, task.labels, self.budget, self.course, task.generator, targets=task.targets)

    def _perturbed(self, task: Task) -> Tensor:
        return self.path(task).inputs
