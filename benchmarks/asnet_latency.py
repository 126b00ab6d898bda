"""How much faster is one image, and a batch of 64, after VGG-19 is cut at layers 5, 6 and 7?

Rank 50, order 2, all networks taking turns in one loop. Where torch-pruning is installed its uniform pruning to about a
half and a quarter of the multiply-adds runs in the same loop. Structures only: no claim about accuracy is made here.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from _common import arguments, write
from torch import nn

from corank.compress import forecast
from corank.experiment import open_network
from corank.network import Normalised, cost, latencies

BARS = {7: 3.0, 6: 3.9, 5: 5.3}


def main() -> None:
    """Measure and write the numbers."""
    options = arguments(__doc__.splitlines()[0], rank=50, order=2, seconds=60, repeats=300)
    network = open_network("vgg19").network
    example = torch.zeros(2, 3, 32, 32)
    networks: dict[str, nn.Module] = {"original": network}
    for layer in BARS:
        networks[f"cut at {layer}"] = forecast(network, layer, example, rank=options.rank, order=options.order).module
    networks.update(pruned(network))
    rows: list[dict[str, Any]] = []
    for batch in (1, 64):
        found = latencies(networks, torch.rand(batch, 3, 32, 32), seconds=options.seconds, repeats=options.repeats)
        for name, latency in found.items():
            bar = BARS.get(int(name.removeprefix("cut at "))) if batch == 1 and name.startswith("cut") else None
            speedup = found["original"].median_ms / latency.median_ms
            rows.append({"network": name, **latency.row(), "speedup": speedup, "bar": bar,
                         **cost(networks[name], (3, 32, 32)).row()})  # fmt: skip
    write("asnet_latency", __doc__.splitlines()[0], {"setting": vars(options), "rows": rows})


def pruned(network: nn.Module) -> dict[str, nn.Module]:
    """The rival's networks, none where it is not installed."""
    try:
        import torch_pruning
    except ImportError:
        return {}
    assert isinstance(network, Normalised)
    smaller: dict[str, nn.Module] = {}
    for name, ratio in (("torch-pruning 2x", 0.3), ("torch-pruning 4x", 0.5)):
        inner = copy.deepcopy(network.network)
        pruner = torch_pruning.pruner.BasePruner(
            inner,
            torch.zeros(1, 3, 32, 32),
            importance=torch_pruning.importance.MagnitudeImportance(),
            pruning_ratio=ratio,
            ignored_layers=[inner.classifier],
            round_to=8,
        )
        pruner.step()
        smaller[name] = Normalised(inner, network.mean.tolist(), network.std.tolist()).eval()
    return smaller


if __name__ == "__main__":
    main()
