"""Both versions of CIFAR, packed or not, are the same images; damage and wrong labels are named with their place."""

from __future__ import annotations

import io
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from corank.errors import InputError
from corank.zoo.data import Dataset, load_cifar10, load_cifar100, load_data

COUNT = 12
TEN = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
Files = dict[str, bytes]


def made(number: int, classes: int) -> tuple[Any, Any]:
    """Pixels and labels of one file: the first byte of an image tells file and row, and the label follows from it."""
    pixels = np.random.default_rng(number).integers(0, 256, (COUNT, 3072), dtype=np.uint8)
    pixels[:, 0] = number * COUNT + np.arange(COUNT)
    return pixels, (7 * pixels[:, 0].astype(int)) % classes


def ten_binary() -> Files:
    files = {"batches.meta.txt": "\n".join([*NAMES, "", ""]).encode()}
    for number, name in enumerate(TEN):
        pixels, labels = made(number, 10)
        files[f"{name}.bin"] = np.column_stack([labels.astype(np.uint8), pixels]).tobytes()
    return files


def ten_python(protocol: int = 2) -> Files:
    files = {"batches.meta": pickle.dumps({b"label_names": [name.encode() for name in NAMES]}, protocol)}
    for number, name in enumerate(TEN):
        pixels, labels = made(number, 10)
        batch = {b"data": pixels, b"labels": labels.tolist(), b"filenames": [b"a.png"] * COUNT}
        files[name] = pickle.dumps(batch, protocol)
    return files


