"""Results without a network behind them, of every shape that a figure may meet, and the browser."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from corank.measure import ActiveLayer, ActiveNeurons, ActiveSubspaces
from corank.result import Interval
from tests.chromium import browser, open_page

__all__ = ["browser", "open_page"]

ENERGY, NORM = Interval(3, 5), Interval(2, 2)
Measured = Callable[..., ActiveSubspaces]


@pytest.fixture
def measured() -> Measured:
    """`measured(layers, directions, ...)` makes a result with geometric spectra."""
    return make


def make(
    layers: int = 4,
    directions: int = 12,
    *,
    width: int = 512,
    decay: float = 0.6,
    uncertainty: float = 1e-3,
    energy: Interval = ENERGY,
    norm: Interval = NORM,
    held_out: bool = True,
    name: str = "features.{}",
) -> ActiveSubspaces:
    def layer(place: int) -> ActiveLayer:
        eigenvalues = tuple(decay ** (k * (1 + place / layers)) for k in range(directions))
        trace = sum(eigenvalues) * 1.1
        captured = tuple(sum(eigenvalues[: k + 1]) / trace for k in range(directions)) if held_out else ()
        return ActiveLayer(
            layer=name.format(place),
            index=place,
            width=width,
            samples=4096,
            sketch_size=2 * directions,
            active_neurons=ActiveNeurons(energy=energy, norm=norm),
            captured=0.9,
            captured_heldout=captured[-1] if captured else math.nan,
            captured_heldout_by_rank=captured,
            eigenvalues=eigenvalues,
            uncertainty=uncertainty,
            mean_squared_gradient=trace,
            directions=torch.eye(directions, max(width, directions)),
        )

    return ActiveSubspaces(
        layers=tuple(layer(place) for place in range(layers)),
        rank=directions,
        epsilon=0.05,
        samples=4096,
        samples_heldout=1000 if held_out else 0,
    )
