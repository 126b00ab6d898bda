"""What do all measures of all convolutions of VGG-19 cost, against one forward and backward pass over the images?

Two floors: an ordinary forward and backward pass, as in training but in evaluation mode, and the least that gradients
at the layers need, without those of the parameters. The survey sees the same images once; every fifth takes no part in
the sketches. All take turns; the median of the ratios counts.
"""

from __future__ import annotations

import torch
from _common import arguments, batches, seconds, spread, vgg19_with_data, write
from torch import nn
from torch.nn import functional

from corank.measure import Survey
from corank.zoo import Batches


def ordinary(network: nn.Module, data: Batches) -> None:
    """One forward and one backward pass over all images, with the gradients of all parameters."""
    network.requires_grad_(True).eval()
    for x, y in data:
        functional.cross_entropy(network(x), y, reduction="sum").backward()
    network.zero_grad()


def least(network: nn.Module, data: Batches) -> None:
    """The same back to the output of the first convolution, without gradients of parameters."""
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    kept: list[torch.Tensor] = []
    handle = layers[0].register_forward_hook(lambda module, inputs, output: kept.append(output.requires_grad_()))
    network.requires_grad_(False).eval()
    for x, y in data:
        kept.clear()
        functional.cross_entropy(network(x), y, reduction="sum").backward()
    handle.remove()


def main() -> None:
    """Measure and write the numbers."""
    options = arguments((__doc__ or "").splitlines()[0], samples=4096, batch=64, repeats=3, rank=50)
    network, split, source = vgg19_with_data(options.samples)
    data = batches(split, options.batch)
    survey = Survey(layer=tuple(range(1, 17)), rank=options.rank)
    floors: dict[str, list[float]] = {"ordinary": [], "least": []}
    together = []
    survey.measure(network, batches(split.select(torch.arange(128)), options.batch))  # warm-up
    for _ in range(options.repeats):
        floors["ordinary"].append(seconds(lambda: ordinary(network, data)))
        floors["least"].append(seconds(lambda: least(network, data)))
        together.append(seconds(lambda: survey.measure(network, data)))
        print({name: round(times[-1], 1) for name, times in {**floors, "all": together}.items()}, flush=True)
    found = survey.measure(network, data)
    numbers = {
        "network and data": source, "images": options.samples, "batch": options.batch, "rank": options.rank,
        "pass_seconds": {name: spread(times) for name, times in floors.items()},
        "all_measures_seconds": spread(together),
        "ratio": {
            name: {**spread([ours / floor for ours, floor in zip(together, times, strict=True)]), "bar": 1.6}
            for name, times in floors.items()
        },
        "layers by measure": found.row(), "left out": [skip.reason for skip in found.skipped],
    }  # fmt: skip
    write("all_measures", (__doc__ or "").splitlines()[0], numbers)


if __name__ == "__main__":
    main()
