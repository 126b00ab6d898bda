from __future__ import annotations

import json
import os
import pickle
import random
import stat
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from corank.errors import InputError
from corank.network import Layers, capture, load_graph, load_tensors, save_graph, save_tensors
from corank.network.portable import graph_from_dict, graph_to_dict

from .architectures import BUILDERS, captured

Description = dict[str, Any]


@pytest.mark.parametrize("name", list(BUILDERS))
def test_a_graph_comes_back_bit_for_bit_with_its_points_and_modes(name: str, tmp_path: Path) -> None:
    found = captured(name)
    architecture, graph = found.architecture, found.graph
    save_graph(graph, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["graph.json", "weights.safetensors"]
    twin = load_graph(tmp_path)
    for size in (1, 5):
        x = architecture.batch(size)
        assert torch.equal(twin(x), architecture.network(x))
    assert graph_to_dict(twin) == graph_to_dict(graph)
    assert [key for key, _ in twin.named_parameters()] == [key for key, _ in graph.named_parameters()]
    layers = Layers(twin, architecture.shape, architecture.batch(2).dtype)
    assert layers.hidden == found.layers.hidden
    outputs = []
    for network in (graph, twin):
        torch.manual_seed(5)
        outputs.append(network.train()(architecture.batch(4)))
        network.eval()
    assert torch.equal(*outputs)
    captured.cache_clear()  # its running statistics have moved


def description() -> tuple[Description, dict[str, torch.Tensor]]:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    graph = capture(net, torch.zeros(2, 1, 4, 4))
    return graph_to_dict(graph), {name: value.clone() for name, value in graph.state_dict().items()}


DESCRIPTION, TENSORS = description()


def write(folder: Path, changed: object) -> None:
    (folder / "graph.json").write_text(json.dumps(changed))
    save_tensors(TENSORS, folder / "weights.safetensors")


def changed(kind: str, **entries: object) -> Description:
    """The description with entries of its first node of that kind replaced."""
    copy: Description = json.loads(json.dumps(DESCRIPTION))
    next(node for node in copy["nodes"] if node["op"] == kind).update(entries)
    return copy


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({**DESCRIPTION, "format": "other-2"}, "expected a graph of format 'corank-graph-1', got 'other-2'"),
        (
            changed("call_function", target="aten.no_such_thing.default"),
            "unknown operation 'aten.no_such_thing.default'",
        ),
        (changed("call_function", target="aten.relu_.default"), "unknown operation 'aten.relu_.default'"),
        (changed("call_function", target="aten.from_file.default"), "unknown operation 'aten.from_file.default'"),
        (changed("call_function", target="aten.save.default"), "unknown operation 'aten.save.default'"),
        (changed("call_function", target="os.system"), "unknown operation 'os.system'"),
        (changed("call_function", target="operator.attrgetter"), "unknown operation 'operator.attrgetter'"),
        (changed("call_function", op="call_module"), "no operation of kind 'call_module'"),
        (changed("get_attr", target="0.wieght"), "lack the tensor '0.wieght'"),
        (changed("call_function", kwargs={"dtype": {"torch": "torch.load"}}), "unknown value 'torch.load'"),
        ([1, 2], "describes no graph"),
        ({"format": "corank-graph-1"}, "describes no graph: KeyError: 'parameters'|describes no graph: KeyError"),
    ],
)
def test_a_wrong_description_is_named(wrong: object, message: str, tmp_path: Path) -> None:
    write(tmp_path, wrong)
    with pytest.raises(InputError, match=message) as caught:
        load_graph(tmp_path)
    assert "graph.json" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda code: changed("placeholder", target=f"x={code}"),
        lambda code: changed("placeholder", target=f"x): pass\n{code}\ndef g(y"),
        lambda code: changed("placeholder", name=f"x={code}"),
        lambda code: changed("call_function", kwargs={f"stride=1, padding={code}, groups": 1}),
        lambda code: changed("call_function", name=f"y; {code}; z"),
        lambda code: changed("call_function", args=[f"{code}"]),
        lambda code: changed("get_attr", target=f'0."), {code}, ("'),
    ],
)
def test_no_name_in_a_description_becomes_code(make: Any, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    wrong = make(f"open({str(trace)!r}, 'w')")
    (tmp_path / "graph.json").write_text(json.dumps(wrong))
    names = {node["target"]: torch.zeros(1) for node in wrong["nodes"] if node["op"] == "get_attr"}
    save_tensors({**TENSORS, **names}, tmp_path / "weights.safetensors")
    with pytest.raises((InputError, RuntimeError)):
        load_graph(tmp_path)(torch.zeros(1, 1, 4, 4))
    assert not trace.exists()


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything inside lists and dictionaries."""
    inner = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


PLACES = places(DESCRIPTION)[1:]
JUNK = [
    None, True, -1, 10**30, 1.5, "", "x", "0.weight", "aten.relu.default", [], {}, [[]],
    {"node": "x"}, {"node": 1}, {"torch": "torch.float32"}, {"torch": "x"}, {"float": "y"},
]  # fmt: skip


@settings(max_examples=150)
@given(place=st.sampled_from(PLACES), junk=st.sampled_from(JUNK))
def test_any_damage_to_a_description_is_the_users_mistake_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[Any, ...], junk: object
) -> None:
    copy: Any = json.loads(json.dumps(DESCRIPTION))
    parent = copy
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = junk
    folder = tmp_path_factory.mktemp("damaged")
    write(folder, copy)
    try:
        load_graph(folder)
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, "\x00"])
def test_a_file_that_is_no_json_is_named(content: str, tmp_path: Path) -> None:
    write(tmp_path, DESCRIPTION)
    (tmp_path / "graph.json").write_text(content)
    with pytest.raises(InputError, match=r"graph\.json' is not a readable graph") as caught:
        load_graph(tmp_path)
    assert "\n" not in str(caught.value)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"graph.json' is not a readable graph: FileNotFoundError"):
        load_graph(tmp_path)
    (tmp_path / "graph.json").write_text(json.dumps(DESCRIPTION))
    with pytest.raises(InputError, match=r"no weights file '.*weights.safetensors'"):
        load_graph(tmp_path)


def test_a_missing_tensor_is_named() -> None:
    tensors = {name: value for name, value in TENSORS.items() if name != "1.running_var"}
    with pytest.raises(InputError, match=r"the weights lack the tensor '1\.running_var'"):
        graph_from_dict(DESCRIPTION, tensors)


@pytest.mark.parametrize("keep", [0, 3, 8, 60, -1])
@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_truncated_weights_file_is_named(keep: int, suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"weights{suffix}"
    (save_tensors if suffix == ".safetensors" else torch.save)(TENSORS, file)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(InputError, match=f"weights{suffix}") as caught:
        load_tensors(file)
    assert "\n" not in str(caught.value)


class Creating:
    """Unpickled, it creates a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.file), "w")


