from __future__ import annotations

import math

import pytest

from corank.errors import InputError
from corank.report import Tradeoff

GOOD = {"name": "cut", "accuracy": 0.9, "multiply_adds": 10, "storage_bytes": 4, "latency_ms": 1.0}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("accuracy", 98.1), ("accuracy", math.nan), ("accuracy_untuned", -0.1), ("multiply_adds", -1),
        ("storage_bytes", math.inf), ("latency_ms", math.nan),
    ],
)  # fmt: skip
def test_values_without_meaning_are_named(field: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{field} of 'cut' must .* got {value}"):
        Tradeoff(**{**GOOD, field: value})


def test_the_ends_are_allowed() -> None:
    Tradeoff(**{**GOOD, "accuracy": 0.0, "accuracy_untuned": 1.0, "multiply_adds": 0, "latency_ms": None})
