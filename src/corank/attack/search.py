"""The search for a universal perturbation: the samples, the best perturbation so far, and what it has cost.

Whatever a method does goes through here, so that none can go on beyond its limits or forget the best that it saw.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from corank.attack.budget import Budget
from corank.attack.losses import Loss, margin, towards
from corank.attack.shares import Step, share
from corank.attack.victim import Victim

Told = Callable[[Step, Tensor], None]
"""Is told of each step, with the best perturbation so far."""


class Over(Exception):
    """Ends a search from wherever it is; the base of all universal attacks takes it from there.

    Attributes:
        is_enough: whether what was sought is found.
    """

    def __init__(self, message: str, *, is_enough: bool) -> None:
        super().__init__(message)
        self.is_enough = is_enough


class Search:
    """The samples, the victim, and the best perturbation so far.

    Args:
        victim: the network.
        x: `(m, ...)` training inputs.
        budget: of the perturbation.
        target: the class that inputs shall end in; None for any but their own.
        enough: share of the samples at which the search is over.
        most_gradients: of samples, that may be taken; None for any number.
        start: where to begin.
        seed: of every random draw.
        told: of each step.

    Attributes:
        logits: `(m, C)` of the inputs as they are.
        clean: `(m,)` their classes.
        best: the perturbation that fools most of them.
        best_share: how many it fools.
    """

    def __init__(
        self,
        victim: Victim,
        x: Tensor,
        budget: Budget,
        *,
        target: int | None = None,
        enough: float = 1.0,
        most_gradients: int | None = None,
        start: Tensor | None = None,
        seed: int = 0,
        told: Told | None = None,
    ) -> None:
        self.victim, self.x, self.budget = victim, x, budget
        self.target, self.enough, self.most_gradients = target, enough, most_gradients
        self.generator = torch.Generator().manual_seed(seed)
        self.steps: list[Step] = []
        self._told, self._began = told, time.perf_counter()
        self.logits = victim.logits(x)
        self.clean = self.logits.argmax(1)
        self.best, self.best_share = torch.zeros_like(x[0]), share(self.is_fooled(self.clean))
        self.start = self.best if start is None else budget.within(start[None].to(x))[0]

    def is_fooled(self, classes: Tensor) -> Tensor:
        """Whether inputs put into such classes `(..., m)` are where they shall be."""
        return classes != self.clean if self.target is None else classes == self.target

    def tried(self, *perturbations: Tensor) -> Tensor:
        """Which inputs each perturbation fools, `(p, m)`; the best is kept and the step recorded.

        Raises:
            Over: it fools enough.
        """
        return self._recorded(perturbations)[0]

    def margins(self, perturbation: Tensor) -> Tensor:
        """By how much each input is where it shall be, in logits, negative where it is not, `(m,)`; tried as well.

        Raises:
            Over: it fools enough.
        """
        _, logits = self._recorded((perturbation,))
        if self.target is None:
            return margin(logits, self.clean)
        return -margin(logits, torch.full_like(self.clean, self.target))

    def _recorded(self, perturbations: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Which inputs are fooled, `(p, m)`, and all logits, `(p m, C)`."""
        logits = self.victim.logits(torch.cat([self.victim.clipped(self.x + one) for one in perturbations]))
        fooled = self.is_fooled(logits.argmax(1).reshape(len(perturbations), len(self.x)))
        shares = fooled.double().mean(1)
        at = int(shares.argmax())
        if float(shares[at]) > self.best_share:
            self.best, self.best_share = perturbations[at].detach().clone(), float(shares[at])
        asked, seconds = self.victim.asked, time.perf_counter() - self._began
        step = Step(gradients=asked.gradients, forward=asked.forward, seconds=seconds, fooled=self.best_share)
        self.steps.append(step)
        if self._told is not None:
            self._told(step, self.best)
        if self.best_share >= self.enough:
            raise Over(f"a share of {self.best_share:.4g} is fooled, {self.enough:g} was enough", is_enough=True)
        return fooled, logits

    def gradients(self, v: Tensor, rows: Tensor, loss: Loss, target: int | None = None, shift: int = 0) -> Tensor:
        """The gradient, in the perturbation, of what shall grow: one row for each of some samples, `(k, ...)`.

        Args:
            v: where.
            rows: numbers or flags of the samples.
            loss: that grows as a sample leaves its class; the search turns it around where there is a target.
            target: for this once; by default that of the search.
            shift: pixels by which the samples are moved beforehand, all alike, at random up to so many each way;
                inputs that are no images `(channels, height, width)` stay.

        Raises:
            Over: it would take more gradients than are allowed.
        """
        moved = self._shifted(self.x[rows], shift) + v
        self.spend(len(moved))
        target = self.target if target is None else target
        aim = self.clean[rows] if target is None else self.clean.new_full((len(moved),), target)
        found = self.victim.gradients(self.victim.clipped(moved), aim, loss if target is None else towards(loss))
        return found if self.victim.bounds is None else found * (self.victim.clipped(moved) == moved)

    def _shifted(self, x: Tensor, shift: int) -> Tensor:
        if shift == 0 or x.ndim != 4:
            return x
        by: list[int] = torch.randint(-shift, shift + 1, (2,), generator=self.generator).tolist()
        return x.roll(by, (2, 3))

    def spend(self, gradients: int) -> None:
        """Ask whether so many may still be taken.

        Raises:
            Over: they may not.
        """
        taken = self.victim.asked.gradients
        if self.most_gradients is not None and taken + gradients > self.most_gradients:
            raise Over(
                f"{taken} of {self.most_gradients} sample-gradients are spent, the next step takes up to {gradients}",
                is_enough=False,
            )

    def batches(self, size: int) -> Iterator[Tensor]:
        """The numbers of all samples in random order, some at a time."""
        order = torch.randperm(len(self.x), generator=self.generator).to(self.x.device)
        return iter(torch.split(order, size))
