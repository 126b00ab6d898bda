"""The cost of a network as rows: the whole, and the parts of its ASNet where it is cut."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from corank.compress import forecast
from corank.errors import InputError
from corank.experiment.compressing import LATENCY_BATCHES, timed
from corank.experiment.networks import Opened
from corank.network import Layer, cost


def cost_of(
    opened: Opened, layer: Layer | None, *, rank: int = 50, order: int = 2, latency: bool = True, seconds: float = 2.0
) -> dict[str, Any]:
    """The accounts of a network and, where a layer is named, of the network cut there.

    Args:
        opened: the network.
        layer: where to cut; None counts the whole network only.
        rank: directions kept at the cut.
        order: of the polynomial.
        latency: whether to measure it.
        seconds: about how long one batch size is measured.

    Returns:
        `network` and, for a cut, `pre`, `head` and `overall`, each with `parameters`, `storage_mb` and
        `multiply_adds_millions`; the latencies, a row a batch size, at `network` and `overall`.

    Raises:
        InputError: a place that cannot be cut, or a rank larger than the layer.
    """
    for name, value, least in (("rank", rank, 1), ("order", order, 0)):
        if value < least:
            raise InputError(f"{name} must be at least {least}, got {value}")
    example = torch.zeros(2, *opened.origin.shape, dtype=getattr(torch, opened.origin.dtype))
    networks: dict[str, nn.Module] = {"network": opened.network}
    if layer is None:
        found: dict[str, Any] = {"network": cost(opened.network, opened.origin.shape, example.dtype).row()}
    else:
        cut = forecast(opened.network, layer, example, rank=rank, order=order)
        parts = {name: getattr(cut, name).row() for name in ("network", "pre", "head", "overall")}
        found = {"layer": cut.layer, "features": cut.features, "rank": rank, "order": order, **parts}
        networks["overall"] = cut.module
    for batch in LATENCY_BATCHES if latency else ():
        for name, row in timed(networks, example, batch, seconds).items():
            found[name].setdefault("latency", []).append(row.row())
    return {"name": opened.origin.name, **found}
