"""A universal perturbation of a user's network: found on training images, judged on test images, kept in a folder.

The search may be interrupted: the best perturbation so far is kept, and the same command goes on from it.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from corank.attack.shares import Shares, Step
from corank.attack.universal import Universal, UniversalAttack
from corank.discover import name_of
from corank.experiment import run_folder
from corank.experiment.attack_folder import Kind, Report
from corank.experiment.attack_resuming import Kept, kept_search
from corank.experiment.attack_sections import universal_page
from corank.experiment.attack_setting import Scene, Setting, scene_of
from corank.experiment.networks import Opened, identity
from corank.experiment.run_folder import CHECKPOINT
from corank.result import jsonable
from corank.train.progress import stage
from corank.zoo import Dataset

FOLDER = Kind(name="universal perturbation", numbers="universal.json", tensors="vector.safetensors")


def run_universal(
    opened: Opened,
    dataset: Dataset,
    attack: UniversalAttack,
    out: Path | None = None,
    *,
    setting: Setting,
    images: int = 200,
    heldout: int = 10_000,
    seed: int = 0,
    overwrite: bool = False,
    report: Report = lambda stage: None,
) -> dict[str, Any]:
    """Find a universal perturbation of a network, and write a folder with what it does where one is named.

    Args:
        opened: the network; it comes back unchanged.
        dataset: the perturbation is found on its training split and judged on its test split.
        attack: the method.
        out: the folder. A finished search with the same options is returned as it is, an interrupted one goes on.
        setting: where the network is attacked.
        images: of the training split, at most.
        heldout: of the test split, at most.
        seed: of the draw of images.
        overwrite: replace another search that is there.
        report: told when there is nothing to do, and when an earlier search goes on.

    Returns:
        What `universal.json` holds.

    Raises:
        InputError: the folder holds something else, or an option does not fit the network or the data.
    """
    scene = scene_of(opened, dataset, setting, images=images, heldout=heldout, seed=seed)
    method = {"method": name_of(type(attack)), **asdict(attack)}
    drawn = {**asdict(setting), "images": images, "heldout": heldout, "draw_seed": seed}
    options = jsonable({**identity(opened, dataset), **method, **drawn})
    finished = FOLDER.claimed(out, options, overwrite=overwrite, report=report)
    if finished is not None:
        return finished
    with kept_search(None if out is None else out / CHECKPOINT, options, overwrite=overwrite) as kept:
        if kept.vector is not None:
            report(f"going on where the search in {str(out)!r} stopped, with {kept.before.fooled:.2%} fooled")
        found = searched(scene, attack, kept)
        told = {"network": opened.origin.name, **setting.described(scene.attacked, dataset)}
        result: dict[str, Any] = jsonable({
            **told, **universal_json(found, dataset.class_names), "options": options, "versions": run_folder.versions(),
        })  # fmt: skip
        if out is not None:
            page = universal_page(found, result, scene, dataset, folder=out)
            FOLDER.write(out, page, result, {"vector": found.vector})
    return result


def searched(scene: Scene, attack: UniversalAttack, kept: Kept | None = None) -> Universal:
    """The perturbation that a method finds; on a terminal one sees how far it is.

    Args:
        scene: the network and the images.
        attack: the method.
        kept: how far an earlier search had come, which this one goes on from and writes to.
    """
    kept = Kept(None) if kept is None else kept
    if attack.most_gradients is not None and kept.before.gradients:
        attack = replace(attack, most_gradients=max(1, attack.most_gradients - kept.before.gradients))
    label = name_of(type(attack)).replace("-", " ")
    with stage(f"universal perturbation, {label}") as said:

        def told(step: Step, vector: Tensor) -> None:
            kept.told(step, vector)
            said(f"universal perturbation, {label}: {step.fooled:.1%} fooled, {step.gradients:,} sample-gradients")

        found = attack.attack(
            scene.attacked.network, *scene.train, heldout=scene.heldout, bounds=scene.attacked.bounds,
            start=kept.vector, told=told,
        )  # fmt: skip
    return kept.whole(found)


def universal_json(found: Universal, class_names: tuple[str, ...]) -> dict[str, Any]:
    """What a universal perturbation does, under the names that the command line has.

    `fooling_ratio` counts all images whose class changes, `fooling_ratio_of_right` those among the images that were
    classified rightly; `error_rate` counts all that are classified wrongly afterwards.
    """
    splits: dict[str, Shares | None] = {"train": found.train, "heldout": found.heldout}
    into = {split: shares.into for split, shares in splits.items() if shares is not None}

    def by_split(name: str) -> dict[str, Any]:
        return {split: None if shares is None else getattr(shares, name) for split, shares in splits.items()}

    return {
        "method": found.method,
        "norm": found.budget.norm,
        "radius": found.budget.radius,
        "target": found.target,
        "images": by_split("samples"),
        "fooling_ratio": by_split("fooled"),
        "fooling_ratio_of_right": by_split("fooled_of_right"),
        "error_rate": by_split("errors"),
        "error_rate_before": by_split("errors_before"),
        "into": [
            {"class": name, **{split: counts[label] for split, counts in into.items()}}
            for label, name in enumerate(outputs(class_names, len(found.train.into)))
        ],
        "seconds": found.seconds,
        "sample_gradients": found.gradients,
        "forward_passes": found.forward,
        "iterations": found.iterations,
        "converged": found.converged,
        "message": found.message,
        "steps": [
            {"sample_gradients": step.gradients, "forward_passes": step.forward, "seconds": step.seconds,
             "fooling_ratio": step.fooled}
            for step in found.steps
        ],
    }  # fmt: skip


def outputs(class_names: tuple[str, ...], count: int) -> tuple[str, ...]:
    """The names of a network's outputs; those beyond the classes of the data are numbered."""
    return (*class_names[:count], *(f"output {number}" for number in range(len(class_names), count)))