@pytest.mark.parametrize("suffix", [".pt", ".pth"])
@pytest.mark.parametrize("plain", [True, False])
def test_a_pickle_with_code_is_refused_and_runs_none(suffix: str, plain: bool, tmp_path: Path) -> None:
    trace, file = tmp_path / "trace", tmp_path / f"weights{suffix}"
    content = {"0.weight": torch.zeros(2), "other": Creating(trace)}
    if plain:
        file.write_bytes(pickle.dumps(content, protocol=2))
    else:
        torch.save(content, file)
    with pytest.raises(InputError, match=rf"weights{suffix}' holds more than tensors and is not read"):
        load_tensors(file)
    assert not trace.exists()
    with file.open("rb") as stream:  # the trap works
        (pickle.load if plain else lambda opened: torch.load(opened, weights_only=False))(stream)
    assert trace.exists()


@pytest.mark.parametrize(
    "content", [[torch.zeros(1)], {"epoch": 3}, {"model": {"w": torch.zeros(1)}}, {0: torch.zeros(1)}]
)
def test_a_file_must_hold_tensors_by_name(content: object, tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    torch.save(content, file)
    with pytest.raises(InputError, match=r"checkpoint.pt' must hold a dictionary of tensors"):
        load_tensors(file)


@given(seed=st.integers(0, 99), count=st.integers(0, 4))
@settings(max_examples=20)
def test_tensors_come_back_bit_for_bit(tmp_path_factory: pytest.TempPathFactory, seed: int, count: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    dtypes = [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.bool]
    random.Random(seed).shuffle(dtypes)
    tensors = {
        f"layer.{number}": torch.randn(3, number, generator=generator).to(dtypes[number]).t() for number in range(count)
    }
    folder = tmp_path_factory.mktemp("tensors")
    for suffix in (".safetensors", ".pt", ".pth"):
        file = folder / f"w{suffix}"
        (save_tensors if suffix == ".safetensors" else torch.save)(tensors, file)
        found = load_tensors(file)
        assert found.keys() == tensors.keys()
        for name, value in tensors.items():
            assert found[name].dtype == value.dtype
            assert torch.equal(found[name], value)
    assert sorted(path.name for path in folder.iterdir()) == ["w.pt", "w.pth", "w.safetensors"]


def test_tensors_that_share_memory_are_written_under_every_name(tmp_path: Path) -> None:
    whole = torch.arange(6.0)
    tensors = {"all": whole, "again": whole, "part": whole[2:4], "turned": whole.view(2, 3).t()}
    save_tensors(tensors, tmp_path / "w.safetensors")
    found = load_tensors(tmp_path / "w.safetensors")
    assert all(torch.equal(found[name], value) for name, value in tensors.items())


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_who_may_read_a_file_is_decided_by_the_umask(tmp_path: Path, umask: int) -> None:
    file = tmp_path / "w.safetensors"
    left = file.with_name("w.safetensors.part")  # by a run that was killed
    left.touch(mode=0o600)
    before = os.umask(umask)
    try:
        save_tensors({"x": torch.zeros(2)}, file)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~umask


def test_an_operation_outside_pytorchs_own_is_refused_when_written() -> None:
    graph = capture(nn.Linear(3, 2), torch.zeros(2, 3))
    next(node for node in graph.graph.nodes if node.op == "call_function").target = print
    with pytest.raises(InputError, match=r"operation .*print.* cannot be stored in a portable graph"):
        graph_to_dict(graph)
