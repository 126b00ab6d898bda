"""The 4-layer network has the sizes of the paper."""

from __future__ import annotations

from corank.zoo import build


def test_cnn4_has_the_sizes_of_the_paper() -> None:
    shapes = [tuple(weight.shape) for weight in build("cnn4", classes=10).state_dict().values() if weight.ndim > 1]
    assert shapes == [(20, 1, 5, 5), (50, 20, 5, 5), (500, 800), (10, 500)]
