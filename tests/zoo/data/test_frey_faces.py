"""Frey faces are read, split and refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from corank.errors import InputError
from corank.zoo.data.frey_faces import load_frey_faces


def test_pictures_are_split_once_and_for_all(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(256, size=(100, 28, 20), dtype=np.uint8)
    np.savez(tmp_path / "freyfaces.npz", x=pictures)
    train, test = load_frey_faces(tmp_path)
    assert train.shape[1:] == (1, 28, 20)
    assert len(train) + len(test) == 100
    assert 5 < len(test) < 40
    assert torch.equal(test, load_frey_faces(tmp_path)[1])
    every = {picture.tobytes() for picture in pictures}
    assert {one.numpy().tobytes() for one in torch.cat([train, test])} == every


def test_wrong_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CORANK_DATA", raising=False)
    with pytest.raises(InputError, match=r"need freyfaces\.npz in the data root"):
        load_frey_faces()
    with pytest.raises(InputError, match=r"need freyfaces\.npz in the data root"):
        load_frey_faces(tmp_path)
    np.savez(tmp_path / "freyfaces.npz", x=np.zeros((3, 20, 28), dtype=np.uint8))
    with pytest.raises(InputError, match=r"bytes \(N, 28, 20\), got uint8 \(3, 20, 28\)"):
        load_frey_faces(tmp_path)
    np.savez(tmp_path / "freyfaces.npz", y=np.zeros(3))
    with pytest.raises(InputError, match="not readable as Frey faces"):
        load_frey_faces(tmp_path)
