"""What the tests share: the network and its images, what still stands, and the descents that several of them read."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from corank.attack.audit.finding import Finding, gain
from corank.attack.budget import Budget
from corank.attack.checks import Bounds
from corank.attack.descent import Path, Steps, descent
from corank.attack.losses import Loss
from corank.attack.victim import Victim
from corank.train.randomness import derived_seed

STARTS = 10  # of which the base is one


@dataclass(eq=False, kw_only=True)
class Case:
    """A network before its tests; images are named by their places `(k,)` in the given order.

    Attributes:
        network: in evaluation mode.
        was_training: whether it came in training mode.
        given: `(m, ...)` images as they came.
        x: the same within the bounds.
        labels: `(m,)` true classes.
        bounds: of the images; None where there are none.
        budget: of the perturbations.
        attack: the descent whose result is audited.
        sources: other networks, on which transferred examples are made.
        data: name of the data, where it was told.
        is_clean_trained: whether the network was trained without attacks or defences, where that was told.
        subsample: images that a test of many queries takes.
        queries: of Square.
        seed: of every random draw.
    """

    network: nn.Module
    was_training: bool
    given: Tensor
    x: Tensor
    labels: Tensor
    bounds: Bounds | None
    budget: Budget
    attack: Steps
    sources: Sequence[nn.Module]
    data: str | None
    is_clean_trained: bool | None
    subsample: int
    queries: int
    seed: int

    @cached_property
    def victim(self) -> Victim:
        """The network as all descents ask it."""
        return Victim(self.network, self.bounds)

    @cached_property
    def logits(self) -> Tensor:
        """Of the images, `(m, C)`."""
        return self.victim.logits(self.x)

    @cached_property
    def right(self) -> Tensor:
        """Places of the images classified rightly, `(k,)`."""
        return _places(self.logits.argmax(1) == self.labels)

    @cached_property
    def broken(self) -> Tensor:
        """Whether an image is classified wrongly or some test has broken it so far, `(m,)`."""
        return self.logits.argmax(1) != self.labels

    @property
    def standing(self) -> Tensor:
        """Places of the images that nothing has broken so far, the audited descent included, `(k,)`."""
        _ = self.base
        return _places(~self.broken)

    @cached_property
    def base(self) -> Path:
        """One start of the audited descent on all images classified rightly."""
        return self.descend(self.right, "base", self.single)

    @cached_property
    def left(self) -> Tensor:
        """Places of the images that this start leaves, `(k,)`."""
        return self.right[~self.base.fooled_within(self.attack.steps)]

    @cached_property
    def repeated(self) -> tuple[Tensor, Path]:
        """Some of the images that one start leaves, and more starts from them."""
        places = self.some(self.left, "restarts")
        options = dataclasses.replace(self.single, restarts=STARTS - 1, random_start=True)
        return places, self.descend(places, "restarts", options)

    @property
    def single(self) -> Steps:
        """The audited descent with one start."""
        return dataclasses.replace(self.attack, restarts=1, stop=True)

    def descend(
        self,
        places: Tensor,
        draw: str,
        options: Steps,
        *,
        budget: Budget | None = None,
        targets: Tensor | None = None,
    ) -> Path:
        """A descent from some images; what it breaks within the budget of the audit no longer stands.

        Args:
            places: of the images.
            draw: name of the random draw; equal names draw equal starts for equal places.
            options: of the descent.
            budget: another than that of the audit.
            targets: classes to be reached.
        """
        x, labels = self.x[places], self.labels[places]
        used = self.budget if budget is None else budget
        path = descent(self.victim, x, labels, used, options, self.generator(draw), targets=targets)
        if used.radius <= self.budget.radius:
            self.mark(places, path.fooled.flatten(0, 1).any(0))
        return path

    def mark(self, places: Tensor, broken: Tensor) -> None:
        """Images that some attack within the budget broke no longer stand."""
        self.broken[places[broken]] = True

    def some(self, places: Tensor, draw: str) -> Tensor:
        """At most as many of some images as tests of many queries take, drawn evenly."""
        if len(places) <= self.subsample:
            return places
        drawn = torch.randperm(len(places), generator=self.generator(f"some {draw}"))[: self.subsample]
        return places[drawn.sort().values.to(places.device)]

    def gained(self, measure: str, broken: Tensor, left: Tensor, threshold: float) -> Finding:
        """What an attack takes of those images that others left, tried on some of them `(k,)`."""
        return gain(measure, int(broken.sum()), len(broken), len(left), len(self.x), threshold)

    def generator(self, draw: str) -> torch.Generator:
        """Of the random draw of this name."""
        return torch.Generator().manual_seed(derived_seed("audit", self.seed, draw))

    def gap(self) -> float:
        """The median distance of the two largest logits."""
        two = self.logits.topk(2, 1).values
        return float((two[:, 0] - two[:, 1]).median())


def tried_on(sample: Tensor, left: Tensor) -> str:
    """What a test rests on, in words."""
    if len(left) == 0:
        return "nothing was left to break"
    return f"tried on {len(sample)} of the {len(left)} images left"


def scaled(loss: Loss, gap: float) -> Loss:
    """A loss of logits divided by a number."""
    return lambda logits, classes: loss(logits / gap, classes)


def _places(flags: Tensor) -> Tensor:
    return flags.nonzero()[:, 0]
