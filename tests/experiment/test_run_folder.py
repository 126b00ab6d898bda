"""A run folder gives back the network bit for bit, without its class; and nobody's files are lost to it."""

from __future__ import annotations

import functools
import json
import operator
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import corank
from corank.errors import InputError
from corank.experiment import Opened, Origin, load_run, open_network, save_run
from corank.experiment.run_folder import claim, clear_run, load_weights, read_json, said, write_json
from corank.network import Normalised
from corank.report import Figure, Page, Section, write_page

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


def figure(name: str) -> Figure:
    return Figure(name, f"<svg id='{name}'></svg>", "A figure.")


def page_of(title: str, *figures: str) -> Page:
    return Page(title, sections=(Section("One", figures=tuple(map(figure, figures))),))


def save_with_page(folder: Path, opened: Opened, page: Page | None) -> None:
    save_run(folder, opened.network, opened.origin, about=ABOUT, metrics=METRICS, page=page)


def test_a_page_goes_with_its_run_and_leaves_no_figure_behind(opened: Opened, tmp_path: Path) -> None:
    save_with_page(tmp_path, opened, page_of("Old", "lines", "bars"))
    (tmp_path / "figures/mine.png").touch()
    save_with_page(tmp_path, opened, page_of("New", "bars"))
    assert "<h1>New</h1>" in (tmp_path / "index.html").read_text()
    assert {file.name for file in (tmp_path / "figures").iterdir()} == {"bars.svg", "mine.png"}
    save_with_page(tmp_path, opened, None)
    assert not (tmp_path / "index.html").exists()
    assert {file.name for file in (tmp_path / "figures").iterdir()} == {"mine.png"}


@pytest.mark.parametrize(
    ("step", "has_page"),
    [("save_graph", False), ("metrics.json", False), ("write_page", False), ("description.json", True)],
)
def test_a_page_comes_after_weights_and_metrics_and_only_a_whole_folder_is_a_run(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, has_page: bool
) -> None:
    save_with_page(tmp_path, opened, page_of("Old", "lines"))

    def fails(*_: object) -> None:
        raise OSError("no space left")

    def fails_for_one(file: Path, values: object) -> None:
        fails() if file.name == step else write_json(file, values)

    with monkeypatch.context() as patch:
        name, stand_in = ("write_json", fails_for_one) if "." in step else (step, fails)
        patch.setattr(f"corank.experiment.run_folder.{name}", stand_in)
        with pytest.raises(OSError, match="no space"):
            save_with_page(tmp_path, opened, page_of("New", "bars"))
    assert (tmp_path / "index.html").exists() == has_page
    assert not has_page or "<h1>New</h1>" in (tmp_path / "index.html").read_text()
    with pytest.raises(InputError, match=r"description\.json"):
        load_run(tmp_path)
    assert claim(tmp_path, ABOUT["options"]) is None, "what is left of it is no obstacle"
    clear_run(tmp_path)
    assert not any(tmp_path.iterdir())


# Who may write where


@pytest.mark.parametrize("name", ["index.html", "figures"])
def test_a_page_without_metrics_is_somebody_elses(opened: Opened, tmp_path: Path, name: str) -> None:
    write_page(page_of("Mine", "lines"), tmp_path)
    for other in {"index.html", "figures"} - {name}:
        (tmp_path / other).rename(tmp_path.parent / f"{tmp_path.name}-{other}")
    for overwrite in (False, True):
        with pytest.raises(InputError, match=name):
            claim(tmp_path, {}, overwrite=overwrite)
    clear_run(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


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
    write_page(page_of("Run", "lines"), tmp_path)
    clear_run(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt"]


# What a damaged folder says


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything inside dictionaries and lists."""
    inner = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


JUNK = [None, True, -1, 0, 10**30, 1.5, "", "x", "vgg7", "float64", [], {}, [[]], [1, 2], ["x"], {"mean": 1}]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of a network of the zoo and one of a user's."""
    folders = {kind: tmp_path_factory.mktemp(kind) for kind in ("zoo", "graph")}
    save(folders["zoo"], open_network("lenet_300_100", classes=3, shape=(1, 6, 6)))
    inner = Normalised(nn.Sequential(nn.Flatten(), nn.Linear(36, 3)), [0.3], [0.6]).eval()
    origin = Origin(name="own", zoo_name=None, classes=3, shape=(1, 6, 6))
    save(folders["graph"], Opened(network=inner, origin=origin, is_trained=True))
    return folders


@pytest.mark.parametrize("kind", ["zoo", "graph"])
def test_any_damage_to_a_description_is_the_users_mistake_or_harmless(
    whole: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    shutil.copytree(whole[kind], tmp_path, dirs_exist_ok=True)
    description = json.loads((tmp_path / "description.json").read_text())
    x, expected = torch.rand(2, 1, 6, 6), load_run(whole[kind]).network
    for place in [place for place in places(description)[1:] if place[0] in ("format", "network", "normalisation")]:
        for junk in JUNK:
            damaged = json.loads(json.dumps(description))
            parent = functools.reduce(operator.getitem, place[:-1], damaged)
            parent[place[-1]] = junk
            (tmp_path / "description.json").write_text(json.dumps(damaged))
            try:
                network = corank.load(tmp_path)
            except InputError as error:
                assert "\n" not in str(error)  # noqa: PT017
                assert str(tmp_path) in str(error)  # noqa: PT017
            else:
                assert torch.equal(network(x), expected(x)), (place, junk)


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind in ("zoo", "graph") for name in ("description.json", "metrics.json", "weights.safetensors")]
    + [("graph", "graph.json")],
)
@pytest.mark.parametrize("keep", [None, 0, 1, 20, -1, -9])
def test_a_missing_or_truncated_file_is_named_in_one_line(
    whole: dict[str, Path], tmp_path: Path, kind: str, name: str, keep: int | None
) -> None:
    shutil.copytree(whole[kind], tmp_path, dirs_exist_ok=True)
    if keep is None:
        (tmp_path / name).unlink()
    else:
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content.rstrip()[:keep])
    with pytest.raises(InputError, match=re.escape(name)) as caught:
        load_run(tmp_path)
    assert "\n" not in str(caught.value)


def test_weights_of_another_run_are_refused(whole: dict[str, Path], tmp_path: Path) -> None:
    for kind, other in (("zoo", "graph"), ("graph", "zoo")):
        folder = shutil.copytree(whole[kind], tmp_path / kind)
        shutil.copy(whole[other] / "weights.safetensors", folder)
        with pytest.raises(InputError, match="lack"):
            load_run(folder)


# Small things


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
