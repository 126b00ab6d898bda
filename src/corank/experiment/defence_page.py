"""The page of a defended network: how well it works with and without attack, and how its layers changed on the way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from corank.defend import Defence, Defended, Watched
from corank.discover import name_of
from corank.experiment.evaluated import Accuracies
from corank.experiment.run_pages import history_section, inputs_of, provenance, reload_section
from corank.network import Cost
from corank.report import Column, Page, Section, Table, figures_of
from corank.report.format import axis_number, compact, percent, storage
from corank.zoo import Dataset


def defence_page(
    network: str,
    defence: Defence,
    dataset: Dataset,
    result: Accuracies,
    cost: Cost,
    found: Defended,
    *,
    folder: Path,
    options: Mapping[str, Any],
    device: str,
) -> Page:
    """The page of a defence.

    Args:
        network: the name of the one that was defended.
        defence: the method.
        dataset: what it was trained on.
        result: how well it works without attack.
        cost: what it costs.
        found: the defended network, which was watched.
        folder: of the run, as the user named it.
        options: for the provenance.
        device: that it was trained on.
    """
    assert found.watched is not None
    name = name_of(type(defence)).replace("-", " ")
    many, one = inputs_of(dataset)
    last = found.watched.rows[-1]
    attack = f"{found.watched.norm} radius {axis_number(found.watched.radius)}"
    machine = {"device": device, "threads": torch.get_num_threads()}
    flat = {key: str(value) if isinstance(value, Mapping | tuple) else value for key, value in options.items()}
    return Page(
        title=f"{network}, {name}, on {dataset.name}",
        subtitle="A defence: how well the network works, what it withstands and how its layers changed",
        summary=(
            f"{network} classifies {percent(result.test)} of the {len(dataset.test):,} test {many} of {dataset.name} "
            "correctly.",
            f"Under {found.watched.steps} steps of projected gradient descent within {attack} it still classifies "
            f"{percent(last.robust_accuracy)} of {found.watched.images:,} validation {many} correctly, where it "
            f"classifies {percent(last.clean_accuracy)} of them without attack.",
            "That is one attack, to follow the training by. What the network withstands is for a whole evaluation to "
            "tell: corank attack evaluate.",
        ),
        facts=(
            ("test accuracy", percent(result.test)),
            ("under attack, validation", percent(last.robust_accuracy)),
            ("storage", storage(cost.storage_bytes)),
            (f"multiply-adds {one}", compact(cost.multiply_adds)),
        ),
        sections=(
            *_watched(found.watched),
            reload_section(folder, dataset.shape, dataset.bounds),
            history_section(found.history, dataset),
        ),
        provenance=provenance(flat, found.history.row()["seconds"], machine),
    )


def _watched(watched: Watched) -> tuple[Section, ...]:
    figures = figures_of(watched)
    accuracy = figures.pop("accuracy-by-epoch")
    sections = [Section("Accuracy on the way", tables=(epochs_table(watched),), figures=(accuracy,))]
    if watched.rows[-1].weights:
        text = "What the training made of every weight matrix: before it, and at its end."
        drawn = tuple(
            figures.pop(f"{name}-by-epoch") for name in ("effective-rank", "effective-sparsity", "stable-rank")
        )
        sections.append(Section("The weights", text=(text,), tables=(weights_table(watched),), figures=drawn))
    if figures:
        sections.append(Section("The activations", figures=tuple(figures.values())))
    return tuple(sections)


def epochs_table(watched: Watched) -> Table:
    """A row an epoch: accuracy as they are, attacked, and the fooling ratio."""
    columns = (
        Column("epoch"),
        Column("accuracy", show=percent),
        Column("attacked", note="share still classified rightly under attack", show=percent),
        Column("fooled", note="share of those classified rightly whose class the attack changes", show=percent),
    )
    rows = tuple((row.epoch, row.clean_accuracy, row.robust_accuracy, row.fooled) for row in watched.rows)
    return Table(columns, rows, "Validation samples, before the training and after each epoch.")


def weights_table(watched: Watched) -> Table:
    """A row a weight matrix, its numbers before the training and at the end."""
    columns = [Column("layer")]
    for title in ("effective rank", "effective sparsity", "stable rank"):
        columns += [Column(f"{title}, before"), Column(f"{title}, after")]
    rows = []
    for first, last in zip(watched.rows[0].weights, watched.rows[-1].weights, strict=True):
        pairs = [(first.effective_rank, last.effective_rank), (first.effective_sparsity, last.effective_sparsity),
                 (first.stable_rank, last.stable_rank)]  # fmt: skip
        rows.append((first.layer, *(value for pair in pairs for value in pair)))
    return Table(tuple(columns), tuple(rows), "Every weight matrix; a convolution's is its kernel, an output a row.")
