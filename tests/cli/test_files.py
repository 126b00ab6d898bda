"""Every file format that is read, damaged: refused in one line, and no code in it is run."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from .user import Corank, assert_refused, interrupt_after


def cut_in_half(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def half_of(write: Callable[[Path], object]) -> Callable[[Path], None]:
    def damaged(file: Path) -> None:
        write(file)
        cut_in_half(file)

    return damaged


def replace_in(file: Path, old: str, new: str) -> None:
    content = file.read_text()
    assert old in content
    file.write_text(content.replace(old, new))


def change_json(file: Path, change: Callable[[Any], object]) -> None:
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
    sizes = {"1": (12, 36), "3": (8, 12), "5": (3, 8)}
    shapes = {f"{name}.weight": size for name, size in sizes.items()}
    shapes.update({f"{name}.bias": size[:1] for name, size in sizes.items()})
    values = {**{name: torch.zeros(shape) for name, shape in shapes.items()}, **changes}
    return {name: value for name, value in values.items() if value is not None}


def a_weights_file(name: str, write: Callable[[Path], object], offending: str) -> Any:
    line = f"measure --network own_networks:tiny --data toy.npz --weights {name}"
    return pytest.param(lambda: write(Path(name)), line, offending, id=f"weights: {name}, {offending}")


def a_data_file(name: str, write: Callable[[Path], object], offending: str) -> Any:
    line = f"measure --network trained --data {name}"
    return pytest.param(lambda: write(Path(name)), line, offending, id=f"data: {name}, {offending}")


def arrays(**values: Any) -> Callable[[Path], None]:
    return lambda file: np.savez(file, **values)


def a_run_file(name: str, write: Callable[[Path], object], offending: str) -> Any:
    line = "measure --network trained --data toy.npz"
    return pytest.param(lambda: write(Path("trained") / name), line, offending, id=f"run: {name}, {offending}")


def a_module(spec: str, offending: str, option: str = "network") -> Any:
    others = "--data toy.npz" if option == "network" else "--network trained"
    line = f"measure {others} --{option} {spec} --random-weights"
    return pytest.param(lambda: None, line, offending, id=f"{option}: {spec}")


def described(change: Callable[[Any], object], offending: str) -> Any:
    return a_run_file("description.json", lambda file: change_json(file, change), offending)


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
    a_weights_file("own.safetensors", half_of(lambda file: save_file(tiny_weights(), file)), "own.safetensors"),
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
    described(lambda said: said.update(format="other"), "corank-run-1"),
    described(lambda said: said.pop("network"), "network"),
    described(lambda said: said.update(network=[]), "description.json"),
    described(lambda said: said["network"].update(dtype="float7"), "float7"),
    described(lambda said: said["network"].update(shape=[-1]), "-1"),
    described(lambda said: said["network"].update(zoo_name="vgg8"), "vgg8"),
    a_run_file("graph.json", cut_in_half, "graph.json"),
    a_run_file("graph.json", lambda file: file.unlink(), "graph.json"),
    a_run_file("graph.json", lambda file: file.write_text("{}"), "graph.json"),
    a_run_file("graph.json", lambda file: replace_in(file, "aten.relu", "os.system"), "os.system"),
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
