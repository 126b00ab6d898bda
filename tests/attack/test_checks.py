from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from corank.attack.checks import (
    check_bounds,
    check_counts,
    check_factors,
    check_positive,
    check_samples,
    check_target,
)
from corank.errors import InputError

from .nets import linear, right


class Training(nn.Sequential):
    """In evaluation mode itself, but not in all its parts."""

    def __init__(self) -> None:
        super().__init__(*linear(dtype=torch.float32), nn.Dropout(0.0))
        self.eval()
        self[2].train()


def test_good_samples_are_let_through_with_the_number_of_classes() -> None:
    network = linear()
    x, y = right(network)
    assert check_samples(network, x, y, (0.0, 1.0)) == 3
    assert check_samples(network, 9 * x, y, None) == 3


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"images": torch.zeros(0, 1, 6, 6), "labels": torch.zeros(0, dtype=torch.long)}, "at least one, got 0 and 0"),
        ({"labels": torch.zeros(3, dtype=torch.long)}, "as many images as labels and at least one, got 2 and 3"),
        ({"images": torch.zeros(2, 1, 6, 6, dtype=torch.uint8)}, "got torch.uint8: convert them with .float()"),
        ({"images": torch.full((2, 1, 6, 6), math.nan)}, "images must be finite"),
        ({"images": torch.full((2, 1, 6, 6), -3e-3)}, "within the bounds 0 to 1, these go from -0.003 to -0.003"),
        ({"bounds": (1.0, 0.0)}, r"bounds must be .* got \(1.0, 0.0\)"),
        ({"bounds": (0.0, math.nan)}, r"bounds must be .* got \(0.0, nan\)"),
        ({"bounds": (0.0, math.inf)}, r"bounds must be .* got \(0.0, inf\)"),
        ({"labels": torch.tensor([0, 3])}, "label 3 is outside 0 .. 2"),
        ({"labels": torch.tensor([0.0, 1.0])}, "labels must be whole numbers"),
        ({"network": linear(dtype=torch.float32).train()}, "in training mode"),
        ({"network": Training()}, "in training mode"),
        ({"network": linear(classes=1, dtype=torch.float32)}, r"logits of shape \(B, classes\), got \(1, 1\)"),
        ({"network": nn.Identity().eval()}, r"logits of shape \(B, classes\), got \(1, 1, 6, 6\)"),
        (
            {"network": linear()},
            "images are torch.float32 and the network's numbers torch.float64",
        ),
    ],
)
def test_what_cannot_be_attacked_is_refused(changed: dict[str, Any], told: str) -> None:
    given: dict[str, Any] = {
        "network": linear(dtype=torch.float32), "images": torch.full((2, 1, 6, 6), 0.5),
        "labels": torch.tensor([0, 1]), "bounds": (0.0, 1.0), **changed,
    }  # fmt: skip
    with pytest.raises(InputError, match=told) as caught:
        check_samples(given["network"], given["images"], given["labels"], given["bounds"])
    assert "\n" not in str(caught.value)


def test_no_bounds_are_bounds() -> None:
    check_bounds(torch.tensor([-1e9]), None)
    check_bounds(torch.tensor([0.0, 1.0]), (0.0, 1.0))


def test_options_out_of_range_are_named() -> None:
    check_counts(steps=1)
    check_positive(step_size=1e-9)
    check_factors(momentum=0.0)
    check_target(None, 3)
    check_target(2, 3)
    for wrong in (0, -1, 2.0, True):
        with pytest.raises(InputError, match=f"steps must be .* got {wrong}"):
            check_counts(steps=wrong)  # type: ignore[arg-type]
    for number in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(InputError, match=f"step_size must be .* got {number}"):
            check_positive(step_size=number)
    for factor in (-0.1, 1.0, math.nan):
        with pytest.raises(InputError, match=f"momentum must be .* got {factor}"):
            check_factors(momentum=factor)
    for target in (-1, 3):
        with pytest.raises(InputError, match=f"target must be a class from 0 to 2, got {target}"):
            check_target(target, 3)
