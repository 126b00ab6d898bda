"""What a universal perturbation does to samples, and how far the search for one had come."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from corank.attack.victim import Victim
from corank.result import Result, Scalar


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


def shares_of(victim: Victim, vector: Tensor, x: Tensor, labels: Tensor) -> Shares:
    """What a perturbation does to some samples, as a network sees it."""
    logits = victim.logits(x)
    return shares_between(logits.argmax(1), victim.classes(victim.clipped(x + vector)), labels, logits.shape[1])


def shares_between(before: Tensor, after: Tensor, labels: Tensor, classes: int) -> Shares:
    """What changes where samples go from some classes `(m,)` to others.

    Args:
        before: without a perturbation.
        after: with it.
        labels: the true ones.
        classes: how many there are.
    """
    right, changed = before == labels, before != after
    return Shares(
        samples=len(labels),
        fooled=share(changed),
        fooled_of_right=share(changed[right]) if bool(right.any()) else None,
        errors=share(after != labels),
        errors_before=share(~right),
        into=tuple(torch.bincount(after, minlength=classes).tolist()),
    )


def share(flags: Tensor) -> float:
    """How many of some flags are set, from 0 to 1."""
    return float(flags.double().mean())


@dataclass(frozen=True, kw_only=True)
class Step(Result):
    """How far a search had come.

    Attributes:
        gradients: samples whose gradients were taken so far, each a pass forward and one back.
        forward: samples that only went forward.
        seconds: since it began.
        fooled: share of the training samples that the best perturbation so far puts where they shall be: into
            another class than their own, or into the target.
    """

    gradients: int
    forward: int
    seconds: float
    fooled: float

    def row(self) -> dict[str, Scalar]:
        """All of it."""
        return {"gradients": self.gradients, "forward": self.forward, "seconds": self.seconds, "fooled": self.fooled}
