"""MNIST, and the reader of whatever else comes in its IDX files, plain or gzipped.

LeCun et al. 1998, The MNIST database of handwritten digits: two zero bytes, one byte for the type (8: bytes),
one for the number of dimensions, the dimensions as big-endian 32-bit numbers, then the values.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import torch

from corank.errors import InputError
from corank.zoo.data.dataset import Dataset, Split, assemble
from corank.zoo.data.reason import reason

MNIST_SOURCE = "its four -ubyte.gz files from yann.lecun.com/exdb/mnist"
_AGAIN = "get the file again"


def load_mnist(folder: Path) -> Dataset:
    """The four files `{train,t10k}-{images-idx3,labels-idx1}-ubyte[.gz]` of a folder, ten classes.

    Validation is a tenth of the training images, by the hash of the index.

    Raises:
        InputError: a file that is missing or damaged, named with the place of the damage.
    """
    return load_idx(folder, "mnist", tuple(str(digit) for digit in range(10)), MNIST_SOURCE)


def load_idx(folder: Path, name: str, class_names: tuple[str, ...], source: str) -> Dataset:
    """The same four files of another data set.

    Args:
        folder: where they lie.
        name: how results name it.
        class_names: in the order of the labels.
        source: where a missing file is to be had, for messages.

    Raises:
        InputError: a file that is missing or damaged, named with the place of the damage.
    """
    train, test = (_read_split(folder, part, len(class_names), source) for part in ("train", "t10k"))
    return assemble(name, train, test=test, class_names=class_names)


def read_idx(path: Path, dimensions: int) -> torch.Tensor:
    """One IDX file of bytes as a uint8 tensor.

    Args:
        path: the file; gzipped where the name ends in `.gz`.
        dimensions: how many the file must have.

    Raises:
        InputError: another magic number, or more or less data than its header says.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read ({reason(error)}): {_AGAIN}") from error
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise InputError(f"{path} ends at byte {len(content)} of its header of {start}: {_AGAIN}")
    magic, *sizes = struct.unpack_from(f">{1 + dimensions}I", content)
    wanted = 0x800 + dimensions
    if magic != wanted:
        raise InputError(f"{path} must begin with 0x{wanted:08x}, byte 0 has 0x{magic:08x}: {_AGAIN}")
    end = start + math.prod(sizes)
    if len(content) != end:
        raise InputError(f"{path} ends at byte {len(content)}, its header says {end}: {_AGAIN}")
    return torch.from_numpy(np.frombuffer(content, dtype=np.uint8, offset=start).reshape(sizes).copy())


def _read_split(folder: Path, part: str, classes: int, source: str) -> Split:
    image_path = _present(folder, f"{part}-images-idx3-ubyte", source)
    label_path = _present(folder, f"{part}-labels-idx1-ubyte", source)
    images, labels = read_idx(image_path, 3), read_idx(label_path, 1)
    if len(images) != len(labels):
        raise InputError(f"{image_path} has {len(images)} images, {label_path.name} {len(labels)} labels: {_AGAIN}")
    if len(labels) and int(labels.max()) >= classes:
        row = int((labels >= classes).nonzero()[0])
        place = f"{int(labels[row])} in row {row} (byte {8 + row})"
        raise InputError(f"labels in {label_path} must be below {classes}, got {place}: {_AGAIN}")
    return Split(images[:, None], labels.long())


def _present(folder: Path, name: str, source: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise InputError(f"{folder / name} (or the same with .gz) is missing: get {source}")
