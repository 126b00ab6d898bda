"""What does a step of the recursive subspace cost beyond its passes through the network?

The floor is what cannot be spared: one pass forward and back of the images that a step takes gradients of, and the
forward passes of its line search, in batches of the same size. Gram matrix, dominant direction, projections and books
come on top; the bar is 1.3 times the floor. Both take turns. `cnn4` has 784 input dimensions, ResNet-20 3,072; timing
does not depend on what a network learnt, so the weights are random ones.
"""

from __future__ import annotations

from functools import partial

import torch
from _common import arguments, seconds, spread, write
from torch import Tensor, nn

from corank.attack import RecursiveSubspace
from corank.attack.victim import CHUNK
from corank.zoo import build

BAR = 1.3
SETTINGS = (("cnn4", (1, 28, 28), (200, 1_000, 5_000)), ("resnet20", (3, 32, 32), (200,)))


def main() -> None:
    """Measure and write the numbers."""
    options = arguments((__doc__ or "").splitlines()[0], steps=2, repeats=3, largest=5_000)
    rows = []
    for name, shape, counts in SETTINGS:
        network = build(name, classes=10, generator=torch.Generator().manual_seed(0)).eval()
        for count in counts:
            if count <= options.largest:
                images = torch.rand(count, *shape, generator=torch.Generator().manual_seed(1))
                row = measured(network, images, options.steps, options.repeats)
                rows.append({"network": name, "dimensions": images[0].numel(), "images": count, **row})
                print(rows[-1], flush=True)
    write("universal_iteration", (__doc__ or "").splitlines()[0], {"setting": vars(options), "bar": BAR, "rows": rows})


def measured(network: nn.Module, images: Tensor, steps: int, repeats: int) -> dict[str, object]:
    """Seconds of the steps, of their passes alone, and the ratio."""
    attack = RecursiveSubspace(radius=1e-3, steps=steps, failures=steps)
    labels = torch.zeros(len(images), dtype=torch.int64)
    found = attack.attack(network, images, labels)
    ours, floor = [], []
    for _ in range(repeats):
        ours.append(attack.attack(network, images, labels).seconds)
        floor.append(seconds(partial(passes, network, images, found.gradients, found.forward)))
    ratios = [one / other for one, other in zip(ours, floor, strict=True)]
    return {
        "sample_gradients": found.gradients, "forward": found.forward, "seconds": spread(ours),
        "passes_alone_seconds": spread(floor), "ratio": spread(ratios), "within_bar": spread(ratios)["median"] <= BAR,
    }  # fmt: skip


def passes(network: nn.Module, images: Tensor, gradients: int, forward: int) -> None:
    """So many samples forward and back, and so many forward."""
    for x in batches(images, gradients):
        leaf = x.detach().requires_grad_()
        torch.autograd.grad(network(leaf)[:, 0].sum(), leaf)
    with torch.no_grad():
        for x in batches(images, forward):
            network(x)


def batches(images: Tensor, samples: int) -> list[Tensor]:
    """The images again and again until there are so many, as the attacks send them."""
    whole, rest = divmod(samples, CHUNK)
    some = images[torch.arange(CHUNK) % len(images)]
    return [some] * whole + ([some[:rest]] if rest else [])


if __name__ == "__main__":
    main()
