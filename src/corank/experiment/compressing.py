"""A compressor at work on a run: the smaller network, its accuracy before and after fine-tuning, its latency.

Whatever is chosen is chosen on the validation split; the test split is read for the reported accuracy only. A run that
was interrupted goes on after the last finished epoch of its trainings.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from corank.compress import Compressed, Compressor
from corank.errors import InputError
from corank.experiment.account import quotient
from corank.experiment.evaluated import Accuracies, Evaluated
from corank.experiment.networks import Opened, check_capture, identity
from corank.experiment.run_folder import CHECKPOINT, Origin, Run, claim, load_run, no_empty_folder, save_run
from corank.experiment.run_pages import compression_page
from corank.measure import Batches as TrainingBatches
from corank.network import Cost, Latency, capture, cost, latencies
from corank.result import Scalar
from corank.train import Checkpoint, accuracy
from corank.train.evaluate import device_of
from corank.zoo import Batches, Dataset

EVALUATION_BATCH = 500
LATENCY_BATCHES = (1, 64)


def accuracies(network: nn.Module, dataset: Dataset) -> Accuracies:
    """Accuracy of a network on the validation and the test split."""
    return Accuracies(
        validation=accuracy(network, Batches(dataset.validation, EVALUATION_BATCH)),
        test=accuracy(network, Batches(dataset.test, EVALUATION_BATCH)),
    )


def compress_and_evaluate(
    network: nn.Module,
    compressor: Compressor[Compressed],
    batches: TrainingBatches,
    dataset: Dataset,
    *,
    original: Accuracies | None = None,
    seconds: float = 2.0,
    checkpoint: Checkpoint | Path | None = None,
) -> Evaluated:
    """Compress a network and say what came of it.

    Args:
        network: the original.
        compressor: the method with its options.
        batches: training data for the compressor.
        dataset: whose validation and test splits are evaluated; the compressor makes its choices on the former.
        original: accuracies of the original where they are known.
        seconds: about how long the latency of one batch size is measured.
        checkpoint: where trainings keep their epochs and go on from, as `Compressor.compress` has it.
    """
    validation = Batches(dataset.validation, EVALUATION_BATCH)
    compressed = compressor.compress(network, batches, validation=validation, checkpoint=checkpoint)
    final, fitted, dense = compressed.network, compressed.fitted, compressed.dense
    example = next(iter(Batches(dataset.test, 1)))[0]
    device = next(network.parameters(), example).device
    rows = [timed({"original": network, "small": final}, example.to(device), batch, seconds)
            for batch in LATENCY_BATCHES]  # fmt: skip
    return Evaluated(
        compressed=compressed,
        original=original or accuracies(network, dataset),
        untuned=None if fitted is None or fitted is final else accuracies(fitted, dataset),
        dense=None if dense is None or dense is fitted else accuracies(dense, dataset),
        tuned=accuracies(final, dataset),
        latency=tuple(row["small"] for row in rows),
        latency_original=tuple(row["original"] for row in rows),
    )


def timed(networks: dict[str, nn.Module], example: Tensor, batch: int, seconds: float) -> dict[str, Latency]:
    """Latencies of networks on copies of one sample."""
    return latencies(networks, torch.cat([example[:1]] * batch), seconds=seconds)


def compress_options(
    compressor: Compressor[Compressed], opened: Opened, dataset: Dataset, batch_size: int
) -> dict[str, Any]:
    """What makes one compression this one: the options that a run folder records and compares."""
    method = {"method": type(compressor).__name__, **asdict(compressor)}
    return {**identity(opened, dataset), **method, "batch_size": batch_size}


def run_compression(
    opened: Opened,
    dataset: Dataset,
    compressor: Compressor[Compressed],
    out: Path,
    *,
    batch_size: int = 64,
    seed: int = 0,
    overwrite: bool = False,
    report: Callable[[str], None] = lambda stage: None,
) -> Run:
    """Compress a network and write the run folder of the smaller one; what was interrupted goes on where it stopped.

    Args:
        opened: the network; it comes back unchanged.
        dataset: compressed with its training split.
        compressor: the method with its options.
        out: the run folder. A finished run with the same options is returned as it is.
        batch_size: samples a pass.
        seed: of the order of the samples.
        overwrite: replace whatever run is there, finished or not; one that is the beginning of this one goes on.
        report: told when there is nothing to do, and when an earlier compression goes on.

    Raises:
        InputError: the folder holds something else, or the network cannot be compressed in this way.
    """
    batches = Batches(dataset.train, batch_size, shuffle=True, seed=seed)
    options = {**compress_options(compressor, opened, dataset, batch_size), "order_seed": seed}
    with no_empty_folder(out):
        finished = claim(out, options, overwrite=overwrite)
        if finished is not None:
            report(f"{str(out)!r} holds this very network, finished: nothing to do")
            return finished
        check_capture(opened)
        checkpoint = _checkpoint(out, options, overwrite)
        if stopped := _reached(checkpoint):
            report(f"going on where the compression in {str(out)!r} stopped, after {stopped}")
        start = time.perf_counter()
        found = compress_and_evaluate(opened.network, compressor, batches, dataset, checkpoint=checkpoint)
        save_compressed(out, found, opened.origin, dataset, options, time.perf_counter() - start)
        shutil.rmtree(checkpoint.folder, ignore_errors=True)
        return load_run(out)


def _checkpoint(out: Path, options: dict[str, Any], overwrite: bool) -> Checkpoint:
    """Where a compression keeps its epochs; of those of another one none is left where overwriting is allowed."""
    checkpoint = Checkpoint(out / CHECKPOINT, options={"run": options})
    try:
        checkpoint.check()
    except InputError:
        if not overwrite:
            raise
        shutil.rmtree(checkpoint.folder)
    return checkpoint


def _reached(checkpoint: Checkpoint) -> str:
    """How far the trainings in a checkpoint came, in words; empty where none began."""
    parts = {folder.name: Checkpoint(folder).latest() for folder in sorted(checkpoint.folder.glob("*/"))}
    return " and ".join(f"{latest.name.replace('-', ' ')} of {name}" for name, latest in parts.items() if latest)


def save_compressed(
    folder: Path,
    found: Evaluated,
    origin: Origin,
    dataset: Dataset,
    options: dict[str, Any],
    seconds: float,
) -> None:
    """Write the run folder of a compressed network.

    Its description says what was aimed at and what the network that is saved reached, what was changed in it, what was
    left, and why.

    Args:
        folder: where.
        found: the network with its accounts.
        origin: of the original network.
        dataset: that it was compressed with.
        options: of `compress_options`.
        seconds: that it took.
    """
    compressed = found.compressed
    example = torch.zeros(2, *origin.shape, dtype=getattr(torch, origin.dtype))
    network = capture(compressed.network, example.to(device_of(compressed.network)))
    about = {
        "command": "compress",
        "data": dataset.name,
        "bounds": dataset.bounds,
        "options": options,
        "seed": options.get("seed"),
        "seconds": seconds,
        "target": compressed.goal,
        "reached": _costs(compressed.original, cost(network, origin.shape, example.dtype)),
        "accuracy": {
            "original": found.original, "before_recovery": found.untuned, "after_recovery": found.tuned,
        },
        "latency": {"original": found.latency_original, "compressed": found.latency},
        "why": compressed.why,
        "changes": compressed.changes,
    }  # fmt: skip
    small = Origin(name=f"{options['method']} of {origin.name}", zoo_name=None, classes=origin.classes,
                   shape=origin.shape, dtype=origin.dtype)  # fmt: skip
    metrics = {
        "test_accuracy": found.tuned.test,
        "original_test_accuracy": found.original.test,
        "speedup": found.speedup,
        **found.to_dict(),
    }
    page = compression_page(origin.name, dataset, found, folder=folder, options=options, seconds=seconds)
    save_run(folder, network, small, about=about, metrics=metrics, page=page)


def _costs(original: Cost, small: Cost) -> dict[str, Scalar]:
    """The cost of a smaller network and how many times smaller than the original it is."""
    return {
        **small.row(),
        "parameters_ratio": quotient(original.parameters, small.parameters),
        "storage_ratio": quotient(original.storage_bytes, small.storage_bytes),
        "multiply_adds_ratio": quotient(original.multiply_adds, small.multiply_adds),
    }
