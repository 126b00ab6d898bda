"""Attacks on single inputs: each is moved on its own until the network errs, or as little as possible for it.

What an attack returns is not believed: the base brings it back within budget and bounds and asks the network again.
Inputs that are wrong from the start are no business of an attack: they stay as they are.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from corank.attack.budget import Budget, Norm, lengths_of
from corank.attack.checks import Bounds, check_samples
from corank.attack.losses import margin
from corank.attack.shares import share
from corank.attack.victim import Victim
from corank.discover import name_of
from corank.errors import InputError
from corank.measure.labelling import check_labels
from corank.network.guard import unchanged
from corank.result import Result, Scalar


@dataclass(frozen=True, kw_only=True, eq=False)
class Examples(Result):
    """What became of some inputs under an attack, as the network that is judged sees it.

    Attributes:
        attack: that made them.
        norm: in which lengths are measured.
        radius: that no perturbation exceeds; None for attacks that look for the shortest.
        bounds: within which all inputs lie; None where there are none.
        inputs: `(m, ...)` the perturbed inputs; those that were wrong from the start as they were.
        labels: `(m,)` true classes.
        clean: `(m,)` classes of the inputs as they were.
        classes: `(m,)` classes of the perturbed inputs.
        targets: `(m,)` classes that they should have got; None for any but the true ones.
        lengths: `(m,)` of the perturbations.
        relative_lengths: `(m,)` the Euclidean length of each perturbation over that of its input.
        seconds: that the attack took.
        gradients: samples whose gradients it took.
        forward: samples that only went forward.
    """

    attack: str
    norm: Norm
    radius: float | None
    bounds: Bounds | None
    inputs: Tensor = field(metadata={"json": False})
    labels: Tensor = field(metadata={"json": False})
    clean: Tensor = field(metadata={"json": False})
    classes: Tensor = field(metadata={"json": False})
    targets: Tensor | None = field(metadata={"json": False})
    lengths: Tensor = field(metadata={"json": False})
    relative_lengths: Tensor = field(metadata={"json": False})
    seconds: float
    gradients: int
    forward: int

    @property
    def succeeded(self) -> Tensor:
        """Whether each input is where it should be: misclassified, or in its target class, `(m,)`."""
        return self.classes != self.labels if self.targets is None else self.classes == self.targets

    @property
    def distances(self) -> Tensor:
        """The length of each perturbation that succeeded; infinite for the others, `(m,)`."""
        return torch.where(self.succeeded, self.lengths, torch.inf)

    @property
    def accuracy(self) -> float:
        """Share still classified rightly."""
        return share(self.classes == self.labels)

    @property
    def accuracy_before(self) -> float:
        """Share that was classified rightly."""
        return share(self.clean == self.labels)

    @property
    def fooled(self) -> float:
        """Share whose class changes."""
        return share(self.classes != self.clean)

    @property
    def fooled_of_right(self) -> float | None:
        """Share of those classified rightly whose class changes; None where none was."""
        right = self.clean == self.labels
        return share((self.classes != self.clean)[right]) if bool(right.any()) else None

    @property
    def rho(self) -> float:
        """Mean of a perturbation's Euclidean length over its input's (Sanyal et al. 2020: `E |x_a - x| / |x|`)."""
        return float(self.relative_lengths.mean())

    def accuracy_within(self, radius: float) -> float:
        """Share classified rightly that no perturbation found here, of at most this length, takes away."""
        return share((self.clean == self.labels) & ~(self.distances <= radius))

    def row(self) -> dict[str, Scalar]:
        """Attack, accuracies, lengths and cost."""
        return {
            "attack": self.attack, "norm": self.norm, "radius": self.radius, "accuracy before": self.accuracy_before,
            "accuracy": self.accuracy, "fooled": self.fooled, "rho": self.rho, "seconds": self.seconds,
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class Task:
    """What an attack is given.

    Attributes:
        victim: the network that examples are made on.
        x: `(m, ...)` inputs, none of which is where it should be already.
        labels: `(m,)` their true classes.
        targets: `(m,)` classes that they should get; None for any but the true ones.
        generator: of every random draw.
    """

    victim: Victim
    x: Tensor
    labels: Tensor
    targets: Tensor | None
    generator: torch.Generator


@dataclass(frozen=True, kw_only=True)
class SampleAttack(ABC):
    """The base of all attacks on single inputs: options are fields, the verb is `attack`.

    Attributes:
        norm: in which perturbations are measured.
        seed: of every random draw.
    """

    norm: Norm = "linf"
    seed: int = 0

    takes_targets: ClassVar[bool] = True
    """Whether the attack can be told which classes inputs should get."""

    def __post_init__(self) -> None:
        Budget(norm=self.norm, radius=1.0)

    def attack(
        self,
        network: nn.Module,
        images: Tensor,
        labels: Tensor,
        *,
        bounds: Bounds | None = (0.0, 1.0),
        targets: Tensor | None = None,
        source: nn.Module | None = None,
    ) -> Examples:
        """Perturb inputs and see what the network makes of them.

        Args:
            network: any `nn.Module` that returns logits, in evaluation mode; it comes back bit for bit.
            images: `(m, ...)` inputs.
            labels: `(m,)` their true classes; inputs that the network puts into others are not touched.
            bounds: within which inputs lie before and after; None where there are none.
            targets: `(m,)` classes that they should get; None for any but the true ones.
            source: another network, on which the examples are made: the one that is judged is a black box then.

        Raises:
            InputError: inputs that are not finite or not within the bounds, labels or targets out of range, targets
                for an attack that takes none, no sample, a network in training mode.
        """
        maker = network if source is None else source
        with at_work({network, maker}, self.seed, images.device):
            for asked in {network, maker}:
                classes = check_samples(asked, images, labels, bounds)
                self._check_targets(targets, labels, classes)
            judge, labels = Victim(network, bounds), labels.long()
            clean = judge.classes(images)
            rows = clean != targets if targets is not None else clean == labels
            aims = None if targets is None else targets[rows].long()
            generator = torch.Generator().manual_seed(self.seed)
            task = Task(Victim(maker, bounds), images[rows], labels[rows], aims, generator)
            start = time.perf_counter()
            proposed = self._perturbed(task).detach() if bool(rows.any()) else task.x
            seconds = time.perf_counter() - start
            inputs, classes_now = images.clone(), clean.clone()
            inputs[rows] = self._allowed(task, proposed)
            classes_now[rows] = judge.classes(inputs[rows])
        asked_for, moved = task.victim.asked, inputs.double() - images.double()
        return Examples(
            attack=name_of(type(self)), norm=self.norm, radius=self._limit, bounds=bounds, inputs=inputs,
            labels=labels, clean=clean, classes=classes_now, targets=targets, lengths=lengths_of(self.norm, moved),
            relative_lengths=lengths_of("l2", moved) / lengths_of("l2", images.double()).clamp(min=1e-12),
            seconds=seconds, gradients=asked_for.gradients, forward=asked_for.forward,
        )  # fmt: skip

    @property
    def _limit(self) -> float | None:
        """The longest that a perturbation may be; None where there is no limit."""
        return None

    def _allowed(self, task: Task, proposed: Tensor) -> Tensor:
        """The inputs nearest to those that an attack proposed that it may use."""
        assert proposed.shape == task.x.shape, f"the attack returned {tuple(proposed.shape)}"
        return task.victim.clipped(torch.where(torch.isfinite(proposed), proposed, task.x))

    def _check_targets(self, targets: Tensor | None, labels: Tensor, classes: int) -> None:
        if targets is None:
            return
        if not self.takes_targets:
            raise InputError(f"targets cannot be given to {name_of(type(self))}: it moves inputs to classes of its own")
        check_labels(targets, classes)
        if len(targets) != len(labels):
            raise InputError(f"expected one target a sample, got {len(targets)} for {len(labels)}")

    @abstractmethod
    def _perturbed(self, task: Task) -> Tensor:
        """The perturbed inputs."""


@dataclass(frozen=True, kw_only=True)
class BoundedAttack(SampleAttack):
    """The base of attacks within a budget.

    Attributes:
        radius: the longest that a perturbation may be, in the units of the inputs.
    """

    radius: float

    def __post_init__(self) -> None:
        _ = self.budget

    @property
    def budget(self) -> Budget:
        """The norm and the radius."""
        return Budget(norm=self.norm, radius=self.radius)

    @property
    def _limit(self) -> float:
        return self.radius

    def _allowed(self, task: Task, proposed: Tensor) -> Tensor:
        """Rounding may make a sum longer than its parts: it is undone, last digit by last digit."""
        x = task.x
        inputs = task.victim.clipped(x + self.budget.within(super()._allowed(task, proposed) - x))
        while bool((too_long := lengths_of(self.norm, inputs.double() - x.double()) > self.radius).any()):
            old, to = inputs[too_long], x[too_long]
            new = to + (1 - torch.finfo(x.dtype).eps) * (old - to)  # near zero the next number would be too near
            inputs[too_long] = torch.where(new == old, torch.nextafter(old, to), new)
        return inputs


@dataclass(frozen=True, kw_only=True)
class ShortestAttack(SampleAttack):
    """The base of attacks that look for the shortest perturbation that works.

    What was found is shortened: on the straight way back to the input, the network still errs up to some place.

    Attributes:
        halvings: of the way on which that place is sought, each one more pass forward; 0 leaves what was found.
    """

    norm: Norm = "l2"
    halvings: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.halvings < 0:
            raise InputError(f"halvings must not be negative, got {self.halvings}")

    def _perturbed(self, task: Task) -> Tensor:
        return self._shortened(task, self._allowed(task, self._found(task)))

    def _shortened(self, task: Task, found: Tensor) -> Tensor:
        """Where the network errs by more than rounding could undo; where nothing was found, the inputs as they were."""
        found = torch.where(_as(self._errs(task, found, slack=0.0), found), found, task.x)
        low, high = (found.new_full((len(found),), end) for end in (0.0, 1.0))
        for _ in range(self.halvings):
            middle = (low + high) / 2
            errs = self._errs(task, self._between(task, found, middle))
            low, high = torch.where(errs, low, middle), torch.where(errs, middle, high)
        return self._between(task, found, high)

    def _between(self, task: Task, found: Tensor, share: Tensor) -> Tensor:
        way = task.x + _as(share, found) * (found - task.x)
        return torch.where(_as(share == 1, found), found, task.victim.clipped(way))

    def _errs(self, task: Task, x: Tensor, slack: float = 16.0) -> Tensor:
        """Whether inputs are where they should be, by so many roundings of the largest logit."""
        logits = task.victim.logits(x)
        ahead = margin(logits, task.labels) if task.targets is None else -margin(logits, task.targets)
        return ahead > slack * torch.finfo(logits.dtype).eps * logits.abs().amax(1)

    @abstractmethod
    def _found(self, task: Task) -> Tensor:
        """The perturbed inputs, as short as the attack makes them."""


@contextmanager
def at_work(networks: set[nn.Module], seed: int, device: torch.device) -> Iterator[None]:
    """Chance of its own for networks that are random; they, and chance elsewhere, are as they were afterwards."""
    with ExitStack() as stack:
        for network in networks:
            stack.enter_context(unchanged(network))
        stack.enter_context(torch.random.fork_rng(devices=[device] if device.type == "cuda" else []))
        torch.manual_seed(seed)
        yield


def _as(flags: Tensor, like: Tensor) -> Tensor:
    """One number a sample, beside the samples."""
    return flags.reshape(-1, *[1] * (like.ndim - 1))
