"""The command line as its users meet it: what it prints, what it leaves behind, and how it says that something is wrong.

Every option of every command has a wrong input here; the options are asked of the program, so that a new one
without a case fails. Networks and images are tiny, so that nothing is waited for.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cyclopts import App
from PIL import Image
from safetensors.torch import save_file

from corank.cli import app, run
from corank.train.checkpoint import Checkpoint

MODULE = '''
import torch
from torch import nn
from torch.nn import functional


def tiny():
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 12), nn.ReLU(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.first = nn.Conv2d(4, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.out = nn.Linear(36, 3)

    def forward(self, x):
        x = functional.relu(self.stem(x))
        x = functional.relu(x + self.second(functional.relu(self.first(x))))
        return self.out(torch.flatten(functional.max_pool2d(x, 2), 1))


class Looks(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(36, 8)
        self.out = nn.Linear(8, 3)

    def forward(self, x):
        x = functional.relu(self.hidden(x.flatten(1)))
        if x.sum() > 0:
            x = 2 * x
        return self.out(x)


def raises():
    raise OverflowError("the hovercraft is full")


def needs(width):
    return tiny()


def number():
    return 17


def two_outputs():
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 2))


def no_logits():
    return nn.Conv2d(1, 3, 3)


def colour():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(64, 3))


def straight():
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 3))


def bad_pair():
    return 1, 2, 3
'''


@dataclass
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str


Corank = Callable[..., Said]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a user's own networks and images and the run of a trained network; nothing in it is changed."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "own_networks.py").write_text(MODULE)
    (folder / "unfinished.py").write_text("def half(:\n")
    (folder / "needy.py").write_text("import a_package_that_nobody_has\n")
    chance = np.random.default_rng(0)
    labels = np.arange(240) % 3
    templates = chance.integers(0, 160, (3, 6, 6))
    np.savez(folder / "toy.npz", x=(templates[labels] + chance.integers(0, 96, (240, 6, 6))).astype(np.uint8), y=labels)
    before = Path.cwd()
    os.chdir(folder)
    try:
        line = ["--network", "own_networks:tiny", "--data", "toy.npz", "--epochs", "2", "--out", "trained"]
        assert run(["train", *line]) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own with the user's files, which is the working directory."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CORANK_DATA", raising=False)
    return tmp_path


@pytest.fixture
def corank(here: Path, capfd: pytest.CaptureFixture[str]) -> Corank:
    """Runs a command line of words in the user's folder."""

    def answer(*words: str) -> Said:
        capfd.readouterr()
        code = run(words)
        out, err = capfd.readouterr()
        return Said(code, out, err)

    return answer


def assert_refused(said: Said, offending: str) -> None:
    assert said.code == 2, said
    assert said.out == ""
    assert len(said.err.splitlines()) == 1, said.err
    assert said.err.startswith("corank: ")
    assert offending.replace(" ", "") in said.err.replace(" ", ""), said.err
    assert "Traceback" not in said.err


# One wrong input for every option

