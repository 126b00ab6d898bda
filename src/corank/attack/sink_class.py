"""The search for a sink: find the class that inputs are most easily driven into, then drive them into it.

A universal perturbation sends most of what it fools into one class, and attacks differ in which. So all classes race:
each is climbed towards for a few steps, the better half go on for longer, and the best of them to the end. What is
climbed, and what they are ranked by, is the share of fooled samples with its steps smoothed (`SmoothShare`), which
has a slope also where next to nothing is fooled yet, and does not spend itself on samples out of reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from corank.attack.ascent import Ascent, SmoothShare, mean_gradient
from corank.attack.checks import check_counts, check_factors, check_positive
from corank.attack.search import Search
from corank.attack.universal import UniversalAttack
from corank.errors import InputError


@dataclass(frozen=True, kw_only=True, eq=False)
class Contestant:
    """A perturbation on its way.

    Attributes:
        name: of what it climbs towards.
        v: the perturbation.
        target: the class that it climbs towards; None for away from the samples' own.
        score: how well it does on the training samples.
    """

    name: str
    v: Tensor
    target: int | None
    score: float = -torch.inf


@final
@dataclass(frozen=True, kw_only=True)
class SinkClass(UniversalAttack):
    """See the module.

    Args:
        candidates: classes that race, those nearest to the samples.
        probe_steps: of each of them.
        finalists: that go on.
        final_steps: of each of them.
        steps: of the best.
        batch: samples of a step.
        step: size of a probe's first, in radii; it falls like a cosine to zero. Finalists begin with half of it and the
            best with a quarter, so that they stay near what they were chosen for.
        momentum: factor of the earlier gradients' sum, 0 for none.
        width: of the smoothing, in median margins of the samples as they are.
        shift: pixels up to which images are moved at random, anew for each step, in place of images that there are
            not; other inputs stay.

    Raises:
        InputError: an option out of range.

    Example:
        >>> x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
        >>> net = torch.nn.Linear(3, 2, bias=False).eval()
        >>> _ = net.weight.data.copy_(torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]))
        >>> found = SinkClass(radius=1.0, steps=20).attack(net, x, net(x).argmax(1))
        >>> found.train.fooled > 0.3
        True
    """

    candidates: int = 10
    probe_steps: int = 8
    finalists: int = 5
    final_steps: int = 20
    steps: int = 50
    batch: int = 50
    step: float = 0.4
    momentum: float = 0.9
    width: float = 0.1
    shift: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(candidates=self.candidates, probe_steps=self.probe_steps, finalists=self.finalists,
                     final_steps=self.final_steps, steps=self.steps, batch=self.batch)  # fmt: skip
        check_positive(step=self.step, width=self.width)
        check_factors(momentum=self.momentum)
        if isinstance(self.shift, bool) or not isinstance(self.shift, int) or self.shift < 0:
            raise InputError(f"shift must be a whole number of at least 0, got {self.shift}")

    def run(self, search: Search) -> str:
        """The race of the classes from the start."""
        return self.raced(search, [])

    def raced(self, search: Search, guests: Sequence[Contestant]) -> str:
        """The race, with guests among the finalists, if they are good enough; says who won."""
        contestants = [Contestant(name=f"class {one}", v=search.start, target=one) for one in self._nearest(search)]
        if len(contestants) + len(guests) > 1:
            contestants = [self._further(search, one, self.probe_steps, self.step) for one in contestants]
            contestants = sorted([*contestants, *guests], key=_score, reverse=True)[: self.finalists]
            contestants = [self._further(search, one, self.final_steps, self.step / 2) for one in contestants]
        best = max(contestants, key=_score)
        self._further(search, best, self.steps, self.step / 4, is_last=True)
        return f"{best.name} won the race"

    def smooth_share(self, search: Search) -> SmoothShare:
        """What is climbed and ranked by."""
        return SmoothShare(search, self.width)

    def _further(
        self, search: Search, one: Contestant, steps: int, step: float, *, is_last: bool = False
    ) -> Contestant:
        """A contestant after some more steps; only the last is tried on its way."""
        share = self.smooth_share(search)
        ascent = Ascent(
            steps=steps, batch=self.batch, step=step, momentum=self.momentum, on_sphere=True,
            every=None if is_last else steps,
        )  # fmt: skip
        v, margins = ascent.climb(search, one.v, mean_gradient(search, share, one.target, self.shift))
        return replace(one, v=v, score=share.score(margins))

    def _nearest(self, search: Search) -> list[int]:
        """The target, or the classes that lack least to those samples which are not in them."""
        if self.target is not None:
            return [self.target]
        gaps = search.logits.amax(1, keepdim=True) - search.logits
        elsewhere = search.clean[:, None] != torch.arange(search.logits.shape[1], device=gaps.device)
        mean = (gaps * elsewhere).sum(0) / elsewhere.sum(0)  # nan for a class that all samples are in
        return [one for one in mean.argsort().tolist() if bool(elsewhere[:, one].any())][: self.candidates]


def _score(one: Contestant) -> float:
    return one.score
