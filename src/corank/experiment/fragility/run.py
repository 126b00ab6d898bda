"""A diagnosis from the command line to the folder: the page, `fragility.json`, and what is kept while it goes on."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from corank.experiment import run_folder
from corank.experiment.attack_folder import Kind
from corank.experiment.attack_setting import Setting
from corank.experiment.fragility.diagnosis import diagnosed
from corank.experiment.fragility.fragility import Fragility
from corank.experiment.fragility.options import Diagnosing
from corank.experiment.fragility.page import fragility_page
from corank.experiment.fragility.words import in_words
from corank.experiment.networks import Opened, identity
from corank.experiment.run_folder import CHECKPOINT
from corank.network.fingerprint import fingerprint
from corank.result import jsonable
from corank.zoo import Dataset
from corank.zoo.data.picture import read_picture

FOLDER = Kind(name="diagnosis", numbers="fragility.json")


def run_fragility(
    opened: Opened,
    dataset: Dataset,
    options: Diagnosing,
    out: Path | None = None,
    *,
    overwrite: bool = False,
    report: Callable[[str], None] = lambda stage: None,
) -> dict[str, Any]:
    """Diagnose a network on its test split, and write a folder with the page where one is named.

    Args:
        opened: the network; it comes back unchanged.
        dataset: on whose test split it is diagnosed.
        options: which images, where their paths lead.
        out: the folder. A finished diagnosis with the same options is returned as it is, an interrupted one goes on.
        overwrite: replace another diagnosis that is there.
        report: told of every stage as it begins, and when there is nothing to do.

    Returns:
        What `fragility.json` holds.

    Raises:
        InputError: the folder holds something else, or an option does not fit the network or the data.
    """
    attacked = Setting().attacked(opened.network, dataset)
    given = {"towards": _content(options.towards, dataset)}
    told = jsonable({**identity(opened, dataset), **asdict(options), **given})
    finished = FOLDER.claimed(out, told, overwrite=overwrite, report=report)
    if finished is not None:
        return finished
    start, checkpoint = time.perf_counter(), None if out is None else out / CHECKPOINT
    found = diagnosed(
        attacked, dataset, options, folder=checkpoint, told=told, overwrite=overwrite, report=report
    )  # fmt: skip
    name, seconds = opened.origin.name, {"seconds": time.perf_counter() - start}
    about = {"network": name, "data": dataset.name, "bounds": attacked.bounds, "summary": in_words(found, name)}
    result: dict[str, Any] = jsonable(
        {**about, **fragility_json(found, dataset), **seconds, "options": told, "versions": run_folder.versions()}
    )
    if out is not None:
        FOLDER.write(out, fragility_page(found, result, dataset), result, {})
        shutil.rmtree(out / CHECKPOINT, ignore_errors=True)
    return result


def fragility_json(found: Fragility, dataset: Dataset) -> dict[str, Any]:
    """What was found, with the names of classes beside their numbers."""
    told = found.to_dict()
    for row in told["images"]:
        row["class"], row["towards"] = _name(dataset, row["label"]), _name(dataset, row["other"])
    for row in told["classes"]:
        row["class"] = _name(dataset, row["label"])
    told["better"] = None if found.gain is None else found.gain.verdict
    return told


def _name(dataset: Dataset, label: int) -> str:
    return dataset.class_names[label] if label < dataset.classes else f"output {label}"


def _content(file: Path | None, dataset: Dataset) -> str | None:
    """An image file by what it shows, so that another one of the same name is told apart."""
    if file is None:
        return None
    return f"{file.name} {fingerprint({'image': read_picture(file, dataset.shape, dataset.bounds)})}"
