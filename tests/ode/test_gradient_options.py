"""Gradient methods from plain options."""

from __future__ import annotations

import pytest

from corank.errors import InputError
from corank.ode.gradient import IRDM, RDM, Auto, Gradient, Quadrature
from corank.ode.gradient_options import GradientOptions
from corank.ode.interpolation import Chebyshev, Hermite, PiecewiseLinear


@pytest.mark.parametrize(
    ("options", "method"),
    [
        ({}, Auto()),
        ({"loosening": 2.0}, Auto(loosening=2.0)),
        ({"gradient": "irdm"}, IRDM()),
        ({"gradient": "irdm", "nodes": 9, "printed_weights": True},
         IRDM(interpolation=Chebyshev(nodes=9, printed_weights=True))),
        ({"gradient": "irdm", "nodes": 9, "interpolation": "linear"}, IRDM(interpolation=PiecewiseLinear(nodes=9))),
        ({"gradient": "irdm", "interpolation": "hermite", "adjoint_atol": 0.1},
         IRDM(interpolation=Hermite(), atol=0.1)),
        ({"gradient": "rdm", "seminorm": True, "adjoint_rtol": 0.1}, RDM(seminorm=True, rtol=0.1)),
        ({"gradient": "quadrature", "nodes": 33}, Quadrature(nodes=33)),
    ],
)  # fmt: skip
def test_options_make_the_method(options: dict[str, object], method: Gradient) -> None:
    assert GradientOptions(**options).method() == method


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gradient": "guess"}, "guess"),
        ({"nodes": 9}, "gradient auto has no nodes, got 9"),
        ({"gradient": "backprop", "adjoint_rtol": 0.1}, r"gradient backprop has no adjoint_rtol, got 0\.1"),
        ({"gradient": "irdm", "interpolation": "spline"}, "unknown interpolation 'spline'"),
        ({"gradient": "irdm", "interpolation": "hermite", "nodes": 3}, "interpolation hermite has no nodes, got 3"),
        ({"gradient": "irdm", "nodes": 2}, "nodes must be at least 3, got 2"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        GradientOptions(**options)