def hundred_binary() -> Files:
    files = {
        "fine_label_names.txt": "\n".join(f"fine{i}" for i in range(100)).encode(),
        "coarse_label_names.txt": "\n".join(f"coarse{i}" for i in range(20)).encode(),
    }
    for number, name in enumerate(("train", "test")):
        pixels, fine = made(number, 100)
        files[f"{name}.bin"] = np.column_stack([fine // 5, fine, pixels]).astype(np.uint8).tobytes()
    return files


def hundred_python() -> Files:
    names = {
        "fine_label_names": [f"fine{i}" for i in range(100)],
        "coarse_label_names": [f"coarse{i}" for i in range(20)],
    }
    files = {"meta": pickle.dumps(names, 2)}
    for number, name in enumerate(("train", "test")):
        pixels, fine = made(number, 100)
        batch = {"data": pixels, "fine_labels": fine.tolist(), "coarse_labels": (fine // 5).tolist()}
        files[name] = pickle.dumps(batch, 2)
    return files


def as_folder(root: Path, name: str, files: Files) -> Path:
    (root / name).mkdir(exist_ok=True)
    for file, content in files.items():
        (root / name / file).write_bytes(content)
    return root / name


def as_archive(root: Path, name: str, files: Files) -> Path:
    path = root / f"{name}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for file, content in files.items():
            member = tarfile.TarInfo(f"{name}/{file}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def assert_made(data: Dataset, train_files: int, classes: int, label: Callable[[Any], Any] = lambda fine: fine) -> None:
    assert data.shape == (3, 32, 32)
    assert len(data.train) + len(data.validation) == train_files * COUNT
    for split in (data.train, data.validation, data.test):
        for image, number in zip(split.images.flatten(1), split.labels.tolist(), strict=True):
            file, row = divmod(int(image[0]), COUNT)
            pixels, labels = made(file, classes)
            assert torch.equal(image, torch.from_numpy(pixels[row]))
            assert number == label(labels[row])
    assert {int(image) // COUNT for image in data.test.images[:, 0, 0, 0]} == {train_files}


@pytest.mark.parametrize("write", [as_folder, as_archive])
@pytest.mark.parametrize("files", [ten_binary, ten_python, lambda: ten_python(4), lambda: ten_python(5)])
def test_ten_classes(tmp_path: Path, write: Any, files: Callable[[], Files]) -> None:
    data = load_cifar10(write(tmp_path, "cifar", files()))
    assert_made(data, 5, 10)
    assert (data.name, list(data.class_names)) == ("cifar10", NAMES)


@pytest.mark.parametrize("write", [as_folder, as_archive])
@pytest.mark.parametrize("files", [hundred_binary, hundred_python])
def test_a_hundred_classes_and_their_superclasses(tmp_path: Path, write: Any, files: Callable[[], Files]) -> None:
    path = write(tmp_path, "cifar", files())
    fine, coarse = load_cifar100(path), load_cifar100(path, coarse=True)
    assert_made(fine, 1, 100)
    assert_made(coarse, 1, 100, label=lambda label: label // 5)
    assert (fine.name, fine.classes, fine.class_names[99]) == ("cifar100", 100, "fine99")
    assert (coarse.name, coarse.classes, coarse.class_names[19]) == ("cifar100-coarse", 20, "coarse19")


@pytest.mark.parametrize(
    ("name", "place", "files"),
    [
        ("cifar10", "cifar-10-batches-bin", ten_binary),
        ("cifar10", "cifar-10-binary.tar.gz", ten_binary),
        ("cifar10", "cifar-10-batches-py", ten_python),
        ("cifar10", "cifar-10-python.tar.gz", ten_python),
        ("cifar100", "cifar-100-binary", hundred_binary),
        ("cifar100-coarse", "cifar-100-python.tar.gz", hundred_python),
    ],
)
def test_all_places_under_the_data_root(tmp_path: Path, name: str, place: str, files: Callable[[], Files]) -> None:
    write = as_archive if place.endswith(".tar.gz") else as_folder
    write(tmp_path, place.removesuffix(".tar.gz"), files())
    data = load_data(name, tmp_path)
    assert (data.name, data.shape) == (name, (3, 32, 32))


def test_without_their_files_classes_are_the_known_ten_or_numbers(tmp_path: Path) -> None:
    ten, hundred = ten_python(), hundred_binary()
    del ten["batches.meta"], hundred["fine_label_names.txt"]
    assert list(load_cifar10(as_folder(tmp_path, "ten", ten)).class_names) == NAMES
    names = load_cifar100(as_folder(tmp_path, "hundred", hundred)).class_names
    assert names == tuple(str(label) for label in range(100))


def label_at(files: Files, name: str, place: int, label: int) -> Files:
    content = bytearray(files[name])
    content[place] = label
    return files | {name: bytes(content)}


def batch_with(**changes: Any) -> Files:
    pixels, labels = made(2, 10)
    batch = {"data": pixels, "labels": labels.tolist()} | changes
    return ten_python() | {"data_batch_3": pickle.dumps(batch, 2)}


def without(files: Files, name: str) -> Files:
    return {other: content for other, content in files.items() if other != name}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            ten_binary() | {"data_batch_2.bin": ten_binary()["data_batch_2.bin"][:-1]},
            r"^data_batch_2.bin in .* a multiple of 3073 bytes, got 36875, the record at byte 33803 is cut off",
        ),
        (ten_binary() | {"test_batch.bin": b""}, "test_batch.bin in .* got 0, the record at byte 0 is cut off"),
        (
            label_at(ten_binary(), "data_batch_5.bin", 3 * 3073, 10),
            r"data_batch_5.bin in .* must be below 10, got 10 in row 3 \(byte 9219\)",
        ),
        (without(ten_binary(), "data_batch_4.bin"), "^data_batch_4.bin of cifar10 is missing in "),
        (without(ten_python(), "test_batch"), "^test_batch of cifar10 is missing in "),
        ({}, "^data_batch_1 of cifar10 is missing in "),
        (ten_binary() | {"batches.meta.txt": b"cat\ndog\n"}, "batches.meta.txt in .* must name 10 classes, got 2"),
        (ten_python() | {"batches.meta": pickle.dumps({})}, "batches.meta in .* must name 10 classes, got NoneType"),
        (batch_with(data=made(2, 10)[0][:, 1:]), r"data_batch_3 in .* \(N, 3072\) bytes, got \(12, 3071\)"),
        (batch_with(data=[1, 2]), "data_batch_3 in .* got list"),
        (batch_with(labels=[1, 2]), "labels in data_batch_3 in .* a list of 12 labels, got 2"),
        (batch_with(labels=None), "got NoneType"),
        (batch_with(labels=[1, 2, 10] + [0] * 9), "labels in data_batch_3 in .* got '10' in row 2"),
        (batch_with(labels=[-1] + [0] * 11), "got '-1' in row 0"),
        (batch_with(labels=["cat"] + [0] * 11), "got 'cat' in row 0"),
        (ten_python() | {"data_batch_1": ten_python()["data_batch_1"][:-9]}, r"data_batch_1 in .* byte \d+"),
    ],
)
def test_damaged_and_mislabelled_files_are_named(tmp_path: Path, files: Files, message: str) -> None:
    for write in (as_folder, as_archive):
        with pytest.raises(InputError, match=message) as caught:
            load_cifar10(write(tmp_path, "cifar", files))
        assert "\n" not in str(caught.value)


def test_a_class_of_a_hundred_is_the_second_byte(tmp_path: Path) -> None:
    path = as_folder(tmp_path, "cifar", label_at(hundred_binary(), "test.bin", 3 * 3074 + 1, 100))
    with pytest.raises(InputError, match=r"test.bin in .* must be below 100, got 100 in row 3 \(byte 9223\)"):
        load_cifar100(path)


def test_a_superclass_out_of_range_is_found_where_it_is_used(tmp_path: Path) -> None:
    path = as_folder(tmp_path, "cifar", label_at(hundred_binary(), "train.bin", 2 * 3074, 20))
    assert load_cifar100(path).classes == 100
    with pytest.raises(InputError, match=r"train.bin in .* must be below 20, got 20 in row 2 \(byte 6148\)"):
        load_cifar100(path, coarse=True)


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    path = as_archive(tmp_path, "cifar", ten_binary())
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(InputError, match=r"cifar.tar.gz cannot be read in cifar/data_batch_\d.bin"):
        load_cifar10(path)


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    ran = tmp_path / "ran"

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (ran,)

    with pytest.raises(InputError, match=r"data_batch_3 in .* asks for"):
        load_cifar10(as_folder(tmp_path, "cifar", batch_with(data=Trap())))
    assert not ran.exists()
