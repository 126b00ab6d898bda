"""What the universal perturbation of one of a user's networks does to the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from corank.attack.transfer import TransferMatrix, transfer_matrix
from corank.attack.universal import UniversalAttack
from corank.discover import name_of
from corank.errors import InputError
from corank.experiment import run_folder
from corank.experiment.attack_folder import Kind, Report
from corank.experiment.attack_sections import transfer_page
from corank.experiment.attack_setting import Setting, scene_of
from corank.experiment.attack_universal import universal_json
from corank.experiment.networks import Opened, identity
from corank.result import jsonable
from corank.train.progress import stage
from corank.zoo import Dataset

FOLDER = Kind(name="transfer matrix", numbers="transfer.json", tensors="vectors.safetensors")


def run_transfer(
    networks: Mapping[str, Opened],
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
    """Find a universal perturbation of each network, try it on all, and write a folder where one is named.

    Args:
        networks: by name, at least two; they come back unchanged.
        dataset: perturbations are found on its training split and tried on its test split.
        attack: that finds them.
        out: the folder. A finished matrix with the same options is returned as it is.
        setting: where the networks are attacked.
        images: of the training split, at most.
        heldout: of the test split, at most.
        seed: of the draw of images.
        overwrite: replace a transfer matrix that is there.
        report: told when there is nothing to do.

    Returns:
        What `transfer.json` holds.

    Raises:
        InputError: fewer than two networks, the folder holds something else, or an option does not fit.
    """
    if len(networks) < 2:
        raise InputError(f"expected at least two networks, got {len(networks)}: {', '.join(networks)}")
    first = next(iter(networks.values()))
    scene = scene_of(first, dataset, setting, images=images, heldout=heldout, seed=seed)
    inside: dict[str, nn.Module] = {
        name: setting.beside(scene.attacked, opened.network, name) for name, opened in networks.items()
    }
    method = {"method": name_of(type(attack)), **asdict(attack)}
    made_from = {name: identity(opened, dataset)["weights"] for name, opened in networks.items()}
    drawn = {**asdict(setting), "images": images, "heldout": heldout, "draw_seed": seed}
    options = jsonable({"networks": made_from, "data": dataset.name, **method, **drawn})
    finished = FOLDER.claimed(out, options, overwrite=overwrite, report=report)
    if finished is not None:
        return finished
    with stage("universal perturbations of all networks"):
        matrix = transfer_matrix(inside, attack, *scene.train, heldout=scene.heldout, bounds=scene.attacked.bounds)
    told = setting.described(scene.attacked, dataset)
    result: dict[str, Any] = jsonable(
        {**told, **transfer_json(matrix, dataset.class_names), "options": options, "versions": run_folder.versions()}
    )
    if out is not None:
        vectors = {name: found.vector for name, found in zip(matrix.networks, matrix.found, strict=True)}
        FOLDER.write(out, transfer_page(matrix, result), result, vectors)
    return result


def transfer_json(matrix: TransferMatrix, class_names: Sequence[str]) -> dict[str, Any]:
    """What was found, under the names that the command line has."""
    found = [universal_json(one, tuple(class_names)) for one in matrix.found]
    return {
        "networks": matrix.networks,
        **{name: found[0][name] for name in ("method", "norm", "radius", "target", "images")},
        "matrix": [
            {"attacked": row.attacked, "source": row.source, "fooling_ratio": row.fooled, "low": row.low,
             "high": row.high, "fooling_ratio_of_right": row.fooled_of_right, "error_rate": row.errors,
             "error_rate_before": row.errors_before}
            for row in matrix.transfers
        ],
        "found": [{"network": name, **one} for name, one in zip(matrix.networks, found, strict=True)],
        "seconds": sum(one["seconds"] for one in found),
    }  # fmt: skip
