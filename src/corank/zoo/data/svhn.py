"""The Street View House Numbers, cropped digits, from MATLAB files.

Netzer et al. 2011, Reading Digits in Natural Images with Unsupervised Feature Learning: `X` is `(32, 32, 3, N)` bytes
and `y` is `(N, 1)`, where 1 to 9 are the digits and 10 stands for 0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from corank.errors import InputError
from corank.zoo.data.dataset import Dataset, Split, assemble
from corank.zoo.data.matlab import read_mat

SVHN_SOURCE = "train_32x32.mat and test_32x32.mat from ufldl.stanford.edu/housenumbers"
_AGAIN = "get the file again"


def load_svhn(folder: Path) -> Dataset:
    """`train_32x32.mat` and `test_32x32.mat` of a folder, `(3, 32, 32)`, the classes are the digits 0 to 9.

    Validation is a tenth of the training images, by the hash of the index. The extra training images are not read.

    Raises:
        InputError: a file that is missing, damaged or mislabelled, with the row.
    """
    train, test = (_read_split(folder / f"{part}_32x32.mat") for part in ("train", "test"))
    return assemble("svhn", train, test=test, class_names=tuple(str(digit) for digit in range(10)))


def _read_split(path: Path) -> Split:
    if not path.is_file():
        raise InputError(f"{path} is missing: get {SVHN_SOURCE}")
    arrays = read_mat(path, ("X", "y"))
    images, labels = arrays["X"], arrays["y"]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[:3] != (32, 32, 3):
        raise InputError(f"X in {path} must be (32, 32, 3, N) bytes, got {images.shape} of {images.dtype}: {_AGAIN}")
    if labels.shape not in ((images.shape[3], 1), (1, images.shape[3])) or labels.dtype.kind not in "iuf":
        came = f"{labels.shape} of {labels.dtype}"
        raise InputError(f"y in {path} must be ({images.shape[3]}, 1) numbers, one an image, got {came}: {_AGAIN}")
    digits = labels.reshape(-1)
    wrong = ~np.isin(digits, np.arange(1, 11))
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(f"y in {path} must be 1 to 10 (10 for the digit 0), got {digits[row]} in row {row}: {_AGAIN}")
    pixels = torch.from_numpy(np.ascontiguousarray(images.transpose(3, 2, 0, 1)))
    return Split(pixels, torch.from_numpy(digits.astype(np.int64) % 10))
