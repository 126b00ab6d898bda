"""Arrays in every layout give the same images; what is no image, label or `.npz` is refused in one line."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from corank.errors import InputError
from corank.zoo.data import as_split, load_arrays

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 3, 8, 6), dtype=np.uint8)
LABELS = np.arange(60) % 3


def test_channels_first_and_last_are_the_same_images() -> None:
    first = as_split("first", IMAGES, LABELS)
    last = as_split("last", IMAGES.transpose(0, 2, 3, 1), LABELS)
    assert torch.equal(first.images, torch.from_numpy(IMAGES))
    assert torch.equal(last.images, first.images)
    assert last.images.is_contiguous()


def test_the_layout_rule() -> None:
    def shape(*given: int) -> tuple[int, ...]:
        return tuple(as_split("x", np.zeros(given, np.uint8), np.zeros(given[0], int)).images.shape)

    assert shape(2, 9) == (2, 9)
    assert shape(2, 8, 6) == (2, 1, 8, 6)
    assert shape(2, 8, 6, 1) == (2, 1, 8, 6)
    assert shape(2, 8, 6, 4) == (2, 4, 8, 6)
    assert shape(2, 3, 8, 3) == (2, 3, 8, 3)  # both could be channels: the first is
    assert shape(2, 16, 8, 8) == (2, 16, 8, 8)  # neither could be: the first is


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.uint64])
def test_whole_numbers_are_bytes(dtype: type[Any]) -> None:
    assert torch.equal(as_split("x", IMAGES.astype(dtype), LABELS).images, torch.from_numpy(IMAGES))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floating_point_keeps_its_values(dtype: type[Any]) -> None:
    images = (IMAGES / 256).astype(dtype)  # exact in all three types
    assert torch.equal(as_split("x", images, LABELS).images, torch.from_numpy(IMAGES).float() / 256)


def test_tensors_are_arrays_too() -> None:
    split = as_split("x", torch.from_numpy(IMAGES), torch.from_numpy(LABELS.astype(np.int32)))
    assert torch.equal(split.labels, torch.from_numpy(LABELS))


def test_a_file_gives_what_was_saved(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "flowers.npz", x=IMAGES, y=LABELS, other=np.zeros(2))
    data = load_arrays(tmp_path / "flowers.npz")
    assert data.name == "flowers"
    assert data.classes == 3
    assert len(data.train) + len(data.validation) + len(data.test) == 60


def test_vectors_are_split_and_described_by_their_features(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(3.0, 2.0, (60, 5)).astype(np.float32)
    np.savez(tmp_path / "table.npz", x=vectors, y=LABELS)
    data = load_arrays(tmp_path / "table.npz")
    assert data.shape == (5,)
    torch.testing.assert_close(torch.tensor(data.mean), data.train.images.mean(0))
    torch.testing.assert_close(torch.tensor(data.std), data.train.images.std(0, correction=0))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros(4), np.zeros(4, int), r"x of here .* got \(4,\)"),
        (np.array([[0, 0], [0, 300]]), np.zeros(2, int), "got 300 in row 1"),
        (np.zeros((0, 8, 8)), np.zeros(0, int), r"got \(0, 8, 8\)"),
        (np.zeros((4, 8, 8)), np.zeros(3, int), r"y of here .* got \(3,\)"),
        (np.zeros((4, 8, 8)), np.zeros((4, 1), int), r"got \(4, 1\)"),
        (np.zeros((4, 8, 8)), np.zeros(4), "of float64"),
        (np.zeros((4, 8, 8)), np.array([0, 1, -3, 0]), "here: .* got -3 in row 2"),
        (np.zeros((4, 8, 8), bool), np.zeros(4, int), "got bool"),
        (np.full((4, 8, 8), 256), np.zeros(4, int), "got 256 in row 0"),
        (np.array([0, 0, -1, 0]).repeat(64).reshape(4, 8, 8), np.zeros(4, int), "got -1 in row 2"),
        (np.array([0, np.inf]).repeat(64).reshape(2, 8, 8), np.zeros(2, int), "row 1"),
        (np.full((2, 8, 8), 1e300), np.zeros(2, int), "row 0"),
    ],
)
def test_what_is_no_image_or_label_is_refused(x: Any, y: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        as_split("here", x, y)
    assert "\n" not in str(caught.value)


def saved(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def test_a_file_without_x_or_y_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "half.npz"
    path.write_bytes(saved(x=IMAGES, labels=LABELS))
    with pytest.raises(InputError, match=r"half\.npz must hold x and y, y is missing among x, labels"):
        load_arrays(path)
    path.write_bytes(saved(images=IMAGES))
    with pytest.raises(InputError, match="x is missing among images: add the images as x"):
        load_arrays(path)


def test_images_without_labels_are_told_so(data_root: Path) -> None:
    with pytest.raises(InputError, match=r"freyfaces\.npz .*y is missing among x: add the labels"):
        load_arrays(data_root / "freyfaces.npz")


def test_pickled_objects_are_refused_and_never_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (ran,)

    path = tmp_path / "trap.npz"
    path.write_bytes(saved(x=np.array([Trap()], dtype=object), y=LABELS))
    with pytest.raises(InputError, match="trap"):
        load_arrays(path)
    assert not ran.exists()


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "damaged.npz"
    whole = saved(x=IMAGES[:, :, :2, :2], y=LABELS)
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="damaged"):
            load_arrays(path)
    changed = bytearray(whole)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        changed[archive.getinfo("x.npy").header_offset + 300] ^= 255
    path.write_bytes(changed)
    with pytest.raises(InputError, match="Bad CRC"):
        load_arrays(path)
    path.write_bytes(b"x,y\n1,2\n")
    with pytest.raises(InputError, match="not a zip file"):
        load_arrays(path)
