"""A compressor at work on a run: the smaller network, its accuracy before and after fine-tuning, its latency.

Whatever is chosen is chosen on the validation split; the test split is read for the reported accuracy only. A run that
was interrupted goes on after the last finished epoch of its trainings.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from corank.compress import ASNetwork, Compressed, Compressor
from corank.errors import InputError
from corank.experiment.networks import Opened, check_capture, identity
from corank.experiment.run_folder import CHECKPOINT, Origin, Run, claim, load_run, save_run
from corank.experiment.run_pages import compression_page
from corank.measure import Batches as TrainingBatches
from corank.network import Latency, latencies
from corank.result import Result, Scalar
from corank.train import Checkpoint, accuracy
from corank.zoo import Batches, Dataset

EVALUATION_BATCH = 500
LATENCY_BATCHES = (1, 64)


@dataclass(frozen=True, kw_only=True)
class Accuracies(Result):
    """Accuracy on the validation split, where choices are made, and on the test split, which is reported."""

    validation: float
    test: float

    def row(self) -> dict[str, Scalar]:
        """Both accuracies."""
        return {"validation_accuracy": self.validation, "test_accuracy": self.test}


@dataclass(frozen=True, kw_only=True)
class Evaluated(Result):
    """A compressed network with what it is worth.

    Attributes:
        compressed: the network and its cost.
        original: accuracy of the network it came from.
        untuned: accuracy before any training; None where there was none.
        dense: accuracy after fine-tuning, before sparse training; None where there were not both.
        tuned: accuracy as it is.
        latency: of the smaller network, a row a batch size.
        latency_original: of the original network, measured in turns with it.
    """

    compressed: Compressed
    original: Accuracies
    untuned: Accuracies | None
    dense: Accuracies | None
    tuned: Accuracies
    latency: tuple[Latency, ...]
    latency_original: tuple[Latency, ...]

    def row(self) -> dict[str, Scalar]:
        """Accuracy before and after, cost, and how much faster one sample is."""
        return {
            **self.compressed.row(),
            "test accuracy": self.tuned.test,
            "of the original": self.original.test,
            "untuned": self.untuned.test if self.untuned else None,
            "dense": self.dense.test if self.dense else None,
            "faster at batch 1": self.speedup,
        }

    @property
    def speedup(self) -> float:
        """The ratio of median latencies for a single sample."""
        return self.latency_original[0].median_ms / self.latency[0].median_ms


def asnetwork(found: Evaluated) -> ASNetwork:
    """The compressed network as what a cut gives."""
    assert isinstance(found.compressed, ASNetwork)
    return found.compressed


def accuracies(network: nn.Module, dataset: Dataset) -> Accuracies:
    """Accuracy of a network on the validation and the test split."""
    return Accuracies(
        validation=accuracy(network, Batches(dataset.validation, EVALUATION_BATCH)),
        test=accuracy(network, Batches(dataset.test, EVALUATION_BATCH)),
    )


def compress_and_evaluate(
    network: nn.Module,
    compressor: Compressor,
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
        dataset: whose validation and test splits are evaluated.
        original: accuracies of the original where they are known.
        seconds: about how long the latency of one batch size is measured.
        checkpoint: where trainings keep their epochs and go on from, as `Compressor.compress` has it.
    """
    compressed = compressor.compress(network, batches, checkpoint=checkpoint)
    final = compressed.network
    fitted, dense = (compressed.fitted, compressed.tuned) if isinstance(compressed, ASNetwork) else (final, final)
    example = next(iter(Batches(dataset.test, 1)))[0]
    device = next(network.parameters(), example).device
    rows = [timed({"original": network, "small": final}, example.to(device), batch, seconds)
            for batch in LATENCY_BATCHES]  # fmt: skip
    return Evaluated(
        compressed=compressed,
        original=original or accuracies(network, dataset),
        untuned=None if fitted is final else accuracies(fitted, dataset),
        dense=None if dense in (fitted, final) else accuracies(dense, dataset),
        tuned=accuracies(final, dataset),
        latency=tuple(row["small"] for row in rows),
        latency_original=tuple(row["original"] for row in rows),
    )


def timed(networks: dict[str, nn.Module], example: Tensor, batch: int, seconds: float) -> dict[str, Latency]:
    """Latencies of networks on copies of one sample."""
    return latencies(networks, torch.cat([example[:1]] * batch), seconds=seconds)


def compress_options(compressor: Compressor, opened: Opened, dataset: Dataset, batch_size: int) -> dict[str, Any]:
    """What makes one compression this one: the options that a run folder records and compares."""
    method = {"method": type(compressor).__name__, **asdict(compressor)}
    return {**identity(opened, dataset), **method, "batch_size": batch_size}


def run_compression(
    opened: Opened,
    dataset: Dataset,
    compressor: Compressor,
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
    folder: Path, found: Evaluated, origin: Origin, dataset: Dataset, options: dict[str, Any], seconds: float
) -> None:
    """Write the run folder of a compressed network.

    Args:
        folder: where.
        found: the network with its accounts.
        origin: of the original network.
        dataset: that it was compressed with.
        options: of `compress_options`.
        seconds: that it took.
    """
    compressed = found.compressed
    about = {
        "command": "compress",
        "data": dataset.name,
        "options": options,
        "seed": options.get("seed"),
        "seconds": seconds,
        "changed": f"{options['method']} of {origin.name}: {compressed}",
    }
    small = Origin(name=f"{options['method']} of {origin.name}", zoo_name=None, classes=origin.classes,
                   shape=origin.shape, dtype=origin.dtype)  # fmt: skip
    metrics = {
        "test_accuracy": found.tuned.test,
        "original_test_accuracy": found.original.test,
        "speedup": found.speedup,
        **found.to_dict(),
    }
    page = compression_page(origin.name, dataset, found, folder=folder, options=options, seconds=seconds)
    save_run(folder, compressed.network, small, about=about, metrics=metrics, page=page)
