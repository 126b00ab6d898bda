"""Data by a single text: a name of the zoo, a path, or a function of the user's."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from corank.errors import InputError, near
from corank.zoo.data.arrays import load_arrays
from corank.zoo.data.cifar import (
    CIFAR10_PLACES,
    CIFAR10_SOURCE,
    CIFAR100_PLACES,
    CIFAR100_SOURCE,
    load_cifar10,
    load_cifar100,
)
from corank.zoo.data.dataset import Dataset
from corank.zoo.data.digits import load_digits
from corank.zoo.data.factory import load_factory
from corank.zoo.data.fashion_mnist import FASHION_SOURCE, load_fashion_mnist
from corank.zoo.data.folder import ARCHIVES, is_folder_or_archive, load_folder
from corank.zoo.data.mnist import MNIST_SOURCE, load_mnist
from corank.zoo.data.subset import only_classes, split_spec
from corank.zoo.data.svhn import SVHN_SOURCE, load_svhn
from corank.zoo.data.synthetic import Gaussians, Hypercube, Subspace
from corank.zoo.factory import is_factory

DATA_ROOT_VARIABLE = "CORANK_DATA"


@dataclass(frozen=True)
class _Stored:
    """Data under the data root: the places where it is looked for, how it is read, and where it is to be had."""

    places: tuple[str, ...]
    read: Callable[[Path], Dataset]
    source: str


_SYNTHETIC: dict[str, Callable[[], Dataset]] = {
    "synthetic-gaussians": Gaussians().dataset,
    "synthetic-subspace": Subspace().dataset,
    "synthetic-hypercube": Hypercube().dataset,
}
_STORED = {
    "mnist": _Stored(("mnist",), load_mnist, MNIST_SOURCE),
    "fashion-mnist": _Stored(("fashion-mnist",), load_fashion_mnist, FASHION_SOURCE),
    "cifar10": _Stored(CIFAR10_PLACES, load_cifar10, CIFAR10_SOURCE),
    "cifar10-jpeg": _Stored(
        ("cifar10-jpeg.tar.xz",),
        lambda path: load_folder(path, "cifar10-jpeg"),
        "an archive of {train,test}/<class>/<n>.jpg with the images of CIFAR-10 as JPEG",
    ),
    "cifar100": _Stored(CIFAR100_PLACES, load_cifar100, CIFAR100_SOURCE),
    "cifar100-coarse": _Stored(CIFAR100_PLACES, partial(load_cifar100, coarse=True), CIFAR100_SOURCE),
    "svhn": _Stored(("svhn",), load_svhn, SVHN_SOURCE),
}


def data_names() -> tuple[str, ...]:
    """The names that `load_data` knows.

    Example:
        >>> data_names()[:4]
        ('digits', 'mnist', 'fashion-mnist', 'cifar10')
    """
    return ("digits", *_STORED, *_SYNTHETIC)


def load_data(spec: str, data_root: Path | None = None) -> Dataset:
    """A data set in memory.

    Args:
        spec: a name of `data_names()`; a folder of class folders of images or its archive; an `.npz` with `x`
            and `y`; or `package.module:function`. Any of them may be followed by classes in brackets, `mnist[1,7]` or
            `cifar10[cat,dog]`: only these are kept and become the labels 0, 1, ... in the order given. Classes go by
            name, or by the number of the label where no class has that name, and `cifar10[cat+dog,ship]` makes one of
            two; a path that exists is always a path.
        data_root: the folder with the named data; by default the environment variable CORANK_DATA.

    Raises:
        InputError: nothing is known by that text, files are missing (with where they are wanted and are to be had)
            or damaged, or a class is not there.

    Example:
        >>> load_data("digits").name, load_data("digits[1,7]").class_names
        ('digits', ('1', '7'))
    """
    if spec == "digits":
        return load_digits()
    if spec in _SYNTHETIC:
        return _SYNTHETIC[spec]()
    if spec in _STORED:
        return _from_root(spec, data_root)
    path = Path(spec).expanduser()
    if path.exists():
        return _from_path(path)
    subset = split_spec(spec)
    if subset is not None:
        whole, classes = subset
        return only_classes(load_data(whole, data_root), classes)
    if is_factory(spec):
        return load_factory(spec)
    if "/" in spec or os.sep in spec or spec.endswith((".npz", *ARCHIVES)):
        raise InputError(f"no data at {spec}: name an existing folder, archive or .npz")
    raise InputError(f"unknown data {spec!r} (no such path either): {near(spec, data_names(), limit=6)}")


def _from_root(name: str, data_root: Path | None) -> Dataset:
    stored = _STORED[name]
    given = data_root or os.environ.get(DATA_ROOT_VARIABLE)
    wanted, *others = stored.places
    how = f"pass the data root (--data-root) or set {DATA_ROOT_VARIABLE}"
    if not given:
        raise InputError(f"{name} needs the folder that holds {wanted} (get {stored.source}): {how}")
    root = Path(given).expanduser()
    for place in stored.places:
        if (root / place).exists():
            return stored.read(root / place)
    instead = f" (or {', '.join(others)} there)" if others else ""
    raise InputError(
        f"{name} is wanted at {root / wanted}{instead}, nothing is there: get {stored.source}; or {how} "
        "to the folder that holds it"
    )


def _from_path(path: Path) -> Dataset:
    if path.suffix == ".npz":
        return load_arrays(path)
    if is_folder_or_archive(path):
        return load_folder(path)
    raise InputError(f"data must be a folder, {', '.join(ARCHIVES)} or .npz, got {path}")
