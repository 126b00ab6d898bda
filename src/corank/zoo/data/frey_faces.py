"""Frey faces: 1,965 grey pictures of one face, 28 by 20 pixels, without classes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from corank.errors import InputError
from corank.zoo.data.dataset import TEST_SHARE, index_hash
from corank.zoo.data.load import DATA_ROOT_VARIABLE
from corank.zoo.data.reason import reason

FILE = "freyfaces.npz"
SHAPE = (28, 20)


def load_frey_faces(data_root: Path | None = None) -> tuple[Tensor, Tensor]:
    """Training and test pictures, bytes `(N, 1, 28, 20)`; a fifth, chosen by a fixed hash of the index, is for tests.

    Args:
        data_root: the folder with `freyfaces.npz`, whose array `x` they are; else the variable CORANK_DATA.

    Raises:
        InputError: no such file, or one that holds something else.
    """
    given = data_root or os.environ.get(DATA_ROOT_VARIABLE)
    if not given or not (file := Path(given).expanduser() / FILE).is_file():
        raise InputError(
            f"Frey faces need {FILE} in the data root (--data-root or {DATA_ROOT_VARIABLE}), got {given!r}"
        )
    try:
        with np.load(file, allow_pickle=False) as arrays:
            pictures = arrays["x"]
    except Exception as error:  # a damaged file fails wherever it is first read
        raise InputError(f"{str(file)!r} is not readable as Frey faces: {reason(error)}") from error
    if pictures.ndim != 3 or pictures.shape[1:] != SHAPE or pictures.dtype != np.uint8:
        raise InputError(f"Frey faces are bytes (N, 28, 20), got {pictures.dtype} {pictures.shape} in {str(file)!r}")
    faces = torch.from_numpy(pictures)[:, None]
    test = index_hash(len(faces)) < TEST_SHARE
    return faces[~test], faces[test]
