"""What every measure and every compressor keeps to, whatever it does."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from functools import cache
from typing import Any, TypeVar, get_args, get_type_hints

import pytest
import torch
from torch import Tensor

from corank.errors import InputError
from corank.result import Result

from .methods import (
    COMPRESSORS,
    MEASURES,
    METHODS,
    READ_NO_DATA,
    Data,
    Snapshot,
    data,
    leaves,
    lively,
    numeric_options,
    result_of,
    smallest,
    timeless,
)


@pytest.fixture(params=list(METHODS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@cache
def shared(name: str) -> Any:
    """A result, once for all tests that only look at it."""
    return result_of(name, lively(), data())


def test_the_rooms_are_not_empty() -> None:
    assert "active-subspace" in MEASURES
    assert "asnet" in COMPRESSORS


def test_a_method_is_a_frozen_dataclass_whose_options_are_described(name: str) -> None:
    method, verb = METHODS[name]
    assert dataclasses.is_dataclass(method)
    assert method.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert all(field.kw_only for field in dataclasses.fields(method))
    told = "".join(kind.__doc__ or "" for kind in method.__mro__ if kind is not object)
    for field in dataclasses.fields(method):
        assert f"{field.name}:" in told, f"the option {field.name} is not described"
    with pytest.raises(dataclasses.FrozenInstanceError):
        smallest(method).anything = None
    assert issubclass(type_returned(method, verb), Result)


def type_returned(method: type, verb: str) -> type:
    """As the verb says, or the base of the method where that leaves it open."""
    told = get_type_hints(getattr(method, verb))["return"]
    return get_args(method.__orig_bases__[0])[0] if isinstance(told, TypeVar) else told  # type: ignore[attr-defined]


def test_the_network_comes_back_as_it_was(name: str) -> None:
    network = lively()
    before = Snapshot.of(network)
    result_of(name, network, data())
    assert Snapshot.of(network) == before


class Failing:
    """Batches of which the last raises an error instead of being there."""

    def __init__(self, error: BaseException, after: int) -> None:
        self.error = error
        self.after = after

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        yield from data()[: self.after]
        raise self.error


def label_out_of_range() -> Data:
    x, y = data()[3]
    return [*data(), (x, torch.full_like(y, 4))]


def not_finite() -> Data:
    x, y = data()[3]
    return [*data(), (x / 0.0, y)]


def of_another_shape() -> Data:
    x, y = data()[3]
    return [*data(), (x[:, :, :3], y)]


@pytest.mark.parametrize("spoilt", [label_out_of_range, not_finite, of_another_shape])
def test_bad_data_are_refused_in_one_line_and_leave_no_trace(name: str, spoilt: Any) -> None:
    if name in READ_NO_DATA:
        pytest.skip("the method reads no data")
    network = lively()
    before = Snapshot.of(network)
    with pytest.raises(InputError, match="batch 4") as caught:
        result_of(name, network, spoilt())
    assert "\n" not in str(caught.value)
    assert Snapshot.of(network) == before


@pytest.mark.parametrize("error", [OSError("the disk is gone"), KeyboardInterrupt("enough")])
def test_an_interruption_leaves_no_trace(name: str, error: BaseException) -> None:
    for after in (0,) if name in READ_NO_DATA else (0, 1, 3):
        network = lively()
        before = Snapshot.of(network)
        with pytest.raises(type(error), match=str(error)):
            result_of(name, network, Failing(error, after))
        assert Snapshot.of(network) == before


def test_every_number_of_a_result_is_finite(name: str) -> None:
    found = list(leaves(shared(name)))
    numbers = [leaf for leaf in found if isinstance(leaf, int | float)]
    tensors = [leaf for leaf in found if isinstance(leaf, Tensor)]
    assert len(numbers) >= 3
    assert all(math.isfinite(number) for number in numbers)
    assert all(bool(torch.isfinite(tensor).all()) for tensor in tensors)


def test_the_same_data_give_the_same_result_whatever_chance_does_elsewhere(name: str) -> None:
    one = shared(name)  # under another seed
    torch.manual_seed(1)
    state = torch.get_rng_state()
    two = result_of(name, lively(), data())
    assert torch.equal(torch.get_rng_state(), state)
    assert timeless(one.to_dict()) == timeless(two.to_dict())
    tensors = [[leaf for leaf in leaves(result) if isinstance(leaf, Tensor)] for result in (one, two)]
    assert all(torch.equal(a, b) for a, b in zip(*tensors, strict=True))


def test_a_result_is_a_row_a_dictionary_and_a_text(name: str) -> None:
    result = shared(name)
    row = result.row()
    assert row
    assert all(isinstance(key, str) for key in row)
    assert all(value is None or isinstance(value, str | int | float) for value in row.values())
    made = result.to_dict()
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert str(result)
    assert "\n" not in str(result)


def test_an_option_out_of_range_is_refused_at_once_with_its_value(name: str) -> None:
    method, _ = METHODS[name]
    numeric = numeric_options(method)
    if not numeric:
        pytest.skip("the method has no options that are numbers")
    for option, kind in numeric.items():
        for wrong in (-1,) if kind is int else (-1.0, math.nan, math.inf):
            with pytest.raises(InputError, match=rf"{option}\b.* got {wrong}$") as caught:
                smallest(method, **{option: wrong})
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize("layer", ["no.such.layer", 77, -1])
def test_a_layer_that_is_not_there_is_named(name: str, layer: Any) -> None:
    method, _ = METHODS[name]
    if "layer" not in {field.name for field in dataclasses.fields(method)}:
        pytest.skip("the method asks for no layer")
    with pytest.raises(InputError, match=str(layer)):
        result_of(name, lively(), data(), layer=layer)


def test_data_that_run_out_are_refused(name: str) -> None:
    for wrong in ([], iter(data()), [(torch.rand(3, 1, 4, 4),)], [torch.rand(3, 1, 4, 4)]):
        with pytest.raises(InputError):
            result_of(name, lively(), wrong)
