"""House numbers come out as they were saved, and a damaged MATLAB file is one line, never a crash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.io import savemat

from corank.errors import InputError
from corank.zoo.data import load_data, load_svhn

COUNT = 40
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, 3, 32, 32), dtype=np.uint8)
IMAGES[:, 0, 0, 0] = np.arange(COUNT)
DIGITS = np.arange(COUNT) % 10


def saved(path: Path, compressed: bool = True, **changes: Any) -> Path:
    stored = {"X": IMAGES.transpose(2, 3, 1, 0), "y": np.where(DIGITS == 0, 10, DIGITS)[:, None].astype(np.uint8)}
    savemat(
        path,
        {name: value for name, value in (stored | changes).items() if value is not None},
        do_compression=compressed,
    )
    return path


@pytest.mark.parametrize("compressed", [True, False])
def test_images_and_digits(tmp_path: Path, compressed: bool) -> None:
    (tmp_path / "svhn").mkdir()
    for part in ("train", "test"):
        saved(tmp_path / "svhn" / f"{part}_32x32.mat", compressed)
    data = load_data("svhn", tmp_path)
    assert (data.name, data.shape) == ("svhn", (3, 32, 32))
    assert data.class_names == tuple("0123456789")
    assert torch.equal(data.test.images, torch.from_numpy(IMAGES))
    assert data.test.labels.tolist() == DIGITS.tolist()
    both = torch.cat([data.train.labels, data.validation.labels])
    first = torch.cat([data.train.images, data.validation.images])[:, 0, 0, 0]
    assert sorted(first.tolist()) == list(range(COUNT))
    assert torch.equal(both, first.long() % 10)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"X": None}, "X is missing"),
        ({"y": None}, "y is missing"),
        ({"X": np.zeros((32, 32, 1, COUNT), np.uint8)}, r"X in .* got \(32, 32, 1, 40\) of uint8"),
        ({"X": np.zeros((32, 32, 3, COUNT), np.float32)}, "X in .* of float32"),
        ({"y": np.ones((COUNT - 1, 1), np.uint8)}, r"y in .* \(40, 1\) numbers, .* got \(39, 1\)"),
        ({"y": np.full((COUNT, 1), 0, np.uint8)}, "1 to 10 .* got 0 in row 0"),
        ({"y": np.array([[1]] * 7 + [[11]] + [[1]] * 32, np.uint8)}, "got 11 in row 7"),
        ({"y": np.array([[1]] * 3 + [[2.5]] + [[1]] * 36)}, "got 2.5 in row 3"),
        ({"y": "text"}, "is no array of real numbers"),
        ({"y": np.ones((COUNT, 1)) * 1j}, "is no array of real numbers"),
        ({"y": {"a": 1}}, "is no array of real numbers"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    saved(tmp_path / "train_32x32.mat", **changes)
    with pytest.raises(InputError, match=message) as caught:
        load_svhn(tmp_path)
    assert "train_32x32.mat" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named_with_its_page(tmp_path: Path) -> None:
    saved(tmp_path / "train_32x32.mat")
    with pytest.raises(InputError, match=r"test_32x32.mat is missing: get .* ufldl.stanford.edu/housenumbers"):
        load_svhn(tmp_path)


@pytest.mark.parametrize("compressed", [True, False])
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, compressed: bool) -> None:
    path = saved(tmp_path / "train_32x32.mat", compressed)
    whole = path.read_bytes()
    for length in (*range(0, 300, 7), *np.linspace(300, len(whole) - 1, 30).astype(int)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"train_32x32.mat (cannot be read|must hold)"):
            load_svhn(tmp_path)
    path.write_bytes(whole[:1000])
    with pytest.raises(InputError, match=r"the element at byte 128 ends at \d+, the file at 1000"):
        load_svhn(tmp_path)


def test_a_wrong_type_in_an_element_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """The type of the values lies at byte 184 of an uncompressed file; taking 8 for it crashes the reader itself."""
    path = saved(tmp_path / "train_32x32.mat", compressed=False)
    whole = path.read_bytes()
    assert whole[184] == 2
    for wrong in (0, 8, 14, 15, 20, 255):
        path.write_bytes(whole[:184] + bytes([wrong]) + whole[185:])
        with pytest.raises(InputError, match="element at byte 128 is no array of real numbers"):
            load_svhn(tmp_path)


def test_any_changed_byte_of_the_headers_is_read_or_refused(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    small = {"X": IMAGES[:2].transpose(2, 3, 1, 0), "y": np.array([[1], [10]], np.uint8)}
    for compressed in (True, False):
        path = saved(tmp_path / "train_32x32.mat", compressed, **small)
        whole = path.read_bytes()
        for place in (*range(116, 260), *range(len(whole) - 60, len(whole))):
            changed = bytearray(whole)
            changed[place] = generator.integers(256)
            path.write_bytes(changed)
            with pytest.raises(InputError) as caught:  # at the latest because there is no test file
                load_svhn(tmp_path)
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n" + bytes(200), bytes(5000)])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "train_32x32.mat").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as a MATLAB file"):
        load_svhn(tmp_path)
