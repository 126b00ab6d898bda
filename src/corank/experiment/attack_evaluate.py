"""What a user's network withstands: attacks over a grid of budgets, and an audit of whether that can be believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import corank.attack
from corank.attack.audit import Audited, audit
from corank.attack.budget import Norm
from corank.attack.checks import check_counts
from corank.attack.evaluation import Evaluation, evaluate
from corank.attack.interval import wilson
from corank.attack.ledger import WORST, Robustness
from corank.attack.noise import NoiseStability, noise_stability
from corank.attack.sample import BoundedAttack, SampleAttack
from corank.attack.standard import standard_attacks
from corank.discover import methods_of
from corank.errors import InputError, near
from corank.experiment import run_folder
from corank.experiment.attack_folder import Kind, Report
from corank.experiment.attack_sections import evaluation_page
from corank.experiment.attack_setting import Attacked, Samples, Setting
from corank.experiment.networks import Opened, identity
from corank.result import jsonable
from corank.train.progress import stage
from corank.zoo import Dataset

FOLDER = Kind(name="evaluation", numbers="evaluation.json")
AUDIT = "audit"
NOT_AUDITED = "not audited"


@dataclass(frozen=True, kw_only=True)
class Judging:
    """How a network is judged.

    Args:
        radius: of the budgets, in the units of the inputs.
        norm: of the budgets.
        attack: methods by name; by default the standard ones.
        auto_attack: whether AutoAttack is tried too.
        images: of the test split, at most.
        audit: whether the result is audited.
        subsample: images that the audit's tests of many queries take.
        queries: of the audit's random search, for each image.
        clean_trained: whether the network is known to be trained without attacks and defences, for the audit.
        noise: whether accuracy under random pixel noise is measured too.
        seed: of every random draw.

    Raises:
        InputError: a number of images or queries below one.
    """

    radius: tuple[float, ...]
    norm: Norm = "linf"
    attack: tuple[str, ...] = ()
    auto_attack: bool = False
    images: int = 1000
    audit: bool = True
    subsample: int = 100
    queries: int = 5000
    clean_trained: bool = False
    noise: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        check_counts(images=self.images, subsample=self.subsample, queries=self.queries)

    @property
    def attacks(self) -> dict[str, SampleAttack]:
        """The attacks by name; the radius of bounded ones is replaced by each of the grid.

        Raises:
            InputError: an unknown attack, or one that does not know the norm.
        """
        if not self.attack:
            return standard_attacks(self.norm, seed=self.seed, auto_attack=self.auto_attack)
        known = methods_of(corank.attack, SampleAttack)  # type: ignore[type-abstract]
        chosen = dict.fromkeys((*self.attack, *(("auto-attack",) if self.auto_attack else ())))
        for name in chosen:
            if name not in known:
                raise InputError(f"unknown attack {name!r}: {near(name, known)}")
        return {name: _made(known[name], self.norm, self.seed) for name in chosen}


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """What came of judging a network.

    Attributes:
        evaluation: accuracy by attack and budget; where there was an audit, what it broke counts too.
        audited: the audit; None where there was none.
        noise: accuracy under pixel noise; None where it was not asked for.
    """

    evaluation: Evaluation
    audited: Audited | None
    noise: NoiseStability | None


def run_evaluation(
    opened: Opened,
    dataset: Dataset,
    judging: Judging,
    out: Path | None = None,
    *,
    setting: Setting,
    sources: Mapping[str, Opened] | None = None,
    overwrite: bool = False,
    report: Report = lambda stage: None,
) -> dict[str, Any]:
    """Judge a network on its test split, and write a folder with what it withstands where one is named.

    Args:
        opened: the network; it comes back unchanged.
        dataset: on whose test split it is judged.
        judging: the attacks and budgets.
        out: the folder. A finished evaluation with the same options is returned as it is.
        setting: where the network is attacked.
        sources: other networks by name, on which examples are made too.
        overwrite: replace an evaluation that is there.
        report: told when there is nothing to do.

    Returns:
        What `evaluation.json` holds.

    Raises:
        InputError: the folder holds something else, or an option does not fit the network or the data.
    """
    attacked = setting.attacked(opened.network, dataset)
    others = {name: setting.beside(attacked, one.network, name) for name, one in (sources or {}).items()}
    made_on = {name: identity(one, dataset)["weights"] for name, one in (sources or {}).items()}
    options = jsonable({**identity(opened, dataset), **asdict(judging), **asdict(setting), "sources": made_on})
    finished = FOLDER.claimed(out, options, overwrite=overwrite, report=report)
    if finished is not None:
        return finished
    samples = attacked.samples(dataset.test, judging.images, label=setting.label(dataset), seed=judging.seed)
    found = judged(attacked, samples, judging, dataset, others)
    told = {"network": opened.origin.name, **setting.described(attacked, dataset)}
    result: dict[str, Any] = jsonable(
        {**told, **evaluation_json(found), "options": options, "versions": run_folder.versions()}
    )
    if out is not None:
        FOLDER.write(out, evaluation_page(found.evaluation, found.audited, result), result, {})
    return result


def judged(
    attacked: Attacked,
    samples: Samples,
    judging: Judging,
    dataset: Dataset,
    sources: Mapping[str, nn.Module] | None = None,
) -> Judged:
    """Attack a network, and audit what the attacks left of its accuracy.

    Args:
        attacked: the network.
        samples: images and labels.
        judging: the attacks and budgets.
        dataset: that the images are of.
        sources: other networks in the same space, by name.
    """
    sources = sources or {}
    evaluation = evaluate(
        attacked.network, *samples, radii=judging.radius, norm=judging.norm, attacks=judging.attacks,
        bounds=attacked.bounds, sources=sources, seed=judging.seed,
    )  # fmt: skip
    audited = None
    if judging.audit:
        with stage("audit") as said:
            audited = audit(
                attacked.network, *samples, radius=audited_radius(evaluation, dataset.classes), norm=judging.norm,
                bounds=attacked.bounds, sources=tuple(sources.values()), data=dataset.name,
                is_clean_trained=judging.clean_trained or None, seed=judging.seed,
                progress=lambda test: said(f"audit: {test}"), subsample=judging.subsample, queries=judging.queries,
            )  # fmt: skip
        evaluation = with_audit(evaluation, audited)
    noise = None
    if judging.noise:
        noise = noise_stability(attacked.network, *samples, bounds=attacked.bounds, seed=judging.seed)
    return Judged(evaluation=evaluation, audited=audited, noise=noise)


def audited_radius(evaluation: Evaluation, classes: int) -> float:
    """The largest radius at which the attacks leave more than chance, so that there is something to doubt."""
    left = [row.radius for row in evaluation.of(WORST) if row.accuracy > 1 / classes]
    return max(left, default=evaluation.radii[0])


def with_audit(evaluation: Evaluation, audited: Audited) -> Evaluation:
    """The evaluation with a row for what the audit's own attacks left, which the worst case takes into account."""
    row = Robustness(
        attack=AUDIT, radius=audited.radius, accuracy=audited.under_attack, low=audited.low, high=audited.high,
        fooled=audited.accuracy - audited.under_attack,
        fooled_of_right=1 - audited.under_attack / audited.accuracy if audited.accuracy else None,
        attacked=round(audited.accuracy * audited.images), seconds=audited.seconds, gradients=audited.gradients,
        forward=audited.forward,
    )  # fmt: skip
    known = evaluation.distances[WORST]
    shortest = torch.where(audited.standing, known, known.clamp(max=audited.radius))
    others = [one for one in evaluation.robust_accuracy if one.attack != WORST]
    worst = [_at_worst(evaluation, audited, shortest, one) for one in evaluation.of(WORST)]
    return replace(
        evaluation, robust_accuracy=(*others, row, *worst), distances={**evaluation.distances, WORST: shortest},
        seconds=evaluation.seconds + audited.seconds,
    )  # fmt: skip


