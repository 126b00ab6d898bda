"""Tables say what the results hold, and say why where a number is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from corank.compress import ASNet
from corank.errors import InputError
from corank.experiment import Opened, compress_and_evaluate
from corank.experiment.compressing import run_compression
from corank.experiment.costing import cost_of
from corank.experiment.measured_tables import active_table
from corank.experiment.study import Study
from corank.experiment.tables import NO_CUT, compressed_in_words, cost_table, cuts_table, layers_table
from corank.report import Missing
from corank.zoo import Batches, Dataset

from .measurements import column

Make = Callable[..., Opened]


def test_every_measured_layer_has_a_row(make_opened: Make, pixels: Dataset) -> None:
    study = Study(samples=60, epochs=0, rank=1, attack_images=0)
    result = study.run("residual", make_opened("residual").network, pixels)
    table = layers_table(result.active, result.places)
    assert column(table, "layer") == [layer.layer for layer in result.active.layers]
    assert column(table, "width") == [layer.width for layer in result.active.layers]
    for place, shown in zip(result.places, column(table, "multiply-adds before"), strict=True):
        expected = place.pre.multiply_adds_millions if place.pre else Missing(NO_CUT)
        assert shown == expected
    assert any(isinstance(shown, Missing) for shown in column(table, "multiply-adds before"))
    assert active_table(result.active).columns == table.columns[:-1]


def test_a_cuts_row_holds_its_ratios(make_opened: Make, pixels: Dataset) -> None:
    batches = Batches(pixels.train, 32, shuffle=True)
    method = ASNet(layer=1, rank=2, epochs=0, samples=60)
    found = compress_and_evaluate(make_opened("residual").network, method, batches, pixels, seconds=0.02)
    table = cuts_table([found])
    assert column(table, "accuracy") == [found.tuned.test]
    assert column(table, "storage") == [
        found.compressed.original.storage_bytes / found.compressed.overall.storage_bytes
    ]
    assert column(table, "faster") == [found.speedup]


@pytest.mark.parametrize(("layer", "parts"), [(None, ["network"]), (1, ["network", "pre", "head", "overall"])])
def test_cost_has_a_row_a_part(make_opened: Make, layer: int | None, parts: list[str]) -> None:
    found = cost_of(make_opened("residual", trained=False), layer, rank=2, seconds=0.02)
    table = cost_table(found)
    assert column(table, "part") == parts
    assert column(table, "parameters") == [found[part]["parameters"] for part in parts]
    timed = [found[part]["latency"][0]["median_ms"] if "latency" in found[part] else None for part in parts]
    assert column(table, "batch 1") == timed


def test_a_compression_in_words_and_its_damaged_numbers(make_opened: Make, pixels: Dataset, tmp_path: Path) -> None:
    run = run_compression(make_opened("residual"), pixels, ASNet(layer=1, rank=2, epochs=0), tmp_path)
    text = compressed_in_words(run)
    assert f"test accuracy {run.metrics['test_accuracy']:.2%}" in text
    assert str(tmp_path) in text
    del run.metrics["compressed"]["overall"]
    with pytest.raises(InputError, match=r"metrics\.json.*compressed\.overall\.storage_mb"):
        compressed_in_words(run)
