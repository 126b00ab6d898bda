"""Rows agree with what the compressor builds, and printed numbers with one another where no note says otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from corank.compress import RON
from corank.experiment.bench import Bench
from corank.experiment.printed import Number, number_of, read_printed
from corank.experiment.recipe import Axes, Cell, find_recipes
from corank.experiment.recipes.thesis import figure5_3, table5_1, table5_2
from corank.experiment.recipes.thesis.reducing import FROM_LAYERS, SMALL, Reducing, comparable, reaches, reduced_row
from corank.experiment.store import Store
from corank.network import cost, load_graph
from corank.train import Checkpoint, accuracy
from corank.zoo import Batches, build, input_shape

RECIPES = find_recipes()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(Store(tmp_path_factory.mktemp("tables")))


def cell_of(axes: Axes, options: Reducing = SMALL) -> Cell[Reducing]:
    return Cell(recipe="thesis/test", preset="smoke", axes=axes, options=options, stands_in=True, seed=0)


def printed(name: str) -> tuple[Number, ...]:
    return read_printed(RECIPES[name].printed).numbers


def test_a_row_describes_the_network_that_the_compressor_builds(bench: Bench) -> None:
    row = reduced_row(cell_of({"network": "RON", "factor": 4, "from_layer": 5}), bench)
    teacher = SMALL.teacher(bench)
    batches = Batches(teacher.data.train, SMALL.batch_size, shuffle=True, seed=0)
    small = RON(
        layer=4, factor=4, rows=1.5, maps="interpolated", samples=None, tuning="thesis", epochs=1, seed=0
    ).compress(teacher.network, batches, validation=Batches(teacher.data.validation, SMALL.batch_size))  # fmt: skip
    test = Batches(teacher.data.test, 500)
    assert small.fitted is not None
    assert row["top1_after"] == pytest.approx(100 * accuracy(small.network, test))
    assert row["top1_before"] == pytest.approx(100 * accuracy(small.fitted, test))
    assert row["multiply_adds_ratio"] == pytest.approx(small.multiply_adds_ratio)
    for when in ("before", "after"):
        assert row[f"drop_{when}"] == pytest.approx(100 * teacher.top1 - row[f"top1_{when}"])
        assert row[f"top1_{when}"] <= row[f"top5_{when}"] <= 100
    times = row["latency"]
    assert row["speed_up"] == pytest.approx(times["teacher"]["median_ms"] / times["small"]["median_ms"])
    assert [layer["layer"] for layer in row["layers"]] == [layer.layer for layer in small.layers]


def test_ratios_and_drops_are_to_the_teacher_even_where_it_was_pruned_first(bench: Bench) -> None:
    pruned = reduced_row(cell_of({"network": "pruned"}), bench)
    both = reduced_row(cell_of({"network": "pruned+RON", "from_layer": 5}), bench)
    teacher = SMALL.teacher(bench)
    (folder,) = bench.store.folder.glob("teachers/*/network/graph.json")
    network = load_graph(folder.parent)
    shape = input_shape(SMALL.network)
    whole = cost(teacher.network, shape).multiply_adds
    assert pruned["multiply_adds_ratio"] == pytest.approx(whole / cost(network, shape).multiply_adds)
    assert pruned["multiply_adds_ratio"] >= SMALL.pruned_ratio
    test = Batches(teacher.data.test, 500)
    assert pruned["top1_after"] == pytest.approx(100 * accuracy(network, test))
    small = RON(layer=4, vbmf=True, maps="interpolated", samples=None, epochs=0, seed=0).compress(
        network, Batches(teacher.data.train, SMALL.batch_size, shuffle=True, seed=0)
    )
    assert both["top1_before"] == pytest.approx(100 * accuracy(small.network, test))
    assert both["multiply_adds_ratio"] == pytest.approx(whole / small.overall.multiply_adds)
    assert both["drop_after"] == pytest.approx(100 * teacher.top1 - both["top1_after"])


def test_the_row_of_the_teacher_is_the_teacher(bench: Bench) -> None:
    row, teacher = reduced_row(cell_of({"network": "teacher"}), bench), SMALL.teacher(bench)
    assert row["top1_after"] == pytest.approx(100 * accuracy(teacher.network, Batches(teacher.data.test, 500)))
    assert (row["speed_up"], row["multiply_adds_ratio"]) == (1, 1)
    assert row["top1_before"] is row["drop_after"] is None


def test_without_fine_tuning_there_is_no_accuracy_after_it(bench: Bench) -> None:
    row = reduced_row(cell_of({"network": "RON", "factor": 4, "from_layer": 5}, replace(SMALL, epochs=0)), bench)
    tuned = reduced_row(cell_of({"network": "RON", "factor": 4, "from_layer": 5}), bench)
    assert row["top1_after"] is row["top5_after"] is row["drop_after"] is None
    assert row["top1_before"] == pytest.approx(tuned["top1_before"])


def test_tables_share_the_networks_that_they_show(bench: Bench) -> None:
    axes = {"network": "pruned+RON", "from_layer": 5}
    reduced_row(cell_of(axes), bench)
    kept = sorted(bench.store.folder.rglob("*.json"))
    for name in ("thesis/table5_1", "thesis/table5_4", "thesis/figure5_3"):
        (cell,) = (cell for cell in RECIPES[name].cells("smoke") if dict(cell.axes) == axes)
        RECIPES[name].run_cell(cell, bench)
    assert sorted(bench.store.folder.rglob("*.json")) == kept


def test_a_stopped_cell_goes_on(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = replace(cell_of({"network": "RON", "factor": 4, "from_layer": 5}, replace(SMALL, epochs=2)), seed=3)
    expected = reduced_row(cell, bench)
    other, save = Bench(Store(tmp_path), bench.sources), Checkpoint.save

    def stopped(self: Checkpoint, *rest: Any) -> None:
        save(self, *rest)
        raise KeyboardInterrupt

    cell.options.teacher(other)
    with monkeypatch.context() as patched:
        patched.setattr(Checkpoint, "save", stopped)
        with pytest.raises(KeyboardInterrupt):
            reduced_row(cell, other)
    assert list(tmp_path.glob("thesis/networks/*/seed-3.checkpoint/**/epoch-1"))
    assert list(tmp_path.glob("thesis/networks/*/*.json")) == []
    found = reduced_row(cell, other)
    untimed = found.keys() - {"speed_up", "latency"}
    assert {name: found[name] for name in untimed} == {name: expected[name] for name in untimed}
    assert list(tmp_path.glob("thesis/networks/*/*.checkpoint")) == []


def test_accuracies_on_other_data_are_told_as_drops_alone() -> None:
    row = {"top1_after": 90.0, "top5_before": None, "drop_after": 1.0, "speed_up": 2.0}
    published = table5_2.TABLE.presets["paper"][0].options
    quick = replace(cell_of({}, replace(published, data="cifar10-jpeg")), stands_in=False)
    assert comparable(row, quick, published) == {
        "top1_after": None, "top5_before": None, "drop_after": 1.0, "speed_up": 2.0,
        "on_other_data": {"top1_after": 90.0, "top5_before": None},
    }  # fmt: skip
    assert comparable(row, replace(quick, options=published), published) == row
    assert comparable(row, replace(quick, stands_in=True), published) == row


def test_table_5_4_follows_from_table_5_1_where_no_note_says() -> None:
    numbers = {(tuple(n.axes.items()), n.column): number_of(n.printed) for n in printed("thesis/table5_1")}
    teacher = ((("network", "teacher"),), "top1_after")
    for number in printed("thesis/table5_4"):
        axes = tuple(number.axes.items())
        if number.column == "multiply_adds_ratio":
            assert number_of(number.printed) == numbers[axes, number.column]
        else:
            drop = round(numbers[teacher] - numbers[axes, "top1_after"], 2)
            assert (number_of(number.printed) == drop) != bool(number.note), number
            assert not number.note or f"{drop:.2f}" in number.note


def multiply_adds_by_layer(network: nn.Module, shape: tuple[int, ...]) -> list[int]:
    """Of each convolution and of the linear layer, from the sizes of their weights and outputs."""
    found: list[int] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(
                lambda layer, _, output: found.append(layer.weight.numel() * output[0, 0].numel())  # type: ignore[operator]
            )
    network.eval()(torch.zeros(1, *shape))
    return found


@pytest.mark.parametrize(
    ("name", "classes"), [("thesis/table5_1", 10), ("thesis/table5_2", 100), ("thesis/table5_3", 10)]
)
def test_printed_ratios_leave_the_kept_layers_their_cost_where_no_note_says(name: str, classes: int) -> None:
    network = RECIPES[name].cells("paper")[0].options.network
    each = multiply_adds_by_layer(build(network, classes=classes), input_shape(network))
    checked = [n for n in printed(name) if n.column == "multiply_adds_ratio" and n.axes["network"] == "RON"]
    assert checked
    for number in checked:
        first = number.axes["from_layer"]
        assert isinstance(first, int)
        most = sum(each) / sum(each[: first - 1])
        assert (number_of(number.printed) < most) != bool(number.note), number
        assert not number.note or f"{most:.2f}" in number.note


def test_claims_of_table_5_1_are_about_means_over_seeds_and_can_fail() -> None:
    rows = [
        {"network": "RON", "from_layer": first, "multiply_adds_ratio": 1.526 + place, "drop_before": place - 0.1}
        for place, first in enumerate(FROM_LAYERS)
    ]
    claim, more = reaches("RON", 10, "before", 1.53, 0.09), reaches("RON", 10, "before", 1.53, 0.2)
    smaller, other = reaches("RON", 10, "before", 1.6, 0.09), reaches("RON", 9, "before", 1.53, 0.09)
    assert (claim(rows), more(rows), smaller(rows), other(rows)) == (True, False, False, False)
    assert (claim([]), claim(rows[:1]), claim(rows[1:])) == (None, True, None)
    assert claim([*rows, {**rows[0], "drop_before": 0.1}]) is False
    assert claim([{**row, "network": "pruned+RON"} for row in rows]) is None
    assert len(table5_1.TABLE.claims) == 3


def test_the_claim_of_figure_5_3_needs_both_accuracy_and_speed() -> None:
    (claim,) = figure5_3.TABLE.claims
    pruned = {"network": "pruned", "multiply_adds_ratio": 2.0, "top1_after": 90.0}
    better = {"network": "pruned+RON", "from_layer": 9, "multiply_adds_ratio": 3.0, "top1_after": 90.5}
    assert claim.holds([pruned, better]) is True
    assert claim.holds([pruned, {**better, "top1_after": 89.0}]) is False
    assert claim.holds([pruned, {**better, "multiply_adds_ratio": 1.5}]) is False
    assert claim.holds([pruned, {**better, "top1_after": None}]) is None
    assert claim.holds([better]) is None
