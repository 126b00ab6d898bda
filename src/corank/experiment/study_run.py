"""A study from the command line to the folder: train the network if need be, study it, write everything."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from corank.compress import ASNet
from corank.errors import InputError
from corank.experiment.compressing import Evaluated, compress_options, save_compressed
from corank.experiment.networks import Opened
from corank.experiment.run_folder import read_json, versions, write_json
from corank.experiment.study import Study, StudyResult
from corank.experiment.study_page import study_page
from corank.experiment.training import Training
from corank.report import write_page
from corank.result import jsonable
from corank.zoo import Dataset

STUDY = "study.json"


def run_study(
    opened: Opened,
    dataset: Dataset,
    study: Study,
    training: Training,
    out: Path,
    *,
    overwrite: bool = False,
    report: Callable[[str], None] = lambda stage: None,
) -> dict[str, Any]:
    """Study a network and write `index.html`, `study.json`, figures and the run folders of the cut networks.

    Args:
        opened: the network; trained first, into `out/network`, if it came without weights.
        dataset: to train, measure, fine-tune and test on.
        study: what is studied.
        training: how a network without weights is trained.
        out: the folder.
        overwrite: replace another study that is there.
        report: told of every stage as it begins.

    Returns:
        What `study.json` holds. A finished study with the same options is returned as it is.

    Raises:
        InputError: the folder holds something else, or an option does not fit.
    """
    options = json.loads(json.dumps(jsonable({
        "network": opened.origin.name, "data": dataset.name, "study": asdict(study),
        "training": None if opened.is_trained else asdict(training),
    })))  # fmt: skip
    finished = _finished(out, options, overwrite)
    if finished is not None:
        return finished
    start = time.perf_counter()
    network = opened.network
    if not opened.is_trained:
        report(f"training {opened.origin.name} on {dataset.name}")
        network = training.run(opened, dataset, out / "network", overwrite=overwrite).network
    out.mkdir(parents=True, exist_ok=True)

    def keep(found: Evaluated, compressor: ASNet) -> None:
        folder = out / "cuts" / str(compressor.layer).replace("/", "_")
        recorded = compress_options(compressor, opened.origin.name, dataset)
        save_compressed(folder, found, opened.origin, dataset, recorded, time.perf_counter() - start)

    result = study.run(opened.origin.name, network, dataset, report=report, keep=keep)
    return _write(out, result, options, time.perf_counter() - start)


def _finished(out: Path, options: dict[str, Any], overwrite: bool) -> dict[str, Any] | None:
    """The study that is there already, if it is this one."""
    if out.exists() and not out.is_dir():
        raise InputError(f"--out must name a folder, {str(out)!r} is a file")
    if not (out / STUDY).is_file():
        foreign = [entry.name for entry in out.iterdir() if entry.name not in ("network", "cuts")] if out.is_dir() else []
        if foreign:
            raise InputError(f"{str(out)!r} holds {foreign[0]!r} and no study: name another --out")
        return None
    there = read_json(out / STUDY)
    if there.get("options") == options:
        return there
    if not overwrite:
        raise InputError(f"{str(out)!r} holds a study with other options: name another --out, or add --overwrite")
    for name in ("cuts", "figures"):
        shutil.rmtree(out / name, ignore_errors=True)
    (out / STUDY).unlink()
    return None


def _write(out: Path, result: StudyResult, options: dict[str, Any], seconds: float) -> dict[str, Any]:
    page = study_page(result, options=options, seconds=seconds)
    write_page(page, out)
    found = {
        "summary": page.summary, "options": options, "seconds": seconds, "versions": versions(), **result.to_dict()
    }  # fmt: skip
    write_json(out / STUDY, found)
    return found
