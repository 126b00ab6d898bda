"""The attacks of a study: one vector against all images, and each image attacked on its own, with an audit.

Perturbations are measured against the range of the data: at the study's radius one may change every pixel by so much,
and the one vector is as long as such a perturbation, in the Euclidean norm. Images stay within the data's bounds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from corank.attack.auto import Auto
from corank.attack.losses import cross_entropy
from corank.attack.universal import Universal
from corank.attack.victim import Victim
from corank.errors import InputError
from corank.experiment.attack_evaluate import Judged, Judging, evaluation_json, judged
from corank.experiment.attack_setting import Scene, Setting
from corank.experiment.attack_universal import searched, universal_json
from corank.result import Result, Scalar, jsonable
from corank.zoo import Dataset

SHARE_OF_RANGE = 0.1
RADII = (1 / 16, 1 / 4, 1.0)  # of the study's
ATTACKS = ("pgd", "fast-minimum-norm")
TRAIN, HELDOUT = 200, 2000  # images for the one vector
SUBSAMPLE, QUERIES = 25, 300  # of the audit
GRADIENTS, GRADIENTS_AN_IMAGE = 20_000, 1100  # about what all takes, forward passes counted as a third of a gradient
PROBE = 20  # images whose gradients are timed


@dataclass(frozen=True, kw_only=True, eq=False)
class StudyAttacks(Result):
    """What one vector does to a network, and what the network withstands.

    Attributes:
        radius: by which every pixel may be changed, in pixel space.
        universal: the one vector.
        judged: each image attacked on its own.
        scene: the images that the vector was found and judged on.
        class_names: of the data.
        about: the network and where it was attacked.
    """

    radius: float
    universal: Universal
    judged: Judged
    scene: Scene = field(metadata={"json": False}, repr=False)
    class_names: tuple[str, ...]
    about: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Both under the names that the commands of attacks have."""
        found: dict[str, Any] = jsonable({
            "radius": self.radius,
            "universal": {**self.about, **universal_json(self.universal, self.class_names)},
            "evaluation": {**self.about, **evaluation_json(self.judged)},
        })  # fmt: skip
        return found

    def row(self) -> dict[str, Scalar]:
        """What both came to."""
        return {"radius": self.radius, **self.universal.row(), **self.judged.evaluation.row()}


@dataclass(frozen=True, kw_only=True)
class NoAttacks:
    """A study without attacks, and why."""

    reason: str


def attack_studied(
    name: str,
    network: nn.Module,
    dataset: Dataset,
    *,
    images: int,
    radius: float | None = None,
    seconds: float | None = None,
    seed: int = 0,
    report: Callable[[str], None] = lambda stage: None,
) -> StudyAttacks | NoAttacks:
    """Attack a network in pixel space, if that does not take too long.

    Args:
        name: of the network.
        network: in evaluation mode; it comes back unchanged.
        dataset: the vector is found on its training split, all else is done on its test split.
        images: of the test split that are attacked one by one.
        radius: by which every pixel may be changed; None takes a tenth of the data's range.
        seconds: beyond which, by an estimate from the time of a few gradients, nothing is done; None for no limit.
        seed: of every random draw.
        report: told before the work begins how long it may take.
    """
    low, high = dataset.bounds
    radius = SHARE_OF_RANGE * (high - low) if radius is None else radius
    setting = Setting()
    attacked = setting.attacked(network, dataset)
    try:
        probe = attacked.samples(dataset.test, PROBE)
        estimate = _seconds_a_gradient(network, *probe) * (GRADIENTS + GRADIENTS_AN_IMAGE * images)
        if seconds is not None and estimate > seconds:
            return NoAttacks(reason=f"attacks would take about {estimate:.0f} seconds, more than {seconds:g}")
        report(f"attacking, in about {estimate:.0f} seconds")
        scene = Scene(
            attacked=attacked,
            train=attacked.samples(dataset.train, TRAIN, seed=seed),
            heldout=attacked.samples(dataset.test, HELDOUT, seed=seed),
        )
        length = radius * math.sqrt(math.prod(dataset.shape))
        universal = searched(scene, Auto(radius=length, seed=seed))
        judging = Judging(
            radius=tuple(radius * share for share in RADII), attack=ATTACKS, images=images, subsample=SUBSAMPLE,
            queries=QUERIES, seed=seed,
        )  # fmt: skip
        samples = attacked.samples(dataset.test, images, seed=seed)
        found = judged(attacked, samples, judging, dataset)
    except InputError as error:  # a network or data that attacks do not take may be studied all the same
        return NoAttacks(reason=str(error))
    return StudyAttacks(
        radius=radius, universal=universal, judged=found, scene=scene, class_names=dataset.class_names,
        about={"network": name, **setting.described(attacked, dataset)},
    )  # fmt: skip


def _seconds_a_gradient(network: nn.Module, x: Tensor, labels: Tensor) -> float:
    victim = Victim(network)
    victim.gradients(x, labels, cross_entropy)
    start = time.perf_counter()
    victim.gradients(x, labels, cross_entropy)
    return (time.perf_counter() - start) / len(x)
