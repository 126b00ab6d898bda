"""A number that a test measures, and when it is flagged.

A difference between two attacks is flagged where it exceeds its threshold and is certain besides: McNemar's exact test
has it below 0.05, so that it takes at least six images that only one of the attacks breaks. With a thousand images
the thresholds decide, with a hundred the certainty does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from corank.attack.interval import mcnemar
from corank.result import Scalar

CHANCE = 0.05  # of a difference as uneven, were there none


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One number and what it may be.

    Attributes:
        measure: what was measured.
        value: of it.
        threshold: the last value that is not flagged.
        below: values below the threshold are flagged, not those above.
        is_certain: whether chance is ruled out.
    """

    measure: str
    value: float
    threshold: float
    below: bool = False
    is_certain: bool = True

    @property
    def is_beyond(self) -> bool:
        """Whether the value lies on the wrong side of the threshold."""
        return self.value < self.threshold if self.below else self.value > self.threshold

    @property
    def is_flagged(self) -> bool:
        """Whether it does so for certain."""
        return self.is_beyond and self.is_certain

    @property
    def nearness(self) -> float:
        """How near the value is to being flagged, to compare findings: 1 at the threshold."""
        near, far = (self.threshold, self.value) if self.below else (self.value, self.threshold)
        return near / far if far else math.inf * near if near else 0.0


@dataclass(frozen=True, kw_only=True)
class Found:
    """All that a test found.

    Attributes:
        findings: at least one.
        note: in words, what the numbers rest on.
        measured: further numbers.
    """

    findings: tuple[Finding, ...]
    note: str = ""
    measured: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True)
class NotRun:
    """A test that does not apply, and why."""

    reason: str


def gain(measure: str, broken: int, tested: int, stands_for: int, of: int, threshold: float) -> Finding:
    """What an attack takes beyond those before it, as a share of all images.

    Args:
        measure: what was measured.
        broken: images that only it breaks.
        tested: images that it was tried on, all of which the others left.
        stands_for: images that the others left.
        of: all images.
        threshold: largest share that is not flagged.

    Example:
        >>> gain("Square", broken=10, tested=100, stands_for=500, of=1000, threshold=0.01).value
        0.05
    """
    value = broken / tested * stands_for / of if tested else 0.0
    is_certain = mcnemar(0, broken) < CHANCE
    return Finding(measure=measure, value=value, threshold=threshold, is_certain=is_certain)


def difference(measure: str, only_first: int, only_second: int, of: int, threshold: float) -> Finding:
    """By how many images an attack breaks more than another on the same images, as a share of them.

    Args:
        measure: what was measured.
        only_first: images that only the other breaks.
        only_second: images that only this one breaks.
        of: images that both were tried on.
        threshold: largest share that is not flagged.
    """
    is_certain = mcnemar(only_first, only_second) < CHANCE
    value = (only_second - only_first) / of
    return Finding(measure=measure, value=value, threshold=threshold, is_certain=is_certain)
