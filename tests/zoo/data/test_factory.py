"""A user's function may return a data set, arrays, or training and test; anything else is refused."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from corank.errors import InputError
from corank.zoo.data import load_digits, load_factory

X = torch.rand(60, 1, 4, 4)
Y = np.arange(60) % 3


@pytest.fixture
def module() -> Iterator[types.ModuleType]:
    made = types.ModuleType("made_for_this_test")
    sys.modules[made.__name__] = made
    yield made
    del sys.modules[made.__name__]


def returning(module: types.ModuleType, value: Any) -> str:
    module.make = lambda: value  # type: ignore[attr-defined]
    return "made_for_this_test:make"


def test_a_data_set_is_handed_on(module: types.ModuleType) -> None:
    digits = load_digits()
    assert load_factory(returning(module, digits)) is digits


def test_arrays_are_split_by_the_hash(module: types.ModuleType) -> None:
    data = load_factory(returning(module, (X, Y)))
    assert data.name == "make"
    assert len(data.train) + len(data.validation) + len(data.test) == 60


def test_training_and_test_stay_apart(module: types.ModuleType) -> None:
    data = load_factory(returning(module, ((X, Y), (X[:5] / 2, Y[:5]))))
    assert torch.equal(data.test.images, X[:5] / 2)
    assert len(data.train) + len(data.validation) == 60


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "got NoneType"),
        ((X,), "got tuple of 1"),
        ((X, Y, X), "got tuple of 3"),
        (((X, Y), X), r"test of .* must be a pair \(x, y\), got Tensor"),
        (((X, Y, Y), (X, Y)), r"train of .* got tuple of 3"),
        ((X, Y[:7]), r"y of made_for_this_test:make .*got \(7,\)"),
        (((X, Y), (X, Y - 1)), r"make \(test\): .* got -1 in row 0"),
    ],
)
def test_anything_else_is_refused(module: types.ModuleType, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_factory(returning(module, value))


def test_an_error_of_the_function_itself_keeps_its_traceback(module: types.ModuleType) -> None:
    module.make = lambda: 1 / 0  # type: ignore[attr-defined]
    with pytest.raises(ZeroDivisionError):
        load_factory("made_for_this_test:make")
