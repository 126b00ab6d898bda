"""Results as tables, the same on the page and in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corank.experiment.evaluated import Evaluated, asnetwork
from corank.experiment.measured_tables import active_table
from corank.experiment.run_folder import Run, said
from corank.experiment.study import CutPlace
from corank.experiment.words import sentence
from corank.measure import ActiveSubspaces
from corank.report import Column, Missing, Table
from corank.report.format import milliseconds, percent, ratio

NO_CUT = "data flows around this layer, so the network cannot be cut here"


def layers_table(found: ActiveSubspaces, places: Sequence[CutPlace]) -> Table:
    """A row a layer: what was measured there, and what lies in front of a cut."""
    note = "in millions, of one sample up to this layer"
    before = [place.pre.multiply_adds_millions if place.pre else Missing(NO_CUT) for place in places]
    return active_table(found, [(Column("multiply-adds before", note=note), before)])


def cuts_table(cuts: Sequence[Evaluated]) -> Table:
    """A row a cut: where, with how many directions, what it costs and how well it works."""
    columns = (
        Column("cut after"),
        Column("directions", note="kept at the cut"),
        Column("accuracy", note="on the test images", show=percent),
        Column("untuned", note="accuracy before fine-tuning", show=percent),
        Column("storage", note="how many times smaller", show=ratio),
        Column("multiply-adds", note="how many times fewer", show=ratio),
        Column("faster", note="one image, median time measured in turns with the original", show=ratio),
        Column("batch of 64", note="the same for 64 images", show=ratio),
        Column(
            "missed", note="share of the logits' variance that the polynomial misses, held-out samples", show=percent
        ),
    )
    return Table(columns, tuple(_cut_row(found) for found in cuts), "The cut networks.")


def _cut_row(found: Evaluated) -> tuple[Any, ...]:
    small = asnetwork(found)
    speedup_batch = found.latency_original[-1].median_ms / found.latency[-1].median_ms
    return (
        small.layer, small.rank, found.tuned.test, found.untuned.test if found.untuned else None,
        small.storage_ratio, small.multiply_adds_ratio, found.speedup, speedup_batch,
        small.residual_heldout / small.variance,
    )  # fmt: skip


def cost_table(found: Mapping[str, Any]) -> Table:
    """A row a part of a network: parameters, storage, multiply-adds and latencies."""
    parts = [name for name in ("network", "pre", "head", "overall") if name in found]
    batches = [row["batch"] for row in found["network"].get("latency", [])]
    columns = (
        Column("part"),
        Column("parameters"),
        Column("storage (MB)"),
        Column("multiply-adds (millions)"),
        *(Column(f"batch {batch}", show=milliseconds) for batch in batches),
    )
    rows = []
    for name in parts:
        part = found[name]
        times = [row["median_ms"] for row in part.get("latency", [])] or [None] * len(batches)
        rows.append((name, part["parameters"], part["storage_mb"], part["multiply_adds_millions"], *times))
    where = f", cut after {found['layer']} with {found['rank']} directions" if "layer" in found else ""
    return Table(columns, tuple(rows), f"{found['name']}{where}")


def compressed_in_words(run: Run) -> str:
    """What came of a compression, what was changed, and what the reader should know, from its run folder."""
    file = run.folder / "metrics.json"

    def number(*path: str) -> float:
        return float(said(run.metrics, file, *path))

    why = said(run.description, run.folder / "description.json", "why")
    message = said(run.metrics, file, "compressed", "message")
    accounts = (
        f"test accuracy {number('test_accuracy'):.2%} (original {number('original_test_accuracy'):.2%}), "
        f"{number('compressed', 'overall', 'storage_mb'):.3g} MB, {number('speedup'):.1f} times as fast at batch 1, "
        f"in {run.folder}"
    )
    return "\n".join([accounts, *(sentence(text) for text in (why, message) if text)])
