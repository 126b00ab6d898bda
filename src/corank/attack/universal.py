"""Universal perturbations: one vector, added to any input, that changes the class of most.

What a method finds is not believed: the base measures its length, adds it to all inputs again, and asks the network.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from corank.attack.budget import Budget, Norm
from corank.attack.victim import Victim
from corank.discover import name_of
from corank.errors import InputError
from corank.measure.labelling import check_labels
from corank.network import evaluation_mode
from corank.network.guard import unchanged
from corank.result import Result, Scalar

Samples = tuple[Tensor, Tensor]
ROUNDING = 1e-6  # by which a perturbation may be longer than the radius, relative to it


@dataclass(frozen=True, kw_only=True)
class Shares(Result):
    """What a perturbation does to some samples.

    Attributes:
        samples: how many.
        fooled: share whose class changes.
        fooled_of_right: share of those that were classified rightly whose class changes; None where none was.
        errors: share that is classified wrongly afterwards.
        errors_before: share that was classified wrongly before.
        into: how many end in each class.
    """

    samples: int
    fooled: float
    fooled_of_right: float | None
    errors: float
    errors_before: float
    into: tuple[int, ...]

    def row(self) -> dict[str, Scalar]:
        """The shares."""
        return {"samples": self.samples, "fooled": self.fooled, "fooled_of_right": self.fooled_of_right,
                "errors": self.errors, "errors_before": self.errors_before}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Step(Result):
    """How far a search had come.

    Attributes:
        gradients: samples whose gradients were taken so far.
        forward: samples that only went forward.
        seconds: since it began.
        fooled: share of the training samples under the best perturbation so far.
    """

    gradients: int
    forward: int
    seconds: float
    fooled: float

    def row(self) -> dict[str, Scalar]:
        """All of it."""
        return {"gradients": self.gradients, "forward": self.forward, "seconds": self.seconds, "fooled": self.fooled}


@dataclass(frozen=True, kw_only=True, eq=False)
class Universal(Result):
    """A universal perturbation.

    Attributes:
        method: that found it.
        vector: of the shape of one input.
        budget: that it keeps.
        bounds: to which perturbed inputs were clipped; None where they were not.
        train: what it does to the samples it was found on.
        heldout: what it does to others; None where none were given.
        steps: of the search.
        seconds: of the search.
        gradients: samples whose gradients it took.
        forward: samples that only went forward.
        iterations: of the method.
        converged: whether it ended by its own rule, not by a limit.
        message: why it ended.
    """

    method: str
    vector: Tensor = field(metadata={"json": False})
    budget: Budget
    bounds: tuple[float, float] | None
    train: Shares
    heldout: Shares | None
    steps: tuple[Step, ...]
    seconds: float
    gradients: int
    forward: int
    iterations: int
    converged: bool
    message: str

    def row(self) -> dict[str, Scalar]:
        """Method, shares and cost."""
        other = {} if self.heldout is None else {"fooled heldout": self.heldout.fooled}
        return {"method": self.method, "fooled": self.train.fooled, **other, "gradients": self.gradients,
                "forward": self.forward, "seconds": self.seconds}  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """What a search ends with; see `Universal`."""

    vector: Tensor
    iterations: int
    converged: bool
    message: str


class Search:
    """The samples, the victim, and the best perturbation so far.

    Args:
        victim: the network.
        x: `(m, ...)` training inputs.
        budget: of the perturbation.
        target: the class that inputs shall end in; None for any but their own.
    """

    def __init__(self, victim: Victim, x: Tensor, budget: Budget, target: int | None) -> None:
        self.victim = victim
        self.x = x
        self.budget = budget
        self.target = target
        self.clean = victim.classes(x)
        self.best = torch.zeros_like(x[0])
        self.best_share = self.share(self.clean)
        self.steps: list[Step] = []
        self._start = time.perf_counter()

    def share(self, classes: Tensor) -> float:
        """Of inputs that are fooled, put into such classes `(m,)`."""
        return float(self.is_fooled(classes).double().mean())

    def is_fooled(self, classes: Tensor) -> Tensor:
        """Whether each input is where it shall be, `(..., m)`."""
        return classes != self.clean if self.target is None else classes == self.target

    def tried(self, *perturbations: Tensor) -> Tensor:
        """Which inputs each perturbation fools, `(p, m)`; the best is kept and the step recorded."""
        fooled = self.is_fooled(self.victim.classes_under(self.x, perturbations))
        shares = fooled.double().mean(1)
        at = int(shares.argmax())
        if float(shares[at]) > self.best_share:
            self.best, self.best_share = perturbations[at].clone(), float(shares[at])
        asked = self.victim.asked
        self.steps.append(
            Step(gradients=asked.gradients, forward=asked.forward, fooled=self.best_share,
                 seconds=time.perf_counter() - self._start)
        )  # fmt: skip
        return fooled


@dataclass(frozen=True, kw_only=True)
class UniversalAttack(ABC):
    """The base of all universal attacks: options are fields, the verb is `attack`.

    Attributes:
        radius: the longest that the perturbation may be.
        norm: in which that is measured.
        target: the class into which inputs shall be put; None for any but their own.
        seed: of every random draw.
    """

    radius: float
    norm: Norm = "l2"
    target: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        _ = self.budget

    @property
    def budget(self) -> Budget:
        """The norm and the radius."""
        return Budget(norm=self.norm, radius=self.radius)

    def attack(
        self,
        network: nn.Module,
        images: Tensor,
        labels: Tensor,
        *,
        heldout: Samples | None = None,
        bounds: tuple[float, float] | None = None,
    ) -> Universal:
        """Find a universal perturbation.

        Args:
            network: any `nn.Module` that returns logits; it comes back bit for bit, without gradients.
            images: `(m, ...)` inputs that it is found on.
            labels: `(m,)` their classes.
            heldout: other inputs and labels, on which it is only evaluated.
            bounds: to which perturbed inputs are clipped; None leaves them as they are.

        Raises:
            InputError: inputs that are not finite or not within the bounds, labels or a target out of range, no sample.
        """
        with unchanged(network), evaluation_mode(network):
            _check(network, images, labels, bounds, self.target)
            start = time.perf_counter()
            search = Search(Victim(network, bounds), images, self.budget, self.target)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.seed)
                found = self._found(search)
            seconds = time.perf_counter() - start
            vector = self.budget.within(found.vector.detach()[None])[0]
            length = float(self.budget.length(vector[None])[0])
            assert torch.isfinite(vector).all() and length <= self.radius * (1 + ROUNDING), f"a length of {length}"
            asked, judge = search.victim.asked, Victim(network, bounds)
            return Universal(
                method=name_of(type(self)), vector=vector, budget=self.budget, bounds=bounds,
                train=shares_of(judge, vector, images, labels),
                heldout=None if heldout is None else shares_of(judge, vector, *heldout),
                steps=tuple(search.steps), seconds=seconds, gradients=asked.gradients, forward=asked.forward,
                iterations=found.iterations, converged=found.converged, message=found.message,
            )  # fmt: skip

    @abstractmethod
    def _found(self, search: Search) -> Found: ...


def shares_of(victim: Victim, vector: Tensor, x: Tensor, labels: Tensor) -> Shares:
    """What a perturbation does to some samples, as a network sees it."""
    logits = victim.logits(x)
    before, after = logits.argmax(1), victim.classes(victim.clipped(x + vector))
    right, changed = before == labels, before != after
    return Shares(
        samples=len(x),
        fooled=_share(changed),
        fooled_of_right=_share(changed[right]) if bool(right.any()) else None,
        errors=_share(after != labels),
        errors_before=_share(~right),
        into=tuple(torch.bincount(after, minlength=logits.shape[1]).tolist()),
    )


def _share(flags: Tensor) -> float:
    return float(flags.double().mean())


def _check(network: nn.Module, x: Tensor, labels: Tensor, bounds: Any, target: int | None) -> None:
    if len(x) == 0 or len(x) != len(labels):
        raise InputError(f"expected as many images as labels and at least one, got {len(x)} and {len(labels)}")
    if not torch.isfinite(x).all():
        raise InputError("images must be finite: some hold infinite numbers or none at all")
    if bounds is not None and not (float(x.min()) >= bounds[0] and float(x.max()) <= bounds[1]):
        raise InputError(
            f"images must lie within the bounds {bounds}, these go from {float(x.min()):.4g} to {float(x.max()):.4g}: "
            "give the bounds of the space that they are in"
        )
    classes = Victim(network).logits(x[:1]).shape[1]
    check_labels(labels, classes)
    if target is not None and not 0 <= target < classes:
        raise InputError(f"target must be a class from 0 to {classes - 1}, got {target}")
