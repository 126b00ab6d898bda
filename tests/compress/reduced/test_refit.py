"""Maps that are fitted to the network's own values."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from corank.compress.reduced.bases import Recorded, measure_bases
from corank.compress.reduced.reduction import Reduced, Reduction
from corank.compress.reduced.refit import refit
from corank.compress.reduced.student import START, DenseLayer, DenseTail
from corank.errors import InputError

from .examples import NAMES, built, example, measured


def errors(
    reduction: Reduction, reduced: Reduced, recorded: Recorded, before: DenseTail
) -> list[tuple[float, float, bool]]:
    """Mean squares of what a refitted map, and the one before, miss of the original from what the former is given.

    With each whether the map could be changed at all.
    """
    network = reduced.network
    *_, values = network.states(recorded.start)
    targets = [source[:, rows] for source, rows in zip(recorded.sources, reduced.inputs, strict=True)]
    found = []
    pairs: list[tuple[DenseLayer, DenseLayer, Tensor]] = []
    for name, target in zip(reduction.names, targets, strict=True):
        layer, old = network.layers[name], before.layers[name]
        assert isinstance(layer, DenseLayer)
        assert isinstance(old, DenseLayer)
        pairs.append((layer, old, target))
    for layer, old, target in (*pairs, (network.output, before.output, recorded.logits)):
        missed, was = (float((target - each.mapped(values)).detach().square().mean()) for each in (layer, old))
        found.append((missed, was, reduction.is_projected or set(layer.maps) != {START}))
    return found


@pytest.mark.parametrize("projected", [None, 3])
@pytest.mark.parametrize("name", NAMES)
def test_no_map_becomes_worse_on_the_samples_it_is_fitted_to(name: str, projected: int | None) -> None:
    tail, bases = measured(example(name))
    ranks = [-(-stage.features // 4) for stage in tail.stages]
    reduction, reduced = built(tail, bases, ranks, rows=1.5, projected=projected)
    before = copy.deepcopy(reduced.network)
    assert bases.recorded is not None
    refit(reduction, reduced, bases.recorded)
    found = errors(reduction, reduced, bases.recorded, before)
    assert all(now <= was * (1 + 1e-9) for now, was, _ in found)
    assert all((now < was) == is_free or was < 1e-20 for now, was, is_free in found)


def test_maps_of_all_of_the_start_alone_stay() -> None:
    tail, bases = measured(example("mlp"))
    reduction, reduced = built(tail, bases, [2, 2])
    before = copy.deepcopy(reduced.network)
    assert bases.recorded is not None
    refit(reduction, reduced, bases.recorded)
    first, second = (
        dict(network.layers[reduction.names[0]].named_parameters()) for network in (before, reduced.network)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_too_few_samples_are_refused() -> None:
    one = example("mlp")
    tail, _ = measured(one)
    bases = measure_bases(tail, one.data, samples=11, record=True)
    assert bases.recorded is not None
    with pytest.raises(
        InputError, match="maps are fitted to at least 10 samples, got 9: give more, or reduce with maps 'interpolated'"
    ):
        refit(*built(tail, bases, [2, 2]), bases.recorded)
