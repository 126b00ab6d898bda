"""CIFAR-10 and CIFAR-100 as they are distributed: folder or `.tar.gz`, in the binary or in the Python version.

Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images. The binary version has records of one label byte
(CIFAR-100: the superclass, then the class) and 3 x 32 x 32 bytes; the Python version has pickles, which are not run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from corank.errors import InputError
from corank.zoo.data.dataset import Dataset, Split, assemble
from corank.zoo.data.members import read_files
from corank.zoo.data.pickled_arrays import Bytes, read_pickle

CIFAR10_PLACES = (
    *("cifar-10-batches-bin", "cifar-10-binary.tar.gz"),
    *("cifar-10-batches-py", "cifar-10-python.tar.gz"),
)
CIFAR100_PLACES = (
    *("cifar-100-binary", "cifar-100-binary.tar.gz"),
    *("cifar-100-python", "cifar-100-python.tar.gz"),
)
CIFAR10_SOURCE = "cifar-10-binary.tar.gz or cifar-10-python.tar.gz from www.cs.toronto.edu/~kriz/cifar.html"
CIFAR100_SOURCE = "cifar-100-binary.tar.gz or cifar-100-python.tar.gz from www.cs.toronto.edu/~kriz/cifar.html"

_SHAPE = (3, 32, 32)
_PIXELS = 3 * 32 * 32
_AGAIN = "get it again"
_CIFAR10_NAMES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)


@dataclass(frozen=True, kw_only=True)
class _Version:
    """Where one version keeps its images and the names of its classes."""

    train: tuple[str, ...]
    test: str
    names: str

    def files(self) -> tuple[str, ...]:
        return (*self.train, self.test)


@dataclass(frozen=True, kw_only=True)
class _Labels:
    """One labelling of one of the data sets: in the records of the binary version and in the pickles."""

    title: str
    classes: int
    label_bytes: int
    column: int
    key: str
    names_key: str
    known_names: tuple[str, ...]
    binary: _Version
    pickled: _Version


def _hundred(title: str, classes: int, column: int, kind: str) -> _Labels:
    return _Labels(
        title=title,
        classes=classes,
        label_bytes=2,
        column=column,
        key=f"{kind}_labels",
        names_key=f"{kind}_label_names",
        known_names=tuple(str(label) for label in range(classes)),
        binary=_Version(train=("train.bin",), test="test.bin", names=f"{kind}_label_names.txt"),
        pickled=_Version(train=("train",), test="test", names="meta"),
    )


_TEN = _Labels(
    title="cifar10",
    classes=10,
    label_bytes=1,
    column=0,
    key="labels",
    names_key="label_names",
    known_names=_CIFAR10_NAMES,
    binary=_Version(
        train=tuple(f"data_batch_{i}.bin" for i in range(1, 6)), test="test_batch.bin", names="batches.meta.txt"
    ),
    pickled=_Version(train=tuple(f"data_batch_{i}" for i in range(1, 6)), test="test_batch", names="batches.meta"),
)
_FINE = _hundred("cifar100", 100, 1, "fine")
_COARSE = _hundred("cifar100-coarse", 20, 0, "coarse")


def load_cifar10(path: Path) -> Dataset:
    """CIFAR-10, `(3, 32, 32)`, from a folder or archive of either version; validation by the hash of the index.

    Raises:
        InputError: a file that is missing, damaged or mislabelled, with the byte or row.
    """
    return _load(path, _TEN)


def load_cifar100(path: Path, *, coarse: bool = False) -> Dataset:
    """CIFAR-100 with its 100 classes, or with its 20 superclasses.

    Raises:
        InputError: a file that is missing, damaged or mislabelled, with the byte or row.
    """
    return _load(path, _COARSE if coarse else _FINE)


def _load(path: Path, labels: _Labels) -> Dataset:
    versions = (labels.binary, labels.pickled)
    known = {name for version in versions for name in (*version.files(), version.names)}
    members, _ = read_files(path, lambda name: name.name in known)
    found = {name.name: content for name, content in members.items()}
    version = labels.binary if any(name in found for name in labels.binary.files()) else labels.pickled
    missing = next((name for name in version.files() if name not in found), None)
    if missing is not None:
        raise InputError(f"{missing} of {labels.title} is missing in {path}: {_AGAIN}")
    read = _read_records if version is labels.binary else _read_batch
    parts = {name: read(f"{name} in {path}", found[name], labels) for name in version.files()}
    return assemble(
        labels.title,
        _joined([parts[name] for name in version.train]),
        test=_joined([parts[version.test]]),
        class_names=_class_names(path, found, version, labels),
    )


def _joined(parts: list[tuple[Bytes, np.ndarray[Any, Any]]]) -> Split:
    images = np.concatenate([images for images, _ in parts])
    classes = np.concatenate([classes for _, classes in parts])
    return Split(torch.from_numpy(images).reshape(-1, *_SHAPE), torch.from_numpy(classes.astype(np.int64)))


def _read_records(source: str, content: bytes, labels: _Labels) -> tuple[Bytes, np.ndarray[Any, Any]]:
    """Images `(N, 3072)` and labels `(N,)` of the binary version."""
    length = labels.label_bytes + _PIXELS
    count, rest = divmod(len(content), length)
    if rest or not count:
        place = f"the record at byte {count * length} is cut off"
        raise InputError(f"{source} must be a multiple of {length} bytes, got {len(content)}, {place}: {_AGAIN}")
    records = np.frombuffer(content, dtype=np.uint8).reshape(count, length)
    classes = records[:, labels.column]
    wrong = classes >= labels.classes
    if wrong.any():
        row = int(wrong.argmax())
        place = f"{classes[row]} in row {row} (byte {row * length + labels.column})"
        raise InputError(f"labels in {source} must be below {labels.classes}, got {place}: {_AGAIN}")
    return records[:, labels.label_bytes :], classes


def _read_batch(source: str, content: bytes, labels: _Labels) -> tuple[Bytes, np.ndarray[Any, Any]]:
    """Images `(N, 3072)` and labels `(N,)` of the Python version."""
    batch = read_pickle(source, content)
    images, classes = batch.get("data"), batch.get(labels.key)
    if not isinstance(images, np.ndarray) or images.ndim != 2 or images.shape[1] != _PIXELS or not len(images):
        came = images.shape if isinstance(images, np.ndarray) else type(images).__name__
        raise InputError(f"data in {source} must be (N, {_PIXELS}) bytes, got {came}: {_AGAIN}")
    if not isinstance(classes, list) or len(classes) != len(images):
        came = f"{len(classes)}" if isinstance(classes, list) else type(classes).__name__
        raise InputError(f"{labels.key} in {source} must be a list of {len(images)} labels, got {came}: {_AGAIN}")
    for row, label in enumerate(classes):
        if type(label) is not int or not 0 <= label < labels.classes:
            place = f"{str(label)[:40]!r} in row {row}"
            raise InputError(f"labels in {source} must be whole, below {labels.classes}, got {place}: {_AGAIN}")
    return images, np.array(classes)


def _class_names(path: Path, found: Mapping[str, bytes], version: _Version, labels: _Labels) -> tuple[str, ...]:
    if version.names not in found:
        return labels.known_names
    source, content = f"{version.names} in {path}", found[version.names]
    if version is labels.binary:
        names: object = [line for line in content.decode("latin-1").splitlines() if line.strip()]
    else:
        names = read_pickle(source, content).get(labels.names_key)
    if not isinstance(names, list) or len(names) != labels.classes:
        came = str(len(names)) if isinstance(names, list) else type(names).__name__
        raise InputError(f"{source} must name {labels.classes} classes, got {came}: {_AGAIN}")
    return tuple(_texts(names))


def _texts(names: list[Any]) -> Iterator[str]:
    for name in names:
        yield (name.decode("latin-1") if isinstance(name, bytes) else str(name)).strip()
