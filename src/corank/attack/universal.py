"""Universal perturbations: one vector, added to any input, that changes the class of most.

What a method finds is not believed: the base measures its length, adds it to all inputs again, and asks the network.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from corank.attack.budget import Budget, Norm
from corank.attack.checks import Bounds, check_counts, check_samples, check_target
from corank.attack.search import Over, Search, Told
from corank.attack.shares import Shares, Step, shares_of
from corank.attack.victim import Victim
from corank.discover import name_of
from corank.errors import InputError
from corank.network.guard import unchanged
from corank.result import Result, Scalar

Samples = tuple[Tensor, Tensor]
ROUNDING = 1e-6  # by which a perturbation may be longer than the radius, relative to it


@dataclass(frozen=True, kw_only=True, eq=False)
class Universal(Result):
    """A universal perturbation.

    Attributes:
        method: that found it.
        vector: of the shape of one input.
        budget: that it keeps.
        bounds: to which perturbed inputs were clipped; None where they were not.
        target: class into which inputs were put; None for any but their own.
        train: what it does to the samples it was found on.
        heldout: what it does to others; None where none were given.
        steps: of the search, one whenever the network was asked what a perturbation does.
        seconds: of the search.
        gradients: samples whose gradients it took, each a pass forward and one back.
        forward: samples that only went forward.
        iterations: how many times the method proposed something.
        converged: whether it ended by its own rule or with enough, not by a limit.
        message: why it ended.
    """

    method: str
    vector: Tensor = field(metadata={"json": False})
    budget: Budget
    bounds: Bounds | None
    target: int | None
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


@dataclass(frozen=True, kw_only=True)
class UniversalAttack(ABC):
    """The base of all universal attacks: options are fields, the verb is `attack`.

    Attributes:
        radius: the longest that the perturbation may be.
        norm: in which that is measured.
        target: the class into which inputs shall be put; None for any but their own.
        enough: share of the training samples at which the search ends.
        most_gradients: samples whose gradients may be taken; None for what the method's other options make of it.
        seed: of every random draw.
    """

    radius: float
    norm: Norm = "l2"
    target: int | None = None
    enough: float = 1.0
    most_gradients: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        _ = self.budget
        if not 0 < self.enough <= 1:
            raise InputError(f"enough must be a share above 0 and at most 1, got {self.enough}")
        if self.most_gradients is not None:
            check_counts(most_gradients=self.most_gradients)

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
        bounds: Bounds | None = None,
        start: Tensor | None = None,
        told: Told | None = None,
    ) -> Universal:
        """Find a universal perturbation.

        Args:
            network: any `nn.Module` in evaluation mode that returns logits; it comes back bit for bit, without
                gradients.
            images: `(m, ...)` inputs that it is found on, of one class or of all.
            labels: `(m,)` their classes.
            heldout: other inputs and labels, on which it is only evaluated.
            bounds: to which perturbed inputs are clipped; None leaves them as they are.
            start: a perturbation to go on from, an earlier result's `vector` for example.
            told: is called with each step of the search and the best perturbation so far; keep that, and an
                interrupted search can be resumed from it as `start`.

        Raises:
            InputError: inputs that are not finite or not within the bounds, labels or a target out of range, no sample,
                a start of another shape than the inputs.
        """
        with unchanged(network):
            check_target(self.target, check_samples(network, images, labels, bounds))
            if heldout is not None:
                check_samples(network, *heldout, bounds)
            _check_start(start, images)
            began = time.perf_counter()
            search = Search(
                Victim(network, bounds), images, self.budget, target=self.target, enough=self.enough,
                most_gradients=self.most_gradients, start=start, seed=self.seed, told=told,
            )  # fmt: skip
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.seed)
                message, converged = self._outcome(search)
            seconds = time.perf_counter() - began
            vector = self.budget.within(search.best[None])[0]
            length = float(self.budget.length(vector[None])[0])
            assert length <= self.radius * (1 + ROUNDING), f"a length of {length}"  # nor is it nan
            asked, judge = search.victim.asked, Victim(network, bounds)
            return Universal(
                method=name_of(type(self)), vector=vector, budget=self.budget, bounds=bounds, target=self.target,
                train=shares_of(judge, vector, images, labels),
                heldout=None if heldout is None else shares_of(judge, vector, *heldout),
                steps=tuple(search.steps), seconds=seconds, gradients=asked.gradients, forward=asked.forward,
                iterations=len(search.steps), converged=converged, message=message,
            )  # fmt: skip

    def _outcome(self, search: Search) -> tuple[str, bool]:
        """Why the search ended, and whether by its own rule."""
        try:
            search.tried(search.start)
            return self.run(search), True
        except Over as over:
            return str(over), over.is_enough

    @abstractmethod
    def run(self, search: Search) -> str:
        """Propose perturbations to the search, from its start on.

        Returns:
            Why the method ended.

        Raises:
            Over: the search has come to one of its limits; nobody but the base need care.
        """


def _check_start(start: Tensor | None, images: Tensor) -> None:
    if start is None:
        return
    if start.shape != images.shape[1:]:
        raise InputError(f"start must have the shape of one image, {tuple(images.shape[1:])}, got {tuple(start.shape)}")
    if not torch.isfinite(start).all():
        raise InputError("start must be finite: some of its numbers are not")
