"""The numbers of a cell agree with each other and with the network that was built."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from corank.compress import ASNet
from corank.experiment.bench import Bench
from corank.experiment.recipe import Axes, Cell
from corank.experiment.recipes.asnet import table1
from corank.experiment.recipes.asnet.cutting import SMALL, SMALL_SPARSE, Cutting, cut_row
from corank.experiment.store import Store
from corank.train import Checkpoint, accuracy
from corank.zoo import Batches


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(Store(tmp_path_factory.mktemp("tables")))


def cell_of(axes: Axes, options: Cutting) -> Cell[Cutting]:
    return Cell(recipe="asnet/test", preset="smoke", axes=axes, options=options, stands_in=True, seed=0)


def test_a_row_describes_the_network_that_the_compressor_builds(bench: Bench) -> None:
    row = cut_row(cell_of({"layer": 2, "rank": 5}, SMALL), bench)
    teacher = SMALL.teacher(bench)
    batches = Batches(teacher.data.train, 64, shuffle=True, seed=0)
    small = ASNet(layer=2, rank=5, samples=256, epochs=1).compress(teacher.network, batches)
    assert row["storage_mb"] == pytest.approx(small.overall.storage_mb)
    assert row["multiply_adds_ratio"] == pytest.approx(small.multiply_adds_ratio)
    assert row["top1"] == pytest.approx(100 * accuracy(small.network, Batches(teacher.data.test, 500)))
    assert row["before_top1"] == pytest.approx(100 * accuracy(small.fitted, Batches(teacher.data.test, 500)))
    assert row["epsilon"] == pytest.approx(1 - small.captured_heldout)
    assert row["top1"] <= row["top5"] <= 100


def test_parts_make_the_whole_and_zeros_are_not_counted(bench: Bench) -> None:
    dense, sparse = (cut_row(cell_of({"layer": 2, "rank": 5}, options), bench) for options in (SMALL, SMALL_SPARSE))
    for row in (dense, sparse):
        for unit in ("storage_mb", "multiply_adds_millions"):
            assert row[unit] == pytest.approx(row[f"pre_{unit}"] + row[f"head_{unit}"])
    assert sparse["storage_mb"] < dense["storage_mb"]
    assert sparse["pre_storage_ratio"] == pytest.approx(dense["pre_storage_mb"] / sparse["pre_storage_mb"])
    assert sparse["storage_ratio"] / dense["storage_ratio"] == pytest.approx(dense["storage_mb"] / sparse["storage_mb"])


def test_the_row_of_the_teacher_is_the_teacher(bench: Bench) -> None:
    row, teacher = cut_row(cell_of({"network": "teacher"}, SMALL), bench), SMALL.teacher(bench)
    assert row["top1"] == pytest.approx(100 * accuracy(teacher.network, Batches(teacher.data.test, 500)))
    stored = sum(parameter.numel() for parameter in teacher.network.parameters())
    assert row["storage_mb"] == pytest.approx(4 * stored / 2**20)
    assert row["storage_ratio"] is None


@pytest.mark.parametrize("kept", [1, 2])
def test_a_stopped_cell_goes_on_and_leaves_the_store_of_one_that_was_not(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    cell = replace(cell_of({"layer": 2, "rank": 5}, SMALL_SPARSE), seed=7)
    expected = cut_row(cell, bench)
    shutil.copytree(bench.store.path("teachers"), tmp_path / "teachers")
    store, save, saved = Store(tmp_path), Checkpoint.save, []

    def counted(self: Checkpoint, *rest: Any) -> None:
        save(self, *rest)
        saved.append(str(self.folder))
        if len(saved) == kept:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "save", counted)
    with pytest.raises(KeyboardInterrupt):
        cut_row(cell, Bench(store))
    assert len(list(tmp_path.glob("asnet/networks/*/seed-7.checkpoint/*/epoch-1"))) == kept
    assert list(tmp_path.glob("asnet/networks/*/*.json")) == []
    assert cut_row(cell, Bench(store)) == expected
    assert len(saved) == 2, "each of the two trainings has one epoch, done once"
    (file,) = tmp_path.glob("asnet/networks/**/*.*")
    assert file.read_bytes() == (bench.store.folder / file.relative_to(tmp_path)).read_bytes()


def test_counts_need_no_data(tmp_path: Path) -> None:
    store = Store(tmp_path)
    row = cut_row(cell_of({"layer": 2, "rank": 5}, replace(SMALL, data=None)), Bench(store))
    assert row["storage_mb"] > 0
    assert row["top1"] is None
    assert list(tmp_path.rglob("*.json")) == []


def test_losses_are_what_is_lost(bench: Bench) -> None:
    row = table1.run_cell(cell_of({"layer": 2, "rank": 5}, SMALL), bench)
    assert row["loss_before"] == pytest.approx(row["teacher_top1"] - row["before_top1"])
    assert row["loss_after"] == pytest.approx(row["teacher_top1"] - row["after_top1"])


def test_the_claim_of_table_1_can_fail() -> None:
    (claim,) = table1.TABLE.claims
    rows = [{"layer": 5, "rank": rank, "epsilon": 0.3 - rank / 1000} for rank in (25, 50, 75)]
    other = {"layer": 6, "rank": 25, "epsilon": 0.9}
    assert claim.holds([]) is None
    assert claim.holds(rows[:1]) is None
    assert claim.holds([*rows, other]) is True
    assert claim.holds([*rows, {"layer": 5, "rank": 99, "epsilon": 0.26}]) is False
    assert claim.holds([{**row, "epsilon": None} for row in rows]) is None
