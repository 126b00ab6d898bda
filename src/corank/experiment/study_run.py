"""A study from the command line to the folder: train the network if need be, study it, write everything."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from corank.compress import ASNet, CutForecasts
from corank.errors import InputError
from corank.experiment import run_folder
from corank.experiment.compressing import compress_options, save_compressed
from corank.experiment.evaluated import Evaluated
from corank.experiment.networks import Opened, identity
from corank.experiment.run_folder import CHECKPOINT
from corank.experiment.study import Study, StudyResult
from corank.experiment.study_page import cut_folder, study_page
from corank.experiment.training import Training
from corank.report import PAGE, write_page
from corank.result import jsonable
from corank.train import Checkpoint
from corank.train.devices import checked_device
from corank.zoo import Dataset

STUDY = "study.json"
FORECASTS = "forecasts.json"
OWN_FILES = {CHECKPOINT, "cuts", "figures", FORECASTS, PAGE, "network", STUDY}


def run_study(
    opened: Opened,
    dataset: Dataset,
    study: Study,
    training: Training,
    out: Path,
    *,
    random_weights: bool = False,
    overwrite: bool = False,
    report: Callable[[str], None] = lambda stage: None,
) -> dict[str, Any]:
    """Study a network and write `index.html`, `study.json`, figures and the run folders of the cut networks.

    The forecasts of all cuts are written to `forecasts.json` before any cut is built. A study that was interrupted
    measures again, but its trainings go on after their last finished epoch.

    Args:
        opened: the network; trained first, into `out/network`, if it came without weights.
        dataset: to train, measure, fine-tune and test on.
        study: what is studied.
        training: how a network without weights is trained.
        out: the folder.
        random_weights: whether the network is to be studied with the random weights that it has.
        overwrite: replace whatever study is there.
        report: told of every stage as it begins.

    Returns:
        What `study.json` holds. A finished study with the same options is returned as it is.

    Raises:
        InputError: the folder holds something else, or an option does not fit.
    """
    trained_here = None if opened.is_trained else asdict(training)
    made = {"study": asdict(study), "training": trained_here, "random_weights": random_weights}
    options = jsonable({**identity(opened, dataset), **made})
    study.check(opened.network, dataset)
    finished = _finished(out, options, overwrite)
    if finished is not None:
        report(f"{str(out)!r} holds this very study, finished: nothing to do")
        return finished
    _check_parts(out / CHECKPOINT, options, overwrite)
    start = time.perf_counter()
    network = opened.network
    if not opened.is_trained:
        report(f"training {opened.origin.name} on {dataset.name}")
        run = training.run(opened, dataset, out / "network", overwrite=overwrite, report=report)
        network = run.network.to(checked_device(training.device))
        opened = replace(opened, network=network, is_trained=True)
    _clear(out)

    def keep(found: Evaluated, compressor: ASNet) -> None:
        folder = cut_folder(out, compressor.layer)
        recorded = compress_options(compressor, opened, dataset, study.batch_size)
        save_compressed(folder, found, opened.origin, dataset, recorded, time.perf_counter() - start)

    def foretold(forecasts: CutForecasts) -> None:
        run_folder.write_json(out / FORECASTS, {"options": options, "forecasts": forecasts})

    checkpoint = Checkpoint(out / CHECKPOINT, options=options)
    name = f"{opened.origin.name} with random weights" if random_weights else opened.origin.name
    result = study.run(
        name, network, dataset, random_weights=random_weights, report=report, checkpoint=checkpoint,
        foretold=foretold, keep=keep,
    )  # fmt: skip
    shutil.rmtree(checkpoint.folder, ignore_errors=True)
    return _write(out, result, dataset, options, time.perf_counter() - start)


def _finished(out: Path, options: dict[str, Any], overwrite: bool) -> dict[str, Any] | None:
    """The study that is there already, if it is this one."""
    run_folder.make_writable(out)
    if not (out / STUDY).is_file():
        run_folder.refuse_foreign(out, OWN_FILES, "study")
    elif not overwrite:
        there = run_folder.read_json(out / STUDY)
        run_folder.refuse_difference(out, "study", there.get("options"), options)
        return there
    return None


def _check_parts(folder: Path, options: dict[str, Any], overwrite: bool) -> None:
    """Refuse what an interrupted study with other options left of its trainings, or delete it, before any work."""
    if overwrite:
        shutil.rmtree(folder, ignore_errors=True)
    for part in sorted(folder.glob("*/")):
        try:
            Checkpoint(part, options=options).check()
        except InputError as error:
            raise InputError(f"{error}; or add --overwrite") from error


def _clear(out: Path) -> None:
    """Delete what an older study left, but no file that is not a study's."""
    if (out / STUDY).is_file():
        run_folder.clear_page(out, STUDY, FORECASTS)
    for description in (out / "cuts").glob("*/description.json"):
        run_folder.clear_run(description.parent)
        if not any(description.parent.iterdir()):
            description.parent.rmdir()


def _write(out: Path, result: StudyResult, dataset: Dataset, options: dict[str, Any], seconds: float) -> dict[str, Any]:
    page = study_page(result, dataset, folder=out, options=options, seconds=seconds)
    write_page(page, out)
    about = {"summary": page.summary, "options": options, "seconds": seconds, "versions": run_folder.versions()}
    found: dict[str, Any] = jsonable({**about, **result.to_dict()})
    run_folder.write_json(out / STUDY, found)
    return found