NETWORK = {"--network": "trained", "--data": "toy.npz"}
LINES = {
    "study": {**NETWORK, "--out": "new"},
    "train": {**NETWORK, "--network": "own_networks:tiny", "--out": "new"},
    "measure": {**NETWORK, "--rank": "4"},
    "compress asnet": {**NETWORK, "--layer": "2", "--rank": "2", "--out": "new"},
    "cost": {"--network": "own_networks:tiny", "--input-shape": "1,6,6"},
}
FRESH = {"--network": "own_networks:tiny"}
COMMON: list[tuple[str, str, dict[str, str]]] = [
    ("--network", "resnet21", {}),
    ("--network", "no/such/run", {}),
    ("--network", "own_networks:nothing", {}),
    ("--network", "nobody:tiny", {}),
    ("--weights", "nowhere.safetensors", FRESH),
    ("--weights", "trained/weights.safetensors", {"--network": "trained"}),
    ("--data", "digit", {}),
    ("--data", "no/such.npz", {}),
    ("--data", "own_networks.py", {}),
    ("--data-root", "nowhere", {"--data": "mnist"}),
    ("--seed", "-1", {}),
    ("--seed", "1.5", {}),
    ("--seed", str(2**32), {}),
    ("--device", "gpu", {}),
    ("--device", "cuda:99", {}),
    ("--out", "toy.npz", {}),
    ("--out", "toy.npz/inside", {}),
    ("--out", ".", {}),
    ("--batch-size", "0", {}),
    ("--batch-size", "many", {}),
]
ASNET = [("--order", "-1"), ("--samples", "0"), ("--epochs", "-1"), ("--pre-rate", "0.0"), ("--head-rate", "nan")]
WRONG: dict[str, list[tuple[str, str, dict[str, str]]]] = {
    "study": [
        *COMMON,
        *((option, value, {}) for option, value in ASNET),
        ("--layer", "nothing", {}),
        ("--layer", "*", {}),
        ("--layer", "99", {}),
        ("--rank", "0", {}),
        ("--rank", "13", {"--layer": "2"}),
        ("--fit-samples", "0", {}),
        ("--tolerance", "1.5", {}),
        ("--train-epochs", "0", FRESH),
        ("--train-epochs", "3", {}),
    ],
    "train": [
        *COMMON,
        ("--epochs", "0", {}),
        ("--learning-rate", "0.0", {}),
        ("--learning-rate", "nan", {}),
        ("--weight-decay", "-0.5", {}),
        ("--precision", "64-bit", {}),
        ("--processes", "0", {}),
    ],
    "measure": [
        *COMMON,
        ("--layer", "nothing", {}),
        ("--layer", "zz*", {}),
        ("--layer", "99", {}),
        ("--rank", "0", {}),
        ("--samples", "0", {}),
        ("--sketch-size", "3", {}),
        ("--epsilon", "1.0", {}),
        ("--epsilon", "nan", {}),
    ],
    "compress asnet": [
        *COMMON,
        *((option, value, {}) for option, value in ASNET),
        ("--layer", "nothing", {}),
        ("--layer", "99", {}),
        ("--layer", "*", {}),
        ("--rank", "13", {}),
        ("--rank", "two", {}),
        ("--beta", "1.5", {}),
        ("--ridge", "-1.0", {}),
    ],
    "cost": [
        *(case for case in COMMON if case[0] in ("--network", "--weights") and case[2]),
        ("--network", "resnet21", {}),
        ("--network", "no/such/run", {}),
        ("--layer", "nothing", {}),
        ("--layer", "99", {}),
        ("--rank", "0", {}),
        ("--rank", "13", {"--layer": "2"}),
        ("--order", "-2", {}),
        ("--classes", "0", {"--network": "vgg_digits", "--input-shape": "1,8,8"}),
        ("--classes", "5", {}),
        ("--input-shape", "6x6", {}),
        ("--input-shape", "1,0,6", {}),
        ("--input-shape", "1,7,6", {}),
    ],
}


def options_of(command: str) -> dict[str, Any]:
    """The options of a command by name, with their types, as the program itself knows them."""
    found: App = app
    for word in command.split():
        found = found[word]
    arguments = found.assemble_argument_collection()
    return {argument.names[0]: argument.hint for argument in arguments if argument.names[0].startswith("--")}


def all_commands(of: App = app, path: str = "") -> Iterator[str]:
    for name in of:
        if not name.startswith("-"):
            words = f"{path} {name}".strip()
            yield from [words] if of[name].default_command is not None else []
            yield from all_commands(of[name], words)


COMMANDS = list(all_commands())


def test_every_command_has_a_line_and_wrong_inputs() -> None:
    assert set(COMMANDS) == set(LINES) == set(WRONG)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_a_wrong_input(command: str) -> None:
    with_value = {name for name, type_ in options_of(command).items() if type_ is not bool}
    assert with_value == {option for option, _, _ in WRONG[command]}


@pytest.mark.parametrize(
    ("command", "option", "value", "others"),
    [
        pytest.param(command, *case, id=f"{command} {case[0]} {case[1]}")
        for command, cases in WRONG.items()
        for case in cases
    ],
)
def test_a_wrong_value_is_refused_in_one_line(
    corank: Corank, command: str, option: str, value: str, others: dict[str, str]
) -> None:
    line = {**LINES[command], **others, option: value}
    assert_refused(corank(*command.split(), *(f"{name}={given}" for name, given in line.items())), value)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_flag_takes_no_other_word_than_yes_or_no(corank: Corank, command: str) -> None:
    for flag in (name for name, type_ in options_of(command).items() if type_ is bool):
        line = [f"{name}={given}" for name, given in LINES[command].items()]
        assert_refused(corank(*command.split(), *line, f"{flag}=perhaps"), "perhaps")


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_missing_unknown_or_too_much_is_refused(corank: Corank, command: str) -> None:
    words = command.split()
    line = [f"{name}={given}" for name, given in LINES[command].items()]
    assert_refused(corank(*words, *line, "--nonsense", "3"), "--nonsense")
    assert_refused(corank(*words, *line, "surplus"), "surplus")
    required = "--out" if command == "study" else "--network"
    assert_refused(corank(*words, *(word for word in line if not word.startswith(required))), required)


