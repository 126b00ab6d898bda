from __future__ import annotations

from collections import UserDict

import pytest
import torch
from torch import Tensor

from corank.errors import InputError
from corank.network import Inputs, batch_size, check_inputs, concatenate, described, select, to_device
from corank.network.inputs import in_full_precision, tensors_in

X, Y = torch.arange(12.0).view(4, 3), torch.arange(4)
FORMS: list[Inputs] = [X, (X, Y), {"x": X, "y": Y}, UserDict({"x": X, "y": Y})]


@pytest.mark.parametrize("x", FORMS, ids=["tensor", "tuple", "dict", "user dict"])
def test_parts_of_a_batch_put_together_are_the_batch(x: Inputs) -> None:
    assert batch_size(x) == 4
    check_inputs(x)
    mask = torch.tensor([True, False, True, False])
    for chosen in (mask, torch.tensor([0, 2]), slice(0, None, 2)):
        for whole, part in zip(tensors_in(x), tensors_in(select(x, chosen)), strict=True):
            assert torch.equal(part, whole[::2])
    again = concatenate([select(x, slice(0, 1)), select(x, slice(1, 4))])
    assert type(again) is (dict if isinstance(x, UserDict) else type(x))
    assert all(torch.equal(one, other) for one, other in zip(tensors_in(again), tensors_in(x), strict=True))
    assert all(tensor.device.type == "meta" for tensor in tensors_in(to_device(x, "meta")))


def test_names_stay_with_their_tensors() -> None:
    assert described(select({"x": X, "y": Y}, slice(0, 2))) == "x (2, 3) of torch.float32, y (2,) of torch.int64"


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ("text", "inputs must be a tensor, or a tuple or mapping of tensors, got str"),
        ((X, 3), "inputs must be tensors, got int"),
        ({}, "inputs must be tensors, got an empty dict"),
        ((X, Y[:3]), r"inputs must have one number of samples, got \(4, 3\) of torch.float32, \(3,\) of torch.int64"),
        (torch.tensor(1.0), r"inputs must have one number of samples, got \(\) of torch.float32"),
    ],
)
def test_what_is_no_batch_is_refused(x: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        check_inputs(x)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "batches", [[], [X, (X,)], [(X, Y), (X,)], [{"x": X}, {"z": X}], [X, X[:, :2]], [{"x": X}, (X,)]]
)
def test_batches_of_other_parts_are_not_put_together(batches: list[Inputs]) -> None:
    with pytest.raises(InputError, match=r"at least one batch|the same parts"):
        concatenate(batches)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_full_precision_is_single_or_double(dtype: torch.dtype) -> None:
    values: Tensor = in_full_precision(torch.ones(1, dtype=dtype))
    assert values.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
