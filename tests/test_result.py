from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from corank.result import Interval, Result, Scalar, jsonable

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
NESTED = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@dataclass(frozen=True, kw_only=True)
class Found(Result):
    name: str
    count: Interval
    values: torch.Tensor
    share: float
    inner: Result | None = None
    picture: object = field(default=None, metadata={"json": False})

    def row(self) -> dict[str, Scalar]:
        return {"name": self.name, "share": self.share, "known": self.count.high is not None}


def found(**changed: Any) -> Found:
    values = {"name": "conv1", "count": Interval(2, None), "values": torch.tensor([1.5, -2.0]), "share": 0.123456}
    return Found(**{**values, **changed})


@given(NESTED)
def test_what_json_holds_stays_as_it_is(value: Any) -> None:
    assert jsonable(value) == value
    assert json.loads(json.dumps(jsonable(value))) == value


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("wrap", [float, np.float32, np.float64, torch.tensor, lambda value: torch.tensor([[value]])])
def test_numbers_that_json_has_no_word_for_become_null(value: float, wrap: Any) -> None:
    text = json.dumps(jsonable({"x": wrap(value)}), allow_nan=False)
    assert text in ('{"x": null}', '{"x": [[null]]}')


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (torch.arange(4, dtype=torch.int16).reshape(2, 2), [[0, 1], [2, 3]]),
        (torch.tensor(2.0, dtype=torch.bfloat16), 2.0),
        (np.array([True, False]), [True, False]),
        (np.int64(7), 7),
        (np.float32(0.5), 0.5),
        ((1, {2: "b"}), [1, {"2": "b"}]),
        (frozenset({3}), [3]),
        (Interval(1, None), {"low": 1, "high": None}),
        (Path("a") / "b", "a/b"),
        (torch.zeros(0), []),
    ],
)
def test_every_kind_of_value_has_its_form(value: Any, expected: Any) -> None:
    made = jsonable(value)
    assert made == expected
    assert type(made) is type(expected)


def test_what_has_no_form_is_refused_by_its_type() -> None:
    with pytest.raises(TypeError, match="Generator has no JSON form"):
        jsonable({"chance": [torch.Generator()]})
    with pytest.raises(TypeError, match="type has no JSON form"):
        jsonable(Interval)


def test_a_result_becomes_a_dictionary_of_all_but_what_is_left_out() -> None:
    made = found(inner=found(name="inner"), picture=object()).to_dict()
    assert list(made) == ["name", "count", "values", "share", "inner"]
    assert made["count"] == {"low": 2, "high": None}
    assert made["values"] == [1.5, -2.0]
    assert made["inner"]["name"] == "inner"
    assert "picture" not in made["inner"]
    assert json.loads(json.dumps(made)) == made


def test_a_result_is_frozen_and_named() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        found().name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        Found("conv1")  # type: ignore[call-arg, misc]


def test_a_result_without_a_row_cannot_be_made() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Rowless(Result):
        name: str

    with pytest.raises(TypeError, match="row"):
        Rowless(name="x")  # type: ignore[abstract]


def test_its_text_is_its_row_in_short() -> None:
    assert str(found()) == "name conv1, share 0.1235, known False"


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [(3, 5, "3-5"), (4, 4, "4"), (3, None, ">= 3"), (None, 5, "<= 5"), (None, None, "unknown"), (0, 0, "0")],
)
def test_an_interval_reads_as_one(low: int | None, high: int | None, text: str) -> None:
    assert str(Interval(low, high)) == text
