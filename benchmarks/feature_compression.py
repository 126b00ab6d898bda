"""What do the compressed features of 10,000 inputs at 11 points of their paths cost, against the same passes alone?

The floor sends as many images of the same shape, in batches of the same size, forward and back to the input through
the convolutional network of the paper for MNIST. Both take turns, 1,000 inputs each; the median of the ratios counts.
Timing does not depend on what the network learnt: end points are images of MNIST where it is found, random ones
elsewhere, and their classes are what the network says.
"""

from __future__ import annotations

import os
from functools import partial

import torch
from _common import arguments, seconds, spread, write
from torch import Tensor, nn

from corank.measure import Pairs, feature_compression
from corank.zoo import Batches, build, load_data

BAR = 1.3


def images(count: int) -> tuple[Tensor, str]:
    """So many images, and where they come from."""
    if os.environ.get("CORANK_DATA"):
        return next(iter(Batches(load_data("mnist").test, count)))[0], "images of MNIST"
    return torch.rand(count, 1, 28, 28, generator=torch.Generator().manual_seed(0)), "random images"


def alone(network: nn.Module, x: Tensor, batches: int) -> None:
    """Forward and back to the input, so many times."""
    for _ in range(batches):
        leaf = x.detach().requires_grad_()
        logits = network(leaf)
        torch.autograd.grad((logits[:, 0] - logits[:, 1]).sum(), leaf)


def main() -> None:
    """Measure and write the numbers."""
    options = arguments((__doc__ or "").splitlines()[0], inputs=10_000, block=1_000, points=11, batch=256, repeats=3)
    network = build("cnn_fc", classes=10, generator=torch.Generator().manual_seed(0)).eval()
    x, source = images(options.inputs)
    with torch.no_grad():
        classes = torch.cat([network(some).argmax(1) for some in x.split(options.batch)])
    ends, classes_there = x.roll(1, 0), classes.roll(1)
    other = torch.where(classes_there == classes, (classes + 1) % 10, classes_there)
    columns = zip(*(each.split(options.block) for each in (x, ends, classes, other)), strict=True)
    blocks = [Pairs(starts=a, ends=b, start_classes=c, end_classes=d) for a, b, c, d in columns]
    a_batch = options.batch // options.points
    some = x[:a_batch].repeat(options.points, 1, 1, 1)
    alone(network, some, 2)
    times = [measured(network, blocks, some, options.points, options.batch) for _ in range(options.repeats)]
    ours, floor = ([*column] for column in zip(*times, strict=True))
    write(
        "feature_compression",
        (__doc__ or "").splitlines()[0],
        {
            "setting": vars(options),
            "data": source,
            "seconds": spread(ours),
            "passes_alone_seconds": spread(floor),
            "ratio": {**spread([one / other for one, other in times]), "bar": BAR},
        },
    )


def measured(network: nn.Module, blocks: list[Pairs], some: Tensor, points: int, batch: int) -> tuple[float, float]:
    """Our seconds for all blocks, and those of the passes alone, which take turns with us block by block."""
    ours = floor = 0.0
    for block in blocks:
        ours += seconds(partial(feature_compression, network, block, points=points, batch_size=batch))
        floor += seconds(partial(alone, network, some, -(-len(block) * points // len(some))))
    return ours, floor


if __name__ == "__main__":
    main()
