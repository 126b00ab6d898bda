"""The pages of run folders: what came out, what it costs, how it was made, and the lines that load it again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from corank.compress import ASNetwork
from corank.compress.lemmas import LossBounds
from corank.compress.sparsity import Sparsified
from corank.experiment.run_folder import versions
from corank.experiment.run_tables import (
    accuracy_table,
    bounds_table,
    fit_table,
    nonzeros_table,
    parts_table,
    sparsity_table,
)
from corank.network import Cost, Latency
from corank.report import Figure, Page, Section, Table, Tradeoff, cost_bars, figures_of
from corank.report.format import compact, number, percent, ratio, storage
from corank.train import History
from corank.zoo import Dataset

if TYPE_CHECKING:
    from corank.experiment.compressing import Accuracies, Evaluated

IMAGE_AXES = 3


def reload_section(folder: Path, shape: Sequence[int], bounds: tuple[float, float]) -> Section:
    """The three lines that load the network of a run folder.

    Args:
        folder: as the user named it.
        shape: of one input.
        bounds: the least and largest value of an input.

    Example:
        >>> print(reload_section(Path("runs/asnet6"), (3, 32, 32), (0.0, 1.0)).code)
        import corank
        network = corank.load("runs/asnet6")
        logits = network(images)  # (B, 3, 32, 32), pixels in [0, 1]
    """
    inputs, values = ("images", "pixels") if len(shape) == IMAGE_AXES else ("vectors", "features")
    sizes = ", ".join(["B", *map(str, shape)])
    low, high = bounds
    place = "" if folder.is_absolute() else " The folder is named as seen from where the command ran."
    return Section(
        "Load the network",
        text=(
            "Three lines give it back, ready to be used, without the class that it was written in. Inputs are float32; "
            f"a normalisation is part of the network.{place}",
        ),
        code=(
            "import corank\n"
            f"network = corank.load({_quoted(str(folder))})\n"
            f"logits = network({inputs})  # ({sizes}), {values} in [{low:g}, {high:g}]"
        ),
    )


def _quoted(text: str) -> str:
    """A text as Python source, in double quotes where it holds none.

    Example:
        >>> print(_quoted("runs/mine"), _quoted('my "best" run'))
        "runs/mine" 'my "best" run'
    """
    literal = repr(text)
    return literal if '"' in literal else f'"{literal[1:-1]}"'


def training_page(
    network: str,
    dataset: Dataset,
    found: Accuracies,
    cost: Cost,
    history: History,
    *,
    folder: Path,
    options: Mapping[str, Any],
    device: str,
) -> Page:
    """The page of a training.

    Args:
        network: its name.
        dataset: what it was trained on.
        found: how well it works.
        cost: what it costs.
        history: of the training.
        folder: of the run, as the user named it.
        options: of the training, for the provenance.
        device: that it was trained on.
    """
    many, one = _inputs(dataset)
    machine = {"device": device, "threads": torch.get_num_threads()}
    return Page(
        title=f"{network}, trained on {dataset.name}",
        subtitle="A training: how well the network works, what it costs and how to load it",
        summary=(
            f"{network} classifies {percent(found.test)} of the {len(dataset.test):,} test {many} of {dataset.name} "
            f"correctly, and {percent(found.validation)} of the {len(dataset.validation):,} validation {many}.",
            f"It has {cost.parameters:,} parameters and needs {compact(cost.multiply_adds)} multiply-adds {one}.",
        ),
        facts=(
            ("test accuracy", percent(found.test)),
            ("validation accuracy", percent(found.validation)),
            ("storage", storage(cost.storage_bytes)),
            (f"multiply-adds {one}", compact(cost.multiply_adds)),
        ),
        sections=(
            reload_section(folder, dataset.shape, dataset.bounds),
            Section(
                "The training",
                text=(f"{_sentence(history.message)} The training split has {len(dataset.train):,} {many}.",),
                figures=tuple(figures_of(history).values()),
            ),
        ),
        provenance=_provenance(options, history.row()["seconds"], machine),
    )


def compression_page(
    network: str, dataset: Dataset, found: Evaluated, *, folder: Path, options: Mapping[str, Any], seconds: float
) -> Page:
    """The page of a compressed network.

    Args:
        network: the name of the original one.
        dataset: what it was compressed with and evaluated on.
        found: the smaller network with its accounts.
        folder: of the run, as the user named it.
        options: of the compression, for the provenance.
        seconds: that it took.
    """
    small = found.compressed
    where = f", cut after {small.layer}" if isinstance(small, ASNetwork) else ", made smaller"
    return Page(
        title=f"{network}{where}",
        subtitle=f"{options['method']} on {dataset.name}: how well it works, what it costs and how to load it",
        summary=_compression_in_words(network, dataset, found),
        facts=(
            ("test accuracy", percent(found.tuned.test)),
            ("of the original", percent(found.original.test)),
            ("smaller", ratio(small.storage_ratio)),
            ("faster, one sample", ratio(found.speedup))
            if found.latency
            else ("fewer multiply-adds", ratio(small.multiply_adds_ratio)),
        ),
        sections=(
            Section(
                "How well it works and what it costs",
                tables=(accuracy_table(_states(found)), parts_table(found)),
                figures=(_cost_bars(network, found),),
            ),
            reload_section(folder, dataset.shape, dataset.bounds),
            *(_asnet_sections(small) if isinstance(small, ASNetwork) else ()),
        ),
        provenance=_provenance(options, seconds, _timing(found.latency)),
    )


def _compression_in_words(network: str, dataset: Dataset, found: Evaluated) -> tuple[str, ...]:
    """What came out: how often it is right, what it costs, and what sparse training left."""
    small, original = found.compressed, found.compressed.original
    sparse = small.sparse if isinstance(small, ASNetwork) else None
    many, one = _inputs(dataset)
    where = f"Cut after {small.layer}" if isinstance(small, ASNetwork) else "Made smaller"
    *before, _ = [f"{name} {percent(state.test)}" for name, state in _states(found).items()]
    smaller = (
        f"It takes {storage(small.overall.storage_bytes)} instead of {storage(original.storage_bytes)} and "
        f"{compact(small.overall.multiply_adds)} instead of {compact(original.multiply_adds)} multiply-adds {one}"
    )
    if found.latency:
        smaller += f"; as measured, one {many[:-1]} at a time is answered {ratio(found.speedup)} as fast"
    return (
        f"{where}, {network} classifies {percent(found.tuned.test)} of the {len(dataset.test):,} test {many} of "
        f"{dataset.name} correctly ({', '.join(before)}).",
        f"{smaller}.",
        *(() if sparse is None else (_sparse_in_words(sparse),)),
    )


def _states(found: Evaluated) -> dict[str, Accuracies]:
    """The accuracies from the original network to the one in the run folder, each under its name."""
    small = found.compressed
    trained = isinstance(small, ASNetwork) and small.training is not None
    sparse = isinstance(small, ASNetwork) and small.sparse is not None
    last = "after sparse training" if sparse else "after fine-tuning" if trained else "made smaller"
    states = {
        "original": found.original,
        "before fine-tuning" if trained else "before sparse training": found.untuned,
        "after fine-tuning": found.dense,
        last: found.tuned,
    }
    return {name: state for name, state in states.items() if state is not None}


def _cost_bars(network: str, found: Evaluated) -> Figure:
    """What is left of each cost, of nonzeros alone too where there was sparse training."""
    small = found.compressed

    def row(name: str, cost: Cost, accuracy: float, latency: Sequence[Latency] = ()) -> Tradeoff:
        return Tradeoff(
            name=name, accuracy=accuracy, multiply_adds=cost.multiply_adds, storage_bytes=cost.storage_bytes,
            latency_ms=latency[0].median_ms if latency else None,
        )  # fmt: skip

    rows = [row("overall", small.overall, found.tuned.test, found.latency)]
    if isinstance(small, ASNetwork) and small.sparse is not None:
        rows.append(row("overall, nonzeros", small.sparse.overall, found.tuned.test))
    return cost_bars(rows, row(network, small.original, found.original.test, found.latency_original))


def _asnet_sections(small: ASNetwork) -> tuple[Section, ...]:
    """How well the new end fits, how it was trained, and what is left where it was made sparse."""
    figures = tuple(figures_of(small).values())
    sections = [
        Section(
            "How well the new end fits",
            text=_fit_in_words(small),
            tables=_fit_tables(small),
        )
    ]
    if figures:
        sections.append(Section("The training", figures=figures))
    if small.sparse is not None:
        text = f"{_sparse_in_words(small.sparse)} Where the zeros are takes storage too, which is not counted."
        tables = (nonzeros_table(small, small.sparse), sparsity_table(small.sparse))
        sections.append(Section("What sparse training left", text=(text,), tables=tables))
    return tuple(sections)


def _fit_tables(small: ASNetwork) -> tuple[Table, ...]:
    """What is known of the fit to the logits; nothing of logistic regression, which has other aims."""
    if small.method.endswith("LR"):
        return ()
    return (fit_table(small), *(() if small.bounds is None else (bounds_table(small.bounds),)))


def _fit_in_words(small: ASNetwork) -> tuple[str, ...]:
    """What the new end reads and what its directions hold, how it was fitted, and how the lemmas are meant."""
    directions = small.method.rpartition(" + ")[0]
    read = f"{small.rank:,} directions of the {small.features:,}" if directions else f"all {small.features:,}"
    kept = f"The new end reads {read} features at the cut"
    if directions and math.isfinite(small.captured_heldout):
        held = "variance of the features" if directions == "PCA" else "energy of the gradients"
        kept += f"; the directions hold {percent(small.captured_heldout)} of the {held} of held-out samples"
    return (
        f"{kept}. {_sentence(small.message)}",
        *(() if small.bounds is None else (_bounds_in_words(small.bounds),)),
    )


def _bounds_in_words(bounds: LossBounds) -> str:
    return (
        f"The lemmas are about means over {bounds.samples:,} held-out samples. The bound of Lemma 3.2 allows the "
        f"residual a margin of {number(bounds.margin)}, and holds with a probability of {percent(bounds.probability)} "
        f"for residuals cut off at {number(bounds.range_high)}, which {percent(bounds.share_beyond)} of these samples "
        "exceed."
    )


def _sparse_in_words(sparse: Sparsified) -> str:
    return (
        f"Sparse training ({sparse.penalty}) made {percent(sparse.zeros)} of the weights zero: the others take "
        f"{storage(sparse.overall.storage_bytes)} and {compact(sparse.overall.multiply_adds)} multiply-adds."
    )


def _inputs(dataset: Dataset) -> tuple[str, str]:
    """What the inputs are called, many and one."""
    return ("images", "an image") if len(dataset.shape) == IMAGE_AXES else ("samples", "a sample")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _timing(latency: Sequence[Latency]) -> dict[str, Any]:
    """How latency was measured."""
    if not latency:
        return {}
    threads = "1 thread" if latency[0].threads == 1 else f"{latency[0].threads} threads"
    return {"latency": f"median of {latency[0].repeats} forward passes, {threads}, {latency[0].device}"}


def _provenance(options: Mapping[str, Any], seconds: Any, machine: Mapping[str, Any]) -> dict[str, Any]:
    """Options, time, machine and versions; options that were left open are left out."""
    named = {name.replace("_", " "): value for name, value in options.items() if value is not None}
    return {**named, "seconds": round(seconds, 1), **machine, **versions()}
