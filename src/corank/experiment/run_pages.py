"""The pages of run folders: what came out, what it costs, how it was made, and the lines that load it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from corank.compress import Compressed
from corank.experiment.evaluated import Accuracies, Evaluated
from corank.experiment.particulars import Particulars
from corank.experiment.particulars_by_type import particulars_of
from corank.experiment.run_folder import versions
from corank.experiment.run_tables import accuracy_table, changes_table, parts_table
from corank.experiment.words import capital, sentence
from corank.network import Cost, Latency
from corank.report import Figure, Page, Section, Tradeoff, cost_bars, figures_of
from corank.report.format import compact, percent, ratio, storage
from corank.train import History
from corank.zoo import Dataset

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
    more: tuple[Section, ...] = (),
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
        more: sections about what this network alone has.
    """
    many, one = inputs_of(dataset)
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
            history_section(history, dataset),
            *more,
        ),
        provenance=provenance(options, history.row()["seconds"], machine),
    )


def history_section(history: History, dataset: Dataset) -> Section:
    """How a training went, and on how much."""
    many, _ = inputs_of(dataset)
    text = f"{sentence(history.message)} The training split has {len(dataset.train):,} {many}."
    return Section("The training", text=(text,), figures=tuple(figures_of(history).values()))


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
    small, told = found.compressed, particulars_of(found.compressed)
    return Page(
        title=f"{network}, {small.manner}",
        subtitle=f"{options['method']} on {dataset.name}: how well it works, what it costs and how to load it",
        summary=(*_compression_in_words(network, dataset, found), *told.summary),
        facts=(
            ("test accuracy", percent(found.tuned.test)),
            ("of the original", percent(found.original.test)),
            _stored(small),
            ("faster, one sample", ratio(found.speedup))
            if found.latency
            else ("fewer multiply-adds", ratio(small.multiply_adds_ratio)),
        ),
        sections=(
            Section(
                "How well it works and what it costs",
                tables=(accuracy_table(_states(found)), parts_table(found, told)),
                figures=(_cost_bars(network, found, told),),
            ),
            reload_section(folder, dataset.shape, dataset.bounds),
            *_changes(small),
            *told.sections,
        ),
        provenance=provenance(options, seconds, _timing(found.latency)),
    )


def _stored(small: Compressed) -> tuple[str, str]:
    """How much less is stored, or how much more."""
    if small.storage_ratio < 1:
        return "the storage, which grew", ratio(1 / small.storage_ratio)
    return "smaller", ratio(small.storage_ratio)


def _compression_in_words(network: str, dataset: Dataset, found: Evaluated) -> tuple[str, ...]:
    """What came out: how often it is right and what it costs."""
    small, original = found.compressed, found.compressed.original
    many, one = inputs_of(dataset)
    *before, _ = [f"{name} {percent(state.test)}" for name, state in _states(found).items()]
    smaller = (
        f"It takes {storage(small.overall.storage_bytes)} instead of {storage(original.storage_bytes)} and "
        f"{compact(small.overall.multiply_adds)} instead of {compact(original.multiply_adds)} multiply-adds {one}"
    )
    if found.latency:
        smaller += f"; as measured, one {many[:-1]} at a time is answered {ratio(found.speedup)} as fast"
    return (
        f"{capital(small.manner)}, {network} classifies {percent(found.tuned.test)} of the {len(dataset.test):,} test "
        f"{many} of {dataset.name} correctly ({', '.join(before)}).",
        f"{smaller}.",
    )


def _changes(small: Compressed) -> tuple[Section, ...]:
    """What became of every layer, and why."""
    if not small.changes:
        return ()
    return (Section("What was changed", text=(sentence(small.why),), tables=(changes_table(small.changes),)),)


def _states(found: Evaluated) -> dict[str, Accuracies]:
    """The accuracies from the original network to the one in the run folder, each under its name."""
    small = found.compressed
    trained = small.training is not None
    last = "after sparse training" if small.dense else "after fine-tuning" if trained else "made smaller"
    states = {
        "original": found.original,
        "before fine-tuning" if trained else "before sparse training": found.untuned,
        "after fine-tuning": found.dense,
        last: found.tuned,
    }
    return {name: state for name, state in states.items() if state is not None}


def _cost_bars(network: str, found: Evaluated, told: Particulars) -> Figure:
    """What is left of each cost, and what else is told of it."""
    small = found.compressed

    def row(name: str, cost: Cost, accuracy: float, latency: Sequence[Latency] = ()) -> Tradeoff:
        return Tradeoff(
            name=name, accuracy=accuracy, multiply_adds=cost.multiply_adds, storage_bytes=cost.storage_bytes,
            latency_ms=latency[0].median_ms if latency else None,
        )  # fmt: skip

    rows = [row("overall", small.overall, found.tuned.test, found.latency)]
    rows += [row(name, cost, found.tuned.test) for name, cost in told.costs.items()]
    return cost_bars(rows, row(network, small.original, found.original.test, found.latency_original))


def inputs_of(dataset: Dataset) -> tuple[str, str]:
    """What the inputs are called, many and one."""
    return ("images", "an image") if len(dataset.shape) == IMAGE_AXES else ("samples", "a sample")


def _timing(latency: Sequence[Latency]) -> dict[str, Any]:
    """How latency was measured."""
    if not latency:
        return {}
    threads = "1 thread" if latency[0].threads == 1 else f"{latency[0].threads} threads"
    return {"latency": f"median of {latency[0].repeats} forward passes, {threads}, {latency[0].device}"}


def provenance(options: Mapping[str, Any], seconds: Any, machine: Mapping[str, Any]) -> dict[str, Any]:
    """Options, time, machine and versions; options that were left open are left out."""
    named = {name.replace("_", " "): _flat(value) for name, value in options.items() if value is not None}
    return {**named, "seconds": round(seconds, 1), **machine, **versions()}


def _flat(value: Any) -> Any:
    """Options within an option as words."""
    if not isinstance(value, Mapping):
        return value
    return ", ".join(f"{name.replace('_', ' ')} {inner}" for name, inner in value.items())
