"""Networks that were made smaller are written, checked and timed as any other; their run folders stay as they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

from corank.compress import ASNet
from corank.errors import InputError
from corank.experiment import Opened, Origin, open_network, save_run
from corank.experiment.export import check_places, export_table, is_normalised, run_export, stored_bounds
from corank.network import Normalised, fingerprint
from corank.network.exporting import load_exported
from corank.zoo import Batches, Dataset
from tests.cli.user import contents

Make = Callable[..., Opened]


@pytest.mark.parametrize("sparse", [None, "l1"])
def test_a_cut_network_from_a_run_folder_is_exported_in_both_formats(
    tmp_path: Path, make_opened: Make, pixels: Dataset, sparse: Any
) -> None:
    opened = make_opened("residual")
    method = ASNet(layer=1, rank=2, order=2, epochs=0, sparse=sparse, **({"sparse_epochs": 1} if sparse else {}))
    small = method.compress(opened.network, Batches(pixels.train, 32, shuffle=True)).network
    origin = Origin(name="cut", zoo_name=None, classes=3, shape=opened.origin.shape)
    run = tmp_path / "run"
    save_run(run, small, origin, about={"bounds": [0, 0.9]}, metrics={})
    before = contents(run)
    files = (tmp_path / "cut.onnx", tmp_path / "cut.pt2")
    loaded = open_network(str(run))
    weights = fingerprint(loaded.network.state_dict())
    found = run_export(loaded, files, bounds=stored_bounds(str(run)), seconds=0.01)
    assert contents(run) == before
    assert fingerprint(loaded.network.state_dict()) == weights
    x = pixels.test.images[:7].float() / 255
    with torch.no_grad():
        expected = loaded.network(x)
    for file, row in zip(files, found["files"], strict=True):
        assert row["difference"] <= row["allowed_difference"] < 1e-3
        assert torch.allclose(load_exported(file)(x), expected, rtol=0, atol=10 * row["allowed_difference"])
    said = {entry.key: entry.value for entry in onnx.load(files[0]).metadata_props}
    assert (said["network"], said["bounds"], said["input_shape"]) == ("cut", "0,0.9", "1,6,6")


def test_the_network_and_every_file_are_timed_at_the_same_batch_sizes(tmp_path: Path, make_opened: Make) -> None:
    files = (tmp_path / "a.pt2", tmp_path / "b.pt2")
    found = run_export(make_opened("tiny", trained=False), files, seconds=0.01)
    keys = [(row["file"], row["batch"]) for row in found["latency"]]
    assert keys == [(name, batch) for batch in (1, 64) for name in (None, *map(str, files))]
    assert all(0 < row["low_ms"] <= row["median_ms"] <= row["high_ms"] for row in found["latency"])
    assert {row["threads"] for row in found["latency"]} == {torch.get_num_threads()}
    table = export_table(found)
    assert [row[0] for row in table.rows] == ["network in PyTorch", *map(str, files)]
    assert [column.title for column in table.columns][-2:] == ["batch 1", "batch 64"]


def test_files_are_checked_on_inputs_between_the_bounds(tmp_path: Path, make_opened: Make) -> None:
    opened = make_opened("tiny", trained=False)
    pixels, far = (run_export(opened, [tmp_path / "a.pt2"], bounds=ends, seconds=0.01) for ends in (None, (9e3, 1e4)))
    assert far["bounds"] == (9e3, 1e4)
    assert far["files"][0]["allowed_difference"] > 1000 * pixels["files"][0]["allowed_difference"]


def test_the_file_says_its_normalisation(tmp_path: Path, make_opened: Make) -> None:
    opened = make_opened("tiny", trained=False)
    assert isinstance(opened.network, Normalised)
    assert is_normalised(opened.network)
    assert not is_normalised(Normalised(opened.network.network, [0.0], [1.0]))
    run_export(opened, [tmp_path / "net.pt2"], seconds=0.01)
    said = {"corank.json": ""}
    torch.export.load(tmp_path / "net.pt2", extra_files=said)
    about = json.loads(said["corank.json"])
    mean, std = float(opened.network.mean), float(opened.network.std)
    assert about["normalisation"] == f"part of the network: mean {mean:.6g}, std {std:.6g}"
    assert "bounds" not in about


@pytest.mark.parametrize("said", [[1, 0], [0], "01", [0, float("inf")], 7, ["low", "high"]])
def test_damaged_bounds_are_refused(tmp_path: Path, said: Any) -> None:
    (tmp_path / "description.json").write_text(json.dumps({"bounds": said}))
    with pytest.raises(InputError, match="must be two numbers, the smaller first"):
        stored_bounds(str(tmp_path))


def test_bounds_are_known_where_they_are_said(tmp_path: Path) -> None:
    assert stored_bounds("cnn4") is None
    (tmp_path / "description.json").write_text(json.dumps({"bounds": [-1, 2.5]}))
    assert stored_bounds(str(tmp_path)) == (-1.0, 2.5)
    (tmp_path / "description.json").write_text("{}")
    assert stored_bounds(str(tmp_path)) is None


def test_places_are_refused_before_the_work(tmp_path: Path) -> None:
    run, there = tmp_path / "run", tmp_path / "there.pt2"
    run.mkdir()
    there.touch()
    (run / "description.json").write_text("{}")
    (tmp_path / "folder.pt2").mkdir()
    wrong: list[tuple[dict[str, Path], str]] = [
        ({}, "got neither"),
        ({"onnx": tmp_path / "net.pt2"}, r"--onnx must name a file that ends in \.onnx"),
        ({"pt2": there}, "there already"),
        ({"pt2": tmp_path / "folder.pt2"}, "is a folder"),
        ({"pt2": run / "net.pt2"}, "stays as it is"),
        ({"pt2": tmp_path / "other" / ".." / "run" / "net.pt2"}, "stays as it is"),
    ]
    for files, reason in wrong:
        with pytest.raises(InputError, match=reason):
            check_places(files, str(run))
    check_places({"pt2": there}, str(run), overwrite=True)
