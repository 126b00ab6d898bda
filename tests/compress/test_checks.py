"""Checks of options: what they let through, and what a refusal says."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn

from corank.compress.checks import (
    check_at_least,
    check_between,
    check_idle,
    check_one_of,
    check_positive,
    check_precision,
)
from corank.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Options:
    layer: str
    rank: int = 2
    rate: float = 0.1


def test_what_is_at_an_end_of_its_range_passes() -> None:
    check_at_least(1, rank=1, samples=None, weight=1.0)
    check_between(0, 1, low=0.0, high=1)  # by the names of the bounds
    check_positive(rate=5e-324)
    check_one_of(("l1", None), one=None, other="l1")
    check_idle(Options(layer="1", rank=3), {"rate": "rank 3", "unknown": "anything"})
    check_precision(nn.Linear(2, 2).double(), "a thing")


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (lambda: check_at_least(0, order=0, epochs=-1), "epochs must be at least 0, got -1"),
        (lambda: check_at_least(0, weight=-0.5), "weight must be at least 0 and finite, got -0.5"),
        (lambda: check_at_least(0, weight=math.inf), "weight must be at least 0 and finite, got inf"),
        (lambda: check_at_least(0, weight=math.nan), "weight must be at least 0 and finite, got nan"),
        (lambda: check_between(1, 2, rows=0.9), "rows must be between 1 and 2, got 0.9"),
        (lambda: check_between(1, 2, rows=2.1), "rows must be between 1 and 2, got 2.1"),
        (lambda: check_between(0, 1, beta=math.nan), "beta must be between 0 and 1, got nan"),
        (lambda: check_positive(rate=0.0), "rate must be positive and finite, got 0.0"),
        (lambda: check_positive(rate=math.inf), "rate must be positive and finite, got inf"),
        (lambda: check_positive(rate=math.nan), "rate must be positive and finite, got nan"),
        (lambda: check_one_of(("l1", None), one="l2"), "one must be one of l1, None, got 'l2'"),
        (
            lambda: check_idle(Options(layer="1", rank=3, rate=0.2), {"rate": "rank 3"}),
            "rate 0.2 has no effect with rank 3: leave it out",
        ),
        (
            lambda: check_precision(nn.Linear(2, 2).to(torch.float16), "a thing"),
            "a thing needs a network in torch.float32 or torch.float64, got torch.float16 in weight: convert it by "
            "network.float()",
        ),
    ],
)
def test_what_is_refused_is_named_with_what_came(check: Callable[[], Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        check()
    assert str(caught.value) == said
