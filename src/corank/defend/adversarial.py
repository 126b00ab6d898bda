"""Training on perturbed inputs: each batch is attacked, and what came of it is learnt.

FGSM takes one step along the signs of the gradient (Goodfellow et al. 2015); PGD several within the budget from a
random start (Madry et al. 2018); "fast" one step of 1.25 radii from a random start, under a learning rate that goes up
and down once in straight lines (Wong, Rice and Kolter 2020, Fast is better than free). The network is in evaluation
mode while it is attacked, so that batch norms do not see the attack's passes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, final, get_args

from torch import Tensor, nn

from corank.attack.budget import Budget, Norm
from corank.attack.checks import check_counts, check_positive
from corank.attack.descent import STRIDE, stepped
from corank.attack.losses import cross_entropy
from corank.attack.victim import Victim
from corank.defend.base import Bounds, Course, Defence, Plan
from corank.errors import InputError
from corank.measure import Batches
from corank.network import evaluation_mode
from corank.train import Triangle

AttackName = Literal["fgsm", "pgd", "fast"]
FAST_STEP = 1.25  # radii


@final
@dataclass(frozen=True, kw_only=True)
class Perturbed:
    """The inputs of a batch as an attack leaves them, for the fitting loop's `perturb`.

    Args:
        budget: of the perturbations.
        bounds: of the inputs.
        steps: of the attack.
        step_size: of each.
        random_start: within the budget, or the inputs themselves.

    Example:
        >>> import torch
        >>> network = nn.Linear(2, 2, bias=False)
        >>> _ = network.weight.data.copy_(torch.eye(2))
        >>> budget = Budget(norm="linf", radius=0.25)
        >>> perturb = Perturbed(budget=budget, bounds=(0.0, 1.0), steps=1, step_size=0.25, random_start=False)
        >>> perturb(network, torch.tensor([[0.75, 0.5]]), torch.tensor([0]))
        tensor([[0.5000, 0.7500]])
    """

    budget: Budget
    bounds: Bounds
    steps: int
    step_size: float
    random_start: bool

    def __call__(self, network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """Inputs within the budget and the bounds on which the loss is larger."""
        victim, labels = Victim(network, self.bounds), y.long()
        with evaluation_mode(network):
            moved = victim.clipped(x + self.budget.random(x)) if self.random_start else x
            for _ in range(self.steps):
                gradients = victim.gradients(moved, labels, cross_entropy)
                moved = stepped(victim, x, moved, gradients, self.step_size, self.budget)
        return moved


@final
@dataclass(frozen=True, kw_only=True)
class Adversarial(Defence):
    """See the module.

    Args:
        attack: "fgsm", "pgd" or "fast".
        radius: of the perturbations, in the units of the inputs.
        norm: in which they are measured.
        steps: of "pgd"; the others take one.
        step_size: of each step; None takes 2.5 radii over the number of steps, and 1.25 radii for "fast".

    Raises:
        InputError: an option out of its range, or one that the attack does not have.

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> x = torch.rand(64, 2)
        >>> batches = [(x, (x[:, 0] > x[:, 1]).long())]
        >>> found = Adversarial(radius=0.1).defend(nn.Linear(2, 2), batches, Course(epochs=30))
        >>> found.history.iterations
        30
    """

    attack: AttackName = "pgd"
    radius: float
    norm: Norm = "linf"
    steps: int = 10
    step_size: float | None = None

    def __post_init__(self) -> None:
        if self.attack not in get_args(AttackName):
            raise InputError(f"attack must be one of {', '.join(get_args(AttackName))}, got {self.attack!r}")
        _ = self.budget
        check_counts(steps=self.steps)
        if self.step_size is not None:
            check_positive(step_size=self.step_size)
            if self.attack == "fgsm":
                raise InputError(f"fgsm takes one step of the whole radius, so leave step_size {self.step_size} out")

    @property
    def budget(self) -> Budget:
        """The norm and the radius."""
        return Budget(norm=self.norm, radius=self.radius)

    @property
    def budget_trained_on(self) -> Budget:
        """That of the perturbations."""
        return self.budget

    def perturbed(self, bounds: Bounds) -> Perturbed:
        """What perturbs the batches of a training, in anybody's loop.

        Raises:
            InputError: a radius in linf as large as the range of the inputs.
        """
        self.budget.check_within(bounds)
        steps = self.steps if self.attack == "pgd" else 1
        own = {"fgsm": self.radius, "pgd": STRIDE * self.radius / steps, "fast": FAST_STEP * self.radius}
        return Perturbed(
            budget=self.budget, bounds=bounds, steps=steps, random_start=self.attack != "fgsm",
            step_size=own[self.attack] if self.step_size is None else self.step_size,
        )  # fmt: skip

    def _plan(self, network: nn.Module, batches: Batches, course: Course, bounds: Bounds) -> Plan:
        cyclic = replace(course, schedule=Triangle()) if self.attack == "fast" else course
        return Plan(network=network, plain=lambda: network, course=cyclic, perturb=self.perturbed(bounds))
