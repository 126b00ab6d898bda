"""Data by a single text: a name of the zoo, a path, or a function of the user's."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from corank.errors import InputError, near
from corank.zoo.data.arrays import load_arrays
from corank.zoo.data.dataset import Dataset
from corank.zoo.data.digits import load_digits
from corank.zoo.data.factory import load_factory
from corank.zoo.data.folder import ARCHIVES, is_folder_or_archive, load_folder
from corank.zoo.data.mnist import load_mnist
from corank.zoo.factory import is_factory

DATA_ROOT_VARIABLE = "CORANK_DATA"


@dataclass(frozen=True)
class _Stored:
    location: str
    read: Callable[[Path], Dataset]


_STORED = {
    "mnist": _Stored("mnist", load_mnist),
    "cifar10-jpeg": _Stored("cifar10-jpeg.tar.xz", lambda path: load_folder(path, "cifar10-jpeg")),
}


def data_names() -> tuple[str, ...]:
    """The names that `load_data` knows.

    Example:
        >>> data_names()
        ('digits', 'mnist', 'cifar10-jpeg')
    """
    return ("digits", *_STORED)


def load_data(spec: str, data_root: Path | None = None) -> Dataset:
    """A data set in memory.

    Args:
        spec: a name of `data_names()`; a folder of class folders of images or its archive; an `.npz` with `x`
            and `y`; or `package.module:function`.
        data_root: the folder with the named data; by default the environment variable CORANK_DATA.

    Raises:
        InputError: nothing is known by that text, files are missing (with where they are wanted) or damaged.

    Example:
        >>> load_data("digits").name
        'digits'
    """
    if spec == "digits":
        return load_digits()
    if spec in _STORED:
        return _from_root(spec, data_root)
    path = Path(spec).expanduser()
    if path.exists():
        return _from_path(path)
    if is_factory(spec):
        return load_factory(spec)
    if "/" in spec or os.sep in spec or spec.endswith((".npz", *ARCHIVES)):
        raise InputError(f"no data at {spec}: name an existing folder, archive or .npz")
    raise InputError(f"unknown data {spec!r} (no such path either): {near(spec, data_names())}")


def _from_root(name: str, data_root: Path | None) -> Dataset:
    stored = _STORED[name]
    given = data_root or os.environ.get(DATA_ROOT_VARIABLE)
    if not given:
        how = f"pass the data root (--data-root) or set {DATA_ROOT_VARIABLE}"
        raise InputError(f"{name} needs the folder that holds {stored.location}: {how}")
    path = Path(given).expanduser() / stored.location
    if not path.exists():
        how = f"pass the data root (--data-root) or set {DATA_ROOT_VARIABLE} to the folder that holds it"
        raise InputError(f"{name} is wanted at {path}, nothing is there: {how}")
    return stored.read(path)


def _from_path(path: Path) -> Dataset:
    if path.suffix == ".npz":
        return load_arrays(path)
    if is_folder_or_archive(path):
        return load_folder(path)
    raise InputError(f"data must be a folder, {', '.join(ARCHIVES)} or .npz, got {path}")
