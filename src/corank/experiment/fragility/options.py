"""What is diagnosed and how thoroughly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from corank.attack.checks import check_counts
from corank.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Diagnosing:
    """Which inputs, where their paths lead, and how long is searched for the smallest perturbation.

    Args:
        images: of the test split, at most.
        class_: the name or number of the only class whose images are taken; by default all are.
        target_class: the name or number of the only class that paths lead to; by default all but an image's own.
        towards: an image file that all paths lead to, instead of the nearest training example.
        points: of each path, both ends among them.
        steps: of each minimum-norm attack.
        seed: of the draw of images and of every other.

    Raises:
        InputError: a number below one, fewer than two points, both a class and an image as the end of paths.
    """

    images: int = 1000
    class_: str | None = None
    target_class: str | None = None
    towards: Path | None = None
    points: int = 11
    steps: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        check_counts(images=self.images, steps=self.steps)
        if self.points < 2:
            raise InputError(f"points must be at least 2, got {self.points}")
        if self.target_class is not None and self.towards is not None:
            raise InputError(
                f"--target-class {self.target_class} does not go with --towards {str(self.towards)!r}, which has a "
                "class of its own: leave one of them out"
            )
