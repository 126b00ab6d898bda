"""Fashion-MNIST is read from the same kind of files under its own folder and names."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import pytest
import torch

from corank.errors import InputError
from corank.zoo.data import load_data


def write(folder: Path, count: int = 60) -> torch.Tensor:
    folder.mkdir()
    images = torch.randint(0, 256, (count, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    labels = bytes(row % 10 for row in range(count))
    for part in ("train", "t10k"):
        header = struct.pack(">4I", 0x803, count, 28, 28)
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + images.numpy().tobytes()))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(struct.pack(">2I", 0x801, count) + labels))
    return images


def test_images_and_names(tmp_path: Path) -> None:
    images = write(tmp_path / "fashion-mnist")
    data = load_data("fashion-mnist", tmp_path)
    assert (data.name, data.shape, data.classes) == ("fashion-mnist", (1, 28, 28), 10)
    assert torch.equal(data.test.images[:, 0], images)
    assert (data.class_names[1], data.class_names[9]) == ("trouser", "ankle boot")


def test_a_missing_file_is_named_with_its_page(tmp_path: Path) -> None:
    write(tmp_path / "fashion-mnist")
    (tmp_path / "fashion-mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(InputError, match=r"t10k-labels-idx1-ubyte .* is missing: get .*zalandoresearch/fashion-mnist"):
        load_data("fashion-mnist", tmp_path)