@pytest.mark.parametrize("words", [("frobnicate",), ("compress", "frobnicate")])
def test_an_unknown_command_is_refused(corank: Corank, words: tuple[str, ...]) -> None:
    assert_refused(corank(*words), "frobnicate")


# Every file format, damaged


def cut_in_half(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def change_json(file: Path, change: Callable[[Any], Any]) -> None:
    found = json.loads(file.read_text())
    change(found)
    file.write_text(json.dumps(found))


class Opens:
    """Unpickled, it makes a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, ("opened", "w"))


def image_folder(folder: Path, size: tuple[int, int] = (6, 6), classes: tuple[str, ...] = ("cat", "dog")) -> None:
    for name in classes:
        (folder / name).mkdir(parents=True)
        for number in range(12):
            Image.new("L", size, number).save(folder / name / f"{number}.png")


def idx(magic: int, *sizes: int) -> bytes:
    count = int(np.prod(sizes))
    return b"".join(number.to_bytes(4, "big") for number in (magic, *sizes)) + bytes(count)


def tiny_weights(**changes: torch.Tensor | None) -> dict[str, torch.Tensor]:
    shapes = {"1.weight": (12, 36), "1.bias": (12,), "3.weight": (8, 12), "3.bias": (8,), "5.weight": (3, 8), "5.bias": (3,)}
    values = {**{name: torch.zeros(shape) for name, shape in shapes.items()}, **changes}
    return {name: value for name, value in values.items() if value is not None}


def a_weights_file(name: str, write: Callable[[Path], object], offending: str) -> Any:
    line = f"measure --network own_networks:tiny --data toy.npz --weights {name}"
    return pytest.param(lambda: write(Path(name)), line, offending, id=f"weights: {name}, {offending}")


def a_data_file(name: str, write: Callable[[Path], object], offending: str) -> Any:
    return pytest.param(
        lambda: write(Path(name)), f"measure --network trained --data {name}", offending, id=f"data: {name}, {offending}"
    )


def arrays(**values: Any) -> Callable[[Path], None]:
    return lambda file: np.savez(file, **values)


def a_run_file(name: str, write: Callable[[Path], object], offending: str) -> Any:
    line = "measure --network trained --data toy.npz"
    return pytest.param(lambda: write(Path("trained") / name), line, offending, id=f"run: {name}, {offending}")


def a_module(spec: str, offending: str, option: str = "network") -> Any:
    others = "--data toy.npz" if option == "network" else "--network trained"
    return pytest.param(lambda: None, f"measure {others} --{option} {spec} --random-weights", offending, id=f"{option}: {spec}")


def tar_with(member: str, file: Path) -> None:
    with tarfile.open(file, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo(member), io.BytesIO())


def cut_tar(file: Path) -> None:
    image_folder(Path("images"))
    with tarfile.open(file, "w:gz") as archive:
        archive.add("images")
    cut_in_half(file)


def mnist(images: bytes, labels: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "mnist").mkdir(parents=True)
        for part in ("train", "t10k"):
            (folder / "mnist" / f"{part}-images-idx3-ubyte").write_bytes(images)
            (folder / "mnist" / f"{part}-labels-idx1-ubyte").write_bytes(labels)

    return write


def an_idx_file(images: bytes, labels: bytes, offending: str) -> Any:
    line = "measure --network trained --data mnist --data-root root"
    return pytest.param(lambda: mnist(images, labels)(Path("root")), line, offending, id=f"idx: {offending}")


GREY = np.zeros((40, 6, 6), np.uint8)
DAMAGED = [
    a_weights_file("own.safetensors", lambda file: file.write_bytes(b"no header"), "own.safetensors"),
    a_weights_file("own.safetensors", lambda file: (save_file(tiny_weights(), file), cut_in_half(file)), "own.safetensors"),
    a_weights_file("own.safetensors", lambda file: save_file(tiny_weights(**{"3.bias": None}), file), "3.bias"),
    a_weights_file("own.safetensors", lambda file: save_file(tiny_weights(extra=torch.ones(1)), file), "extra"),
    a_weights_file("own.safetensors", lambda file: save_file(tiny_weights(**{"3.bias": torch.ones(9)}), file), "(9,)"),
    a_weights_file(
        "own.safetensors", lambda file: save_file(tiny_weights(), file, {"mean": "grey", "std": "1"}), "'grey'"
    ),
    a_weights_file("own.pt", lambda file: file.write_bytes(pickle.dumps(Opens())), "own.pt"),
    a_weights_file("own.pt", lambda file: torch.save([torch.ones(1)], file), "own.pt"),
    a_weights_file("own.pt", lambda file: (torch.save(tiny_weights(), file), cut_in_half(file)), "own.pt"),
    a_weights_file("own.pth", lambda file: torch.save({"model": tiny_weights()}, file), "own.pth"),
    a_weights_file("folder", lambda file: file.mkdir(), "folder"),
    a_data_file("own.npz", lambda file: file.write_bytes(b"PK no archive"), "own.npz"),
    a_data_file("own.npz", lambda file: (arrays(x=GREY, y=np.arange(40) % 3)(file), cut_in_half(file)), "own.npz"),
    a_data_file("own.npz", arrays(x=GREY), "y is missing"),
    a_data_file("own.npz", arrays(x=GREY, y=np.arange(40) / 3), "float64"),
    a_data_file("own.npz", arrays(x=GREY, y=np.arange(39) % 3), "(39,)"),
    a_data_file("own.npz", arrays(x=GREY, y=np.arange(40) % 3 - 1), "-1"),
    a_data_file("own.npz", arrays(x=GREY + 300.0 * np.nan, y=np.arange(40) % 3), "row 0"),
    a_data_file("own.npz", arrays(x=np.array([Opens()]), y=np.arange(1)), "own.npz"),
    a_data_file("own.npz", arrays(x=GREY, y=np.arange(40) % 4), "4 classes"),
    a_data_file("own.npz", arrays(x=np.zeros((40, 7, 6)), y=np.arange(40) % 3), "(1, 7, 6)"),
    a_data_file("images", lambda file: file.mkdir(), "images"),
    a_data_file("images", lambda file: image_folder(file, classes=("cat",)), "cat"),
    a_data_file("images", lambda file: (image_folder(file), Image.new("L", (9, 9)).save(file / "dog/z.png")), "9x9"),
    a_data_file("images", lambda file: (image_folder(file), (file / "dog/z.png").write_bytes(b"?")), "dog/z.png"),
    a_data_file("images.tar.gz", cut_tar, "images.tar.gz"),
    a_data_file("images.tar.gz", lambda file: tar_with("../evil.png", file), "../evil.png"),
    a_data_file("images.zip", lambda file: file.write_bytes(b"PK\x05"), "images.zip"),
    a_data_file("images.zip", lambda file: zipfile.ZipFile(file, "w").close(), "images.zip"),
    an_idx_file(idx(0x803, 40, 6, 6)[:-5], idx(0x801, 40), "1451"),
    an_idx_file(idx(0x802, 40, 6, 6), idx(0x801, 40), "0x00000802"),
    an_idx_file(idx(0x803, 40, 6, 6), idx(0x801, 39), "39"),
    a_module("own_networks:raises", "the hovercraft is full"),
    a_module("own_networks:needs", "width"),
    a_module("own_networks:number", "int"),
    a_module("own_networks:two_outputs", "2 outputs"),
    a_module("own_networks:no_logits", "(2, 3, 4, 4)"),
    a_module("own_networks:colour", "(1, 6, 6)"),
    a_module("own_networks:straight", "'*'"),
    a_module("unfinished:half", "unfinished.py"),
    a_module("needy:some", "a_package_that_nobody_has"),
    a_module("own_networks:raises", "the hovercraft is full", "data"),
    a_module("own_networks:bad_pair", "tuple of 3", "data"),
    a_module("own_networks:number", "int", "data"),
    a_run_file("description.json", cut_in_half, "description.json"),
    a_run_file("description.json", lambda file: file.write_text("[1]"), "list"),
    a_run_file("description.json", lambda file: file.write_bytes(b"\xff\xfe"), "description.json"),
    a_run_file("description.json", lambda file: change_json(file, lambda said: said.update(format="other")), "corank-run-1"),
    a_run_file("description.json", lambda file: change_json(file, lambda said: said.pop("network")), "network"),
    a_run_file("description.json", lambda file: change_json(file, lambda said: said.update(network=[])), "description.json"),
    a_run_file("description.json", lambda file: change_json(file, lambda said: said["network"].update(dtype="float7")), "float7"),
    a_run_file("description.json", lambda file: change_json(file, lambda said: said["network"].update(shape=[-1])), "-1"),
    a_run_file("description.json", lambda file: change_json(file, lambda said: said["network"].update(zoo_name="vgg7")), "vgg7"),
    a_run_file("graph.json", cut_in_half, "graph.json"),
    a_run_file("graph.json", lambda file: file.unlink(), "graph.json"),
    a_run_file("graph.json", lambda file: file.write_text("{}"), "graph.json"),
    a_run_file("graph.json", lambda file: file.write_text(file.read_text().replace("aten.relu", "os.system")), "os.system"),
    a_run_file("weights.safetensors", cut_in_half, "weights.safetensors"),
    a_run_file("weights.safetensors", lambda file: file.unlink(), "weights.safetensors"),
    a_run_file("weights.safetensors", lambda file: save_file(tiny_weights(), file), "graph.json"),
    a_run_file("metrics.json", cut_in_half, "metrics.json"),
    a_run_file("metrics.json", lambda file: file.write_text("3"), "int"),
    a_run_file("metrics.json", lambda file: file.unlink(), "metrics.json"),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "line", "offending"), DAMAGED)
def test_a_damaged_file_is_refused_in_one_line(
    corank: Corank, damage: Callable[[], object], line: str, offending: str
) -> None:
    damage()
    assert_refused(corank(*line.split()), offending)
    assert not Path("opened").exists(), "code from a file was run"


def test_a_checkpoint_that_is_damaged_is_refused(corank: Corank, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_after(monkeypatch, 1)
    line = ["train", "--network", "own_networks:tiny", "--data", "toy.npz", "--epochs", "3", "--out", "new"]
    assert corank(*line).code == 130
    cut_in_half(Path("new/checkpoint/epoch-1/state.json"))
    said = corank(*line)
    assert said.code == 2
    assert "state.json" in said.err.splitlines()[-1]


# What is left behind

TRAIN = ("train", "--network", "own_networks:residual", "--data", "toy.npz", "--epochs", "2", "--out", "new")
COMPRESS = (*"compress asnet --network trained --data toy.npz --layer 2 --rank 2 --epochs 1 --out new".split(),)
STUDY = (*"study --network trained --data toy.npz --layer 2 --rank 2 --samples 60 --epochs 0 --out new".split(),)
MEASURE = (*"measure --network trained --data toy.npz --rank 4 --out new".split(),)
TRAIN = tuple(word.replace("residual", "Residual") for word in TRAIN)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.mark.parametrize(
    ("line", "option", "other"),
    [
        pytest.param(TRAIN, "--epochs", "3", id="train"),
        pytest.param(COMPRESS, "--rank", "3", id="compress"),
        pytest.param(STUDY, "--seed", "1", id="study"),
    ],
)
def test_a_finished_run_is_kept_until_overwritten(corank: Corank, line: tuple[str, ...], option: str, other: str) -> None:
    first = corank(*line)
    assert first.code == 0, first
    before = contents(Path("new"))
    again = corank(*line)
    assert (again.code, again.out) == (0, first.out)
    assert "nothing to do" in again.err
    words = {word: following for word, following in zip(line, line[1:], strict=False)}
    changed = [other if before == option else word for before, word in zip(("", *line), line, strict=False)]
    changed += [] if option in words else [option, other]
    assert_refused(corank(*changed), f"now {other}")
    assert contents(Path("new")) == before
    Path("new/notes.txt").write_text("mine")
    replaced = corank(*changed, "--overwrite")
    assert replaced.code == 0, replaced
    assert Path("new/notes.txt").read_text() == "mine"
    assert f"now {words.get(option, '0')}" in corank(*line).err


def test_a_measurement_is_kept_until_overwritten(corank: Corank) -> None:
    assert corank(*MEASURE).code == 0
    before = contents(Path("new"))
    assert corank(*MEASURE).code == 0
    assert contents(Path("new")).keys() == before.keys()
    assert contents(Path("new"))["measurement.json"] == before["measurement.json"]
    assert_refused(corank(*MEASURE, "--seed", "1"), "seed was 0, now 1")
    assert contents(Path("new"))["measurement.json"] == before["measurement.json"]
    assert corank(*MEASURE, "--seed", "1", "--overwrite").code == 0
    assert json.loads(Path("new/measurement.json").read_text())["options"]["seed"] == 1


@pytest.mark.parametrize("line", [TRAIN, COMPRESS, STUDY, MEASURE], ids=lambda line: line[0])
def test_files_of_somebody_else_are_never_written_beside(corank: Corank, line: tuple[str, ...]) -> None:
    Path("new").mkdir()
    Path("new/thesis.tex").write_text("mine")
    for flags in ((), ("--overwrite",)):
        assert_refused(corank(*line, *flags), "thesis.tex")
    assert contents(Path("new")) == {"thesis.tex": b"mine"}


@pytest.mark.parametrize("line", [TRAIN, COMPRESS, STUDY, MEASURE], ids=lambda line: line[0])
def test_a_folder_that_cannot_be_written_is_noticed_before_the_work(corank: Corank, line: tuple[str, ...]) -> None:
    Path("new").mkdir(mode=0o555)
    if os.access("new", os.W_OK):
        pytest.skip("this user may write anywhere")
    assert_refused(corank(*line), "'new'")


@pytest.mark.parametrize("line", [COMPRESS, STUDY, TRAIN], ids=lambda line: line[0])
def test_the_network_that_is_asked_for_is_not_overwritten(corank: Corank, line: tuple[str, ...]) -> None:
    before = contents(Path("trained"))
    words = [{"new": "trained", "own_networks:Residual": "trained"}.get(word, word) for word in line]
    assert_refused(corank(*words, "--overwrite"), "'trained'")
    assert contents(Path("trained")) == before


def test_another_network_of_the_same_name_is_told_apart(corank: Corank) -> None:
    assert corank(*COMPRESS).code == 0
    line = "train --network own_networks:tiny --data toy.npz --epochs 2 --seed 1 --out trained --overwrite"
    assert corank(*line.split()).code == 0
    assert_refused(corank(*COMPRESS), "weights was sha256")


def test_other_images_under_the_same_name_are_told_apart(corank: Corank) -> None:
    assert corank(*COMPRESS).code == 0
    with np.load("toy.npz") as file:
        x, y = file["x"].copy(), file["y"]
    x[17, 3, 3] ^= 1
    np.savez("toy.npz", x=x, y=y)
    assert_refused(corank(*COMPRESS), "images was sha256")


# Interruption


def interrupt_after(monkeypatch: pytest.MonkeyPatch, epochs: int) -> None:
    """Ctrl-C once, as soon as that many epochs are kept."""
    keep, left = Checkpoint.save, [epochs]

    def save(self: Checkpoint, *rest: Any) -> None:
        keep(self, *rest)
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Checkpoint, "save", save)


def test_an_interrupted_training_goes_on_to_the_same_bits(corank: Corank, monkeypatch: pytest.MonkeyPatch) -> None:
    line = [word.replace("2", "4") if word == "2" else word for word in TRAIN]
    whole = corank(*("whole" if word == "new" else word for word in line))
    interrupt_after(monkeypatch, 2)
    stopped = corank(*line)
    assert (stopped.code, stopped.out) == (130, "")
    assert stopped.err == "corank: interrupted; what was finished is kept\n"
    assert_refused(corank("measure", "--network", "new", "--data", "toy.npz"), "'new'")
    resumed = corank(*line)
    assert resumed.code == 0
    assert "after epoch 2" in resumed.err
    assert Path("new/weights.safetensors").read_bytes() == Path("whole/weights.safetensors").read_bytes()
    assert resumed.out == whole.out.replace("whole", "new")
    assert not Path("new/checkpoint").exists()


def test_an_interrupted_study_goes_on_with_its_training(corank: Corank, monkeypatch: pytest.MonkeyPatch) -> None:
    line = [*STUDY, "--train-epochs", "3"]
    line[line.index("trained")] = "own_networks:tiny"
    interrupt_after(monkeypatch, 2)
    assert corank(*line).code == 130
    assert not Path("new/study.json").exists()
    resumed = corank(*line)
    assert resumed.code == 0
    assert "after epoch 2" in resumed.err
    assert json.loads(Path("new/network/metrics.json").read_text())["epochs"] == 3


def test_an_interrupted_compression_leaves_the_old_run(corank: Corank, monkeypatch: pytest.MonkeyPatch) -> None:
    assert corank(*COMPRESS).code == 0
    before = contents(Path("new"))

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("corank.experiment.compressing.compress_and_evaluate", interrupted)
    assert corank(*COMPRESS, "--order", "1", "--overwrite").code == 130
    assert contents(Path("new")) == before


def start(here: Path, *words: str, **options: Any) -> subprocess.Popen[str]:
    program = Path(sys.executable).with_name("corank")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen([program, *words], cwd=here, text=True, **pipes)


def test_the_signal_of_a_terminal_ends_the_program_with_130(here: Path) -> None:
    line = ["train", "--network", "own_networks:tiny", "--data", "toy.npz", "--epochs", "100000", "--out", "new"]
    process = start(here, *line)
    deadline = time.monotonic() + 60
    while not list((here / "new/checkpoint").glob("epoch-?")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "corank: interrupted; what was finished is kept\n")


def test_a_reader_that_goes_away_is_no_error(here: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = start(here, "cost", "--network", "trained", "--no-latency", "--json", stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")


def test_several_processes_print_once(here: Path) -> None:
    pytest.importorskip("lightning_fabric")
    process = start(here, *TRAIN, "--processes", "2", "--json")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert json.loads(out)["epochs"] == 2


# What is printed


def refuse_constant(text: str) -> None:
    raise AssertionError(f"{text} is no JSON")


def strict_json(text: str) -> Any:
    return json.loads(text, parse_constant=refuse_constant)


@pytest.mark.parametrize(
    "line", [TRAIN, COMPRESS, STUDY, MEASURE, ("cost", "--network", "trained")], ids=lambda line: line[0]
)
def test_standard_output_is_nothing_but_json(corank: Corank, line: tuple[str, ...]) -> None:
    said = corank(*line, "--json")
    assert said.code == 0
    assert isinstance(strict_json(said.out), dict)
    assert "\x1b" not in said.err
    stored = {"train": "metrics.json", "compress": "metrics.json", "study": "study.json"}.get(line[0])
    if stored:
        assert strict_json(said.out) == strict_json(Path("new", stored).read_text())
        assert strict_json(corank(*line, "--json").out) == strict_json(said.out)


@pytest.mark.parametrize("line", [TRAIN, COMPRESS, STUDY, MEASURE, ("cost", "--network", "trained", "--no-latency")], ids=lambda line: line[0])
def test_a_pipe_gets_plain_text_and_no_progress_bar(corank: Corank, line: tuple[str, ...]) -> None:
    said = corank(*line)
    assert said.code == 0
    assert said.out.strip()
    assert "\x1b" not in said.out + said.err
    stages = [f"corank: {stage}" for stage in ("accuracy of", "active subspaces", "cut at")]
    assert all(any(text.startswith(stage) for stage in stages) for text in said.err.splitlines())


def test_what_is_no_number_becomes_null(corank: Corank) -> None:
    said = corank("measure", "--network", "trained", "--data", "toy.npz", "--rank", "1", "--samples", "1", "--batch-size", "1", "--json")
    rows = strict_json(said.out)["layers"]
    assert [row["layer"] for row in rows] == ["2", "4"]
    assert all(row["captured_heldout"] is None for row in rows)


def test_measure_has_a_row_a_layer(corank: Corank) -> None:
    found = strict_json(corank("measure", "--network", "trained", "--data", "toy.npz", "--rank", "4", "--json").out)
    assert [(row["layer"], row["width"]) for row in found["layers"]] == [("2", 12), ("4", 8)]
    for row in found["layers"]:
        assert {*row["active_neurons"]} == {"energy", "norm"}
        assert all({*interval} == {"low", "high"} for interval in row["active_neurons"].values())
        assert row["eigenvalues"] == sorted(row["eigenvalues"], reverse=True)
        assert 1 <= len(row["eigenvalues"]) <= 4
        assert 0 < row["captured_heldout"] <= 1 + 1e-6


@pytest.mark.parametrize(
    ("layers", "labels"),
    [(["2"], ["2"]), (["[24]"], ["2", "4"]), (["4", "1"], ["4", "1"]), (["*"], ["2", "4"])],
    ids=str,
)
def test_layers_are_named_by_name_glob_or_several(corank: Corank, layers: list[str], labels: list[str]) -> None:
    words = [word for layer in layers for word in ("--layer", layer)]
    said = corank("measure", "--network", "trained", "--data", "toy.npz", "--rank", "2", "--json", *words)
    assert sorted(row["layer"] for row in strict_json(said.out)["layers"]) == sorted(labels)


def test_a_number_counts_convolutions_where_there_are_any(corank: Corank) -> None:
    assert corank(*TRAIN).code == 0
    said = corank("measure", "--network", "new", "--data", "toy.npz", "--rank", "2", "--layer", "1", "--json")
    (row,) = strict_json(said.out)["layers"]
    assert (row["index"], row["width"]) == (1, 4 * 36)


def test_the_seed_is_one_for_the_command_and_its_method(corank: Corank) -> None:
    for line, path in ((COMPRESS, ("options", "seed")), (STUDY, ("options", "study", "seed"))):
        assert corank(*line, "--seed", "7").code == 0
        found: Any = json.loads(Path("new", "study.json" if line is STUDY else "description.json").read_text())
        for name in path:
            found = found[name]
        assert found == 7
        shutil.rmtree("new")


def test_a_cut_network_is_a_network_for_every_command(corank: Corank) -> None:
    assert corank(*TRAIN).code == 0
    once = "compress asnet --network new --data toy.npz --layer second --rank 2 --epochs 1 --samples 60 --out once"
    refused = corank(*once.split())
    assert_refused(refused, "second")
    legal = once.replace("--layer second", "--layer 3")
    assert corank(*legal.split()).code == 0
    again = legal.replace("--network new", "--network once").replace("--out once", "--out twice").replace("3 --rank", "1 --rank")
    assert corank(*again.split()).code == 0
    for command in ("measure --rank 2", "cost --no-latency", "study --rank 2 --samples 60 --epochs 0 --out studied"):
        data = "" if command.startswith("cost") else " --data toy.npz"
        assert corank(*f"{command} --network twice{data}".split()).code == 0
    metrics = json.loads(Path("twice/metrics.json").read_text())
    assert metrics["compressed"]["original"] == json.loads(Path("once/metrics.json").read_text())["compressed"]["overall"]


def test_only_training_takes_a_network_without_weights(corank: Corank) -> None:
    for command in ("measure", "compress asnet --layer 2 --rank 2 --out new"):
        line = f"{command} --network own_networks:tiny --data toy.npz".split()
        assert_refused(corank(*line), "'own_networks:tiny' has no trained weights")
        assert corank(*line, "--random-weights").code == 0
    assert corank("cost", "--network", "own_networks:tiny", "--input-shape", "1,6,6", "--no-latency").code == 0


def test_a_network_whose_graph_cannot_be_had_is_refused_before_the_work(corank: Corank) -> None:
    measured = corank(*"measure --network own_networks:Looks --data toy.npz --random-weights --layer hidden --rank 2".split())
    assert (measured.code, measured.err) == (0, "")
    for command in ("train --out new", "study --out new", "compress asnet --random-weights --layer 2 --out new"):
        said = corank(*f"{command} --network own_networks:Looks --data toy.npz".split())
        assert_refused(said, "cannot be captured")


# The published costs, to the printed digit (Cui et al. 2020, Active Subspace of Neural Networks, Tables 2 and 4)

VGG, RESNET = ("76.45", "398.14"), ("6.59", "252.89")
VGG_HEAD, RESNET_HEAD = ("3.18", "0.83"), ("1.61", "0.42")
PUBLISHED = [
    ("vgg19", 5, VGG, ("2.12", "115.02"), VGG_HEAD),
    ("vgg19", 6, VGG, ("4.38", "152.76"), VGG_HEAD),
    ("vgg19", 7, VGG, ("6.63", "190.51"), VGG_HEAD),
    ("resnet110", 61, RESNET, ("1.15", "140.82"), RESNET_HEAD),
    ("resnet110", 67, RESNET, ("1.37", "154.98"), RESNET_HEAD),
    ("resnet110", 73, RESNET, ("1.58", "169.13"), RESNET_HEAD),
]


@pytest.mark.parametrize(("network", "layer", "whole", "pre", "head"), PUBLISHED)
def test_costs_are_the_published_ones(
    corank: Corank, network: str, layer: int, whole: tuple[str, str], pre: tuple[str, str], head: tuple[str, str]
) -> None:
    line = f"cost --network {network} --layer {layer} --rank 50 --order 2 --no-latency --json"
    found = strict_json(corank(*line.split()).out)
    for part, printed in (("network", whole), ("pre", pre), ("head", head)):
        row = found[part]
        assert (f"{row['storage_mb']:.2f}", f"{row['multiply_adds_millions']:.2f}") == printed
        assert row["storage_mb"] == row["parameters"] * 4 / 2**20
    for name in ("parameters", "storage_mb", "multiply_adds_millions"):
        assert found["overall"][name] == pytest.approx(found["pre"][name] + found["head"][name], rel=1e-12)


def test_latency_is_measured_unless_it_is_not_wanted(corank: Corank) -> None:
    line = ("cost", "--network", "trained", "--layer", "2", "--rank", "2", "--json")
    found = strict_json(corank(*line).out)
    for part in ("network", "overall"):
        assert [row["batch"] for row in found[part]["latency"]] == [1, 64]
        assert all(row["median_ms"] > 0 for row in found[part]["latency"])
    assert all("latency" not in part for part in strict_json(corank(*line, "--no-latency").out).values() if isinstance(part, dict))
