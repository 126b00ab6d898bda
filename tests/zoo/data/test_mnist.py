"""IDX files are read exactly, and any damage is one line with the file and the place."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import pytest
import torch

from corank.errors import InputError
from corank.zoo.data import load_mnist, read_idx


def idx(values: torch.Tensor) -> bytes:
    header = struct.pack(f">{1 + values.ndim}I", 0x800 + values.ndim, *values.shape)
    return header + values.to(torch.uint8).numpy().tobytes()


def write_mnist(folder: Path, count: int = 60, *, zipped: bool = False) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    contents = {}
    for part in ("train", "t10k"):
        contents[f"{part}-images-idx3-ubyte"] = torch.randint(0, 256, (count, 4, 3), generator=generator)
        contents[f"{part}-labels-idx1-ubyte"] = torch.arange(count) % 10
    for name, values in contents.items():
        data = idx(values)
        (folder / (f"{name}.gz" if zipped else name)).write_bytes(gzip.compress(data) if zipped else data)
    return contents


@pytest.mark.parametrize("zipped", [False, True])
def test_files_are_read_as_they_were_written(tmp_path: Path, zipped: bool) -> None:
    contents = write_mnist(tmp_path, zipped=zipped)
    data = load_mnist(tmp_path)
    assert data.shape == (1, 4, 3)
    assert data.classes == 10
    assert torch.equal(data.test.images[:, 0].long(), contents["t10k-images-idx3-ubyte"])
    assert torch.equal(data.test.labels, contents["t10k-labels-idx1-ubyte"])
    assert len(data.train) + len(data.validation) == 60
    assert len(data.validation) > 0


@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, zipped: bool) -> None:
    whole = idx(torch.arange(24).reshape(2, 4, 3))
    whole = gzip.compress(whole) if zipped else whole
    path = tmp_path / ("cut.gz" if zipped else "cut")
    path.write_bytes(whole)
    assert read_idx(path, 3).tolist() == torch.arange(24).reshape(2, 4, 3).tolist()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cut.*(ends at byte|cannot be read)"):
            read_idx(path, 3)


def test_damage_is_named_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "values"
    whole = idx(torch.arange(6).reshape(1, 2, 3))
    path.write_bytes(b"\x89PNG" + whole[4:])
    with pytest.raises(InputError, match=r"values must begin with 0x00000803, byte 0 has 0x89504e47"):
        read_idx(path, 3)
    path.write_bytes(whole[:-2])
    with pytest.raises(InputError, match=r"ends at byte 20, its header says 22"):
        read_idx(path, 3)
    path.write_bytes(whole + b"x")
    with pytest.raises(InputError, match="ends at byte 23, its header says 22"):
        read_idx(path, 3)
    path.write_bytes(struct.pack(">4I", 0x803, 2**32 - 1, 2**32 - 1, 2**32 - 1))  # no memory is asked for that
    with pytest.raises(InputError, match="ends at byte 16"):
        read_idx(path, 3)


def test_a_gzip_file_with_a_changed_byte_is_refused(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress(idx(torch.arange(24).reshape(2, 4, 3))))
    whole[-6] ^= 1  # the checksum
    path = tmp_path / "changed.gz"
    path.write_bytes(whole)
    with pytest.raises(InputError, match="cannot be read"):
        read_idx(path, 3)


def test_files_that_disagree_are_refused(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    labels = tmp_path / "train-labels-idx1-ubyte"
    labels.write_bytes(idx(torch.arange(59) % 10))
    with pytest.raises(InputError, match="60 images, train-labels-idx1-ubyte 59 labels"):
        load_mnist(tmp_path)
    labels.write_bytes(idx(torch.tensor([3] * 41 + [10] + [3] * 18)))
    with pytest.raises(InputError, match=r"train-labels-idx1-ubyte must be below 10, got 10 in row 41 \(byte 49\)"):
        load_mnist(tmp_path)
    labels.unlink()
    with pytest.raises(InputError, match=r"train-labels-idx1-ubyte \(or the same with .gz\) is missing: get .*lecun"):
        load_mnist(tmp_path)


def test_the_real_files(data_root: Path) -> None:
    data = load_mnist(data_root / "mnist")
    assert len(data.train) + len(data.validation) == 60000
    assert len(data.test) == 10000
    # Mean and standard deviation as everybody quotes them for the 60,000, here over nine tenths of them.
    assert data.mean == pytest.approx((0.1307,), abs=5e-4)
    assert data.std == pytest.approx((0.3081,), abs=5e-4)
