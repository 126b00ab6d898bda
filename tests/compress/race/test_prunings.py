"""What narrow networks cost, told without making or running them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from corank.compress.pruning import pruning_path
from corank.compress.race.prunings import Way
from corank.network import Cost, GraphNetwork, capture, cost

from ...network import architectures

COUNTED = {"functional": True, "shared": True, "bottleneck": True, "depthwise": True, "unet": False}


@pytest.mark.parametrize("name", COUNTED)
def test_a_narrow_network_costs_what_is_counted_on_it(name: str) -> None:
    made = architectures.build(name)
    x = made.batch(2)
    counted: list[Any] = []

    def count(network: GraphNetwork) -> Cost:
        counted.append(network)
        return cost(network, made.shape, x.dtype)

    path = pruning_path(capture(made.network, x), x, multiple=1)
    way = Way(SimpleNamespace(example=x, cost=count), path)  # type: ignore[arg-type]
    widths = path.widths[:: max(1, len(path.widths) // 4)]
    for some in widths:
        assert way.cost(some) == cost(way.network(some), made.shape, x.dtype), some
    assert len(counted) == (1 if COUNTED[name] else 1 + len(widths))
