"""Errors on held-out samples, against formulas, and their bounds."""

from __future__ import annotations

import math

import pytest
import torch

from corank.compress.reduced.accounts import reduced_layers
from corank.compress.reduced.assessment import assess
from corank.compress.reduced.bases import measure_bases
from corank.compress.reduced.reduction import Reduction
from corank.linalg.row_selection import Method

from .examples import NAMES, built, example, measured

ROUNDING = 1e-9  # of sums of squares in float64


@pytest.mark.parametrize(
    ("name", "method"), [*((name, "maxvol") for name in NAMES), ("vgg", "volume"), ("vgg", "gappy-pod-e")]
)
def test_interpolation_is_no_worse_than_its_constant_allows(name: str, method: Method) -> None:
    tail, bases = measured(example(name))
    for divisor, rows in ((2, 1.5), (5, 1.0), (5, 2.0)):
        ranks = [-(-stage.features // divisor) for stage in tail.stages]
        reduction = Reduction(tail, bases, ranks)
        reduced = reduction.build(reduction.shape.sized(ranks, rows=rows, multiple=1), selection=method)
        layers = reduced_layers(tail, bases, reduced, assess(reduction, reduced, bases))
        for layer in layers:
            assert layer.projection_error <= layer.interpolation_error * (1 + ROUNDING) + ROUNDING
            assert layer.interpolation_error <= layer.bound * (1 + ROUNDING) + ROUNDING
            assert layer.bound == layer.constant * layer.projection_error
            if method == "maxvol":
                assert layer.constant <= layer.constant_a_priori * (1 + ROUNDING)
                assert layer.bound <= layer.bound_a_priori * (1 + ROUNDING)
        beginning = [place for place, read in enumerate(reduction.sources[:-1]) if read == (-1,)]
        for place in beginning:  # from the true start their features are the true ones
            assert layers[place].propagated_error == pytest.approx(
                layers[place].interpolation_error, rel=1e-6, abs=1e-9
            )


def test_errors_are_those_of_the_formulas() -> None:
    one = example("mlp")
    tail, bases = measured(one)
    reduction, reduced = built(tail, bases, [3, 2], rows=1.5)
    found = assess(reduction, reduced, bases)
    is_held = torch.arange(len(one.x)) % 5 == 4
    x, y = one.x[is_held], torch.cat([labels for _, labels in one.data])[is_held]
    *_, states = reduced.network.states(x)
    for place, (errors, end) in enumerate(zip(found.layers, (2, 4), strict=True)):
        z = one.network[:end](x).detach()  # type: ignore[index]
        basis = bases.layers[place].vectors[: reduced.sizes[place].rank].T
        rows = reduced.selections[place].rows
        inverse = torch.linalg.pinv(basis[rows])
        small = reduced.network.layers[reduction.names[place]](states).detach()
        for error, value in (
            (errors.projection, z @ basis @ basis.T),
            (errors.interpolation, z[:, rows] @ (basis @ inverse).T),
            (errors.propagated, small @ (basis @ inverse).T),
        ):
            assert error == pytest.approx(float((z - value).norm() / z.norm()), rel=ROUNDING)
    classes, original = reduced.network(x).argmax(1), one.network(x).argmax(1)
    assert found.agreement == pytest.approx(float((classes == original).double().mean()))
    assert found.accuracy == pytest.approx(float((classes == y).double().mean()))
    assert found.accuracy_original == pytest.approx(float((original == y).double().mean()))


def test_without_held_out_samples_nothing_is_claimed() -> None:
    one = example("mlp")
    tail, _ = measured(one)
    bases = measure_bases(tail, one.data, samples=4)
    reduction, reduced = built(tail, bases, [2, 2])
    found = assess(reduction, reduced, bases)
    assert math.isnan(found.agreement)
    assert math.isnan(found.layers[0].projection)


def test_a_layer_knows_its_spectrum_and_its_ranks() -> None:
    one = example("vgg")
    tail, bases = measured(one)
    reduction, reduced = built(tail, bases, [5, 4, 3], rows=1.5)
    first, second, _ = reduced_layers(tail, bases, reduced, assess(reduction, reduced, bases))
    assert (first.layer, first.index, first.features, first.rank, first.rows, first.width) == ("3", 1, 48, 5, 8, 72)
    assert (second.layer, second.index, second.features, second.rank, second.rows, second.width) == (
        "7",
        2,
        16,
        4,
        6,
        24,
    )
    values = torch.tensor(first.singular_values).square()
    assert first.energy == pytest.approx(float(values[:5].sum() / values.sum()))
    assert first.rank_energy is not None
    assert float(values[: first.rank_energy].sum() / values.sum()) >= 0.99
    assert float(values[: first.rank_energy - 1].sum() / values.sum()) < 0.99
    assert first.constant == pytest.approx(reduced.selections[0].constant)
    assert first.constant_a_priori == pytest.approx(math.sqrt(1 + (48 - 8) * 5 / (8 + 1 - 5)))
