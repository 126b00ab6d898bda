"""Data from a user's own function, which returns a data set, arrays, or arrays for training and test."""

from __future__ import annotations

from corank.errors import InputError
from corank.zoo.data.arrays import as_split
from corank.zoo.data.dataset import Dataset, assemble
from corank.zoo.factory import import_factory


def load_factory(spec: str) -> Dataset:
    """What the function named `package.module:function` returns, as a data set.

    It takes no arguments and returns a `Dataset`, a pair `(x, y)` of arrays or tensors, or a pair of such
    pairs for training and test. Splits that are missing are taken by the hash of the index.

    Raises:
        InputError: no such function, or it returns something else.
    """
    made = import_factory(spec)()
    if isinstance(made, Dataset):
        return made
    if not isinstance(made, tuple | list) or len(made) != 2:
        raise InputError(f"{spec} must return a Dataset, (x, y) or (train, test), got {_described(made)}")
    name = spec.split(":")[1]
    if not isinstance(made[0], tuple | list):
        return assemble(name, as_split(spec, *made))
    for title, pair in zip(("train", "test"), made, strict=True):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise InputError(f"{title} of {spec} must be a pair (x, y), got {_described(pair)}")
    return assemble(name, as_split(f"{spec} (train)", *made[0]), test=as_split(f"{spec} (test)", *made[1]))


def _described(value: object) -> str:
    length = f" of {len(value)}" if isinstance(value, tuple | list) else ""
    return f"{type(value).__name__}{length}"
