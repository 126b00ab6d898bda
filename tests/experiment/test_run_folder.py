"""A run folder gives back the network bit for bit, without its class; and nobody's files are lost to it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import corank
from corank.errors import InputError
from corank.experiment import Opened, Origin, load_run, open_network, save_run
from corank.experiment.run_folder import claim, clear_run, fingerprint, load_weights, read_json, said, write_json

ABOUT = {"command": "train", "options": {"epochs": 2, "rates": (0.1, 0.2), "seed": 0}}
METRICS = {"test_accuracy": 0.5, "loss": float("nan")}
LOADING = """
import importlib.util, sys
import corank
from safetensors.torch import load_file, save_file
assert importlib.util.find_spec("a_users_module") is None
network = corank.load(sys.argv[1])
save_file({"y": network(load_file(sys.argv[2])["x"].clone()).detach()}, sys.argv[3])
"""
CLASS = """
from torch import nn
class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(36, 3)
    def forward(self, x):
        return self.inner(x.flatten(1)).tanh()
def own():
    return Own()
"""


@pytest.fixture
def opened(make_opened: Callable[..., Opened]) -> Opened:
    return make_opened("residual")


def save(folder: Path, opened: Opened) -> None:
    save_run(folder, opened.network, opened.origin, about=ABOUT, metrics=METRICS)


@pytest.mark.parametrize("name", ["tiny", "residual", "bypassed"])
def test_a_users_network_comes_back_bit_for_bit(make_opened: Callable[..., Opened], tmp_path: Path, name: str) -> None:
    opened = make_opened(name)
    save(tmp_path, opened)
    x = torch.rand(5, *opened.origin.shape)
    network = corank.load(tmp_path)
    assert not network.training
    assert torch.equal(network(x), opened.network(x))
    assert load_run(tmp_path).origin == opened.origin


@pytest.mark.parametrize("name", ["vgg_digits", "resnet20", "lenet_300_100"])
def test_a_network_of_the_zoo_comes_back_bit_for_bit_as_itself(tmp_path: Path, name: str) -> None:
    opened = open_network(name, classes=7, shape=(2, 32, 32) if name == "resnet20" else (2, 8, 8), seed=3)
    opened.network.mean.fill_(0.25)
    for buffer in opened.network.buffers():
        if buffer.is_floating_point():
            buffer.add_(0.125)
    save(tmp_path, opened)
    found = load_run(tmp_path)
    assert not (tmp_path / "graph.json").exists()
    assert found.origin.zoo_name == name
    x = torch.rand(3, *opened.origin.shape)
    assert torch.equal(found.network(x), opened.network(x))


def test_a_fresh_process_without_the_users_module_loads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "user").mkdir()
    (tmp_path / "user/a_users_module.py").write_text(CLASS)
    monkeypatch.chdir(tmp_path / "user")
    opened = open_network("a_users_module:own", shape=(1, 6, 6))
    save(tmp_path / "run", opened)
    x = torch.rand(4, 1, 6, 6)
    save_file({"x": x}, tmp_path / "x")
    program = [sys.executable, "-c", LOADING, *(str(tmp_path / name) for name in ("run", "x", "y"))]
    subprocess.run(program, check=True, cwd=tmp_path, timeout=120)
    assert torch.equal(load_file(tmp_path / "y")["y"], opened.network(x))


def test_description_says_what_was_done_and_json_has_no_nan(opened: Opened, tmp_path: Path) -> None:
    save(tmp_path, opened)
    run = load_run(tmp_path)
    assert run.description["options"] == {"epochs": 2, "rates": [0.1, 0.2], "seed": 0}
    assert {*run.description["versions"]} == {"corank", "torch", "python"}
    assert run.metrics == {"test_accuracy": 0.5, "loss": None}


def test_a_run_is_saved_over_an_older_one_of_another_kind(opened: Opened, tmp_path: Path) -> None:
    save(tmp_path, opened)
    zoo = open_network("vgg_digits")
    save(tmp_path, zoo)
    assert not (tmp_path / "graph.json").exists()
    assert load_run(tmp_path).origin.zoo_name == "vgg_digits"


def test_a_folder_without_its_description_is_no_run(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, opened)

    def fails(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("corank.experiment.run_folder.save_graph", fails)
    with pytest.raises(OSError, match="no space"):
        save(tmp_path, opened)
    with pytest.raises(InputError, match=r"description\.json"):
        load_run(tmp_path)


# Who may write where


def test_an_empty_or_missing_folder_is_free(tmp_path: Path) -> None:
    assert claim(tmp_path, {}) is None
    assert claim(tmp_path / "not/yet", {}) is None
    assert (tmp_path / "not/yet").is_dir()


def test_the_same_options_are_a_finished_run(opened: Opened, tmp_path: Path) -> None:
    save(tmp_path, opened)
    found = claim(tmp_path, {"seed": 0, "rates": [0.1, 0.2], "epochs": 2})
    assert found is not None
    assert found.metrics["test_accuracy"] == 0.5
    assert claim(tmp_path, ABOUT["options"], overwrite=True) is None


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        ({"epochs": 3, "rates": (0.1, 0.2), "seed": 0}, r"\(epochs was 2, now 3\)"),
        ({"epochs": 2, "rates": (0.1, 0.3), "seed": 0}, r"rates was \[0.1, 0.2\], now \[0.1, 0.3\]"),
        ({"epochs": 2, "rates": (0.1, 0.2)}, r"\(seed was 0, now None\)"),
        ({"epochs": 2, "rates": (0.1, 0.2), "seed": 0, "new": {"deep": 1}}, r"new was None, now \{'deep': 1\}"),
    ],
)
def test_other_options_are_refused_by_name(
    opened: Opened, tmp_path: Path, options: dict[str, object], difference: str
) -> None:
    save(tmp_path, opened)
    with pytest.raises(InputError, match=difference):
        claim(tmp_path, options)
    before = sorted(tmp_path.iterdir())
    assert claim(tmp_path, options, overwrite=True) is None
    assert sorted(tmp_path.iterdir()) == before, "claiming deletes nothing"


def test_foreign_files_are_refused_and_hidden_or_half_written_ones_are_not(tmp_path: Path) -> None:
    for name in (".DS_Store", "weights.safetensors.part", "checkpoint"):
        (tmp_path / name).touch()
    assert claim(tmp_path, {}) is None
    (tmp_path / "thesis.tex").touch()
    for overwrite in (False, True):
        with pytest.raises(InputError, match=r"thesis\.tex"):
            claim(tmp_path, {}, overwrite=overwrite)


def test_a_file_or_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("file", "file/below"):
        with pytest.raises(InputError, match=name):
            claim(tmp_path / name, {})


def test_a_damaged_run_is_refused_but_may_be_overwritten(opened: Opened, tmp_path: Path) -> None:
    save(tmp_path, opened)
    (tmp_path / "description.json").write_text("{")
    with pytest.raises(InputError, match=r"description\.json"):
        claim(tmp_path, {})
    assert claim(tmp_path, {}, overwrite=True) is None


def test_clearing_takes_the_run_and_nothing_else(opened: Opened, tmp_path: Path) -> None:
    save(tmp_path, opened)
    (tmp_path / "checkpoint/epoch-1").mkdir(parents=True)
    (tmp_path / "notes.txt").write_text("mine")
    clear_run(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt"]


# Small things


def test_a_fingerprint_follows_names_shapes_types_and_every_bit() -> None:
    tensors = {"a": torch.zeros(2, 3), "b": torch.tensor(1.0)}
    same = {"b": torch.tensor(1.0), "a": torch.zeros(3, 2).T}
    assert fingerprint(same) == fingerprint(tensors)
    others = [
        {**tensors, "b": torch.tensor(1.0 + 2**-23)},
        {**tensors, "a": torch.zeros(3, 2)},
        {**tensors, "a": torch.zeros(2, 3, dtype=torch.int32)},
        {"a": tensors["a"], "c": tensors["b"]},
    ]
    assert len({fingerprint(tensors), *map(fingerprint, others)}) == 5
    fingerprint({"flags": torch.tensor([True]), "half": torch.ones(2, dtype=torch.bfloat16), "none": torch.ones(0)})


def test_json_is_never_seen_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json(tmp_path / "a.json", {"x": [1, float("inf")]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": [1, None]}

    def fails(*_: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fails)
        with pytest.raises(OSError, match="no space"):
            write_json(tmp_path / "a.json", {"x": 3})
    assert read_json(tmp_path / "a.json") == {"x": [1, None]}


@pytest.mark.parametrize("content", ["", "[1, 2", "[]", "3", "[" * 100_000])
def test_what_is_no_json_object_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match=r"a\.json"):
        read_json(tmp_path / "a.json")


def test_what_a_file_does_not_say_is_named() -> None:
    values = {"a": {"b": 3}, "c": 1}
    assert said(values, Path("m.json"), "a", "b") == 3
    for path in (("a", "x"), ("x",), ("c", "b")):
        with pytest.raises(InputError, match=r"m\.json.*" + r"\.".join(path)):
            said(values, Path("m.json"), *path)


def test_weights_may_lack_counters_and_be_of_half_precision() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    tensors = {
        name: torch.full_like(value, 0.5).half()
        for name, value in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    load_weights(network, tensors, Path("w"))
    assert all(bool((value == 0.5).all()) for value in network.parameters())
    assert network[0].weight.dtype == torch.float32
    assert int(network[1].num_batches_tracked) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"0.weight": None}, "lacks '0.weight'"),
        ({"0.wieght": torch.ones(1)}, "unknown tensor '0.wieght'; did you mean 0.weight"),
        ({"0.weight": torch.ones(3, 2)}, r"'0.weight' has shape \(3, 2\), expected \(2, 2\)"),
    ],
)
def test_weights_that_do_not_fit_are_refused(change: dict[str, torch.Tensor | None], message: str) -> None:
    network = nn.Sequential(nn.Linear(2, 2))
    tensors = {name: value for name, value in {**network.state_dict(), **change}.items() if value is not None}
    before = network[0].weight.clone()
    with pytest.raises(InputError, match=message):
        load_weights(network, tensors, Path("w"))
    assert torch.equal(network[0].weight, before)


@pytest.mark.parametrize("wrong", [{"dtype": "float7"}, {"dtype": "nn"}, {"shape": (0, 6)}, {"shape": (1.5,)}])
def test_an_origin_is_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match=str(next(iter(wrong.values()))).strip("(),")):
        Origin(**{"name": "a", "zoo_name": None, "classes": 3, "shape": (1, 6, 6), **wrong})