def _at_worst(evaluation: Evaluation, audited: Audited, shortest: Tensor, row: Robustness) -> Robustness:
    """A row of the worst case, once the audit has found shorter perturbations for some."""
    still = int((shortest > row.radius).sum())
    right = round(evaluation.accuracy * evaluation.samples)
    low, high = wilson(still, evaluation.samples)
    return replace(
        row, accuracy=still / evaluation.samples, low=low, high=high, fooled=(right - still) / evaluation.samples,
        fooled_of_right=(right - still) / right if right else None,
        seconds=row.seconds + (audited.seconds if row.radius == audited.radius else 0.0),
    )  # fmt: skip


def evaluation_json(found: Judged) -> dict[str, Any]:
    """What was found, under the names that the command line has.

    `fooling_ratio` counts all images whose class an attack changes, `fooling_ratio_of_right` those among the images
    that were classified rightly. `worst` is each image's worst case over all attacks.
    """
    evaluation, audited = found.evaluation, found.audited
    return {
        "norm": evaluation.norm,
        "radii": evaluation.radii,
        "images": evaluation.samples,
        "accuracy": evaluation.accuracy,
        "robust_accuracy": [_robustness(row) for row in evaluation.robust_accuracy],
        "verdict": NOT_AUDITED if audited is None else audited.verdict,
        "audit_radius": None if audited is None else audited.radius,
        "audit": None if audited is None else audited.rows,
        "noise": found.noise,
        "seconds": evaluation.seconds,
        "message": evaluation.message,
    }


def _robustness(row: Robustness) -> dict[str, Any]:
    return {
        "attack": row.attack, "radius": row.radius, "accuracy": row.accuracy, "low": row.low, "high": row.high,
        "fooling_ratio": row.fooled, "fooling_ratio_of_right": row.fooled_of_right, "attacked": row.attacked,
        "seconds": row.seconds, "sample_gradients": row.gradients, "forward_passes": row.forward,
    }  # fmt: skip


def _made(method: type[SampleAttack], norm: Norm, seed: int) -> SampleAttack:
    radius = {"radius": 1.0} if issubclass(method, BoundedAttack) else {}
    return method(norm=norm, seed=seed, **radius)
