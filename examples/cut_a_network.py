"""Cut a network, let a polynomial of a few directions finish its work, save it, and load it without its class.

    python examples/cut_a_network.py

Forecast, build, compare, save, reload: the steps that `corank study` takes by itself, one at a time. Under half a
minute on a laptop.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

import corank
from corank.compress import ASNetwork
from corank.experiment import Origin, save_run

OUT = Path("out/examples/cut")


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        small: the cut network with its accounts.
        original: test accuracy of the whole network.
        fitted: of the cut one before fine-tuning.
        tuned: of the cut one after it.
        reloaded: of the network that was read back.
    """

    small: ASNetwork
    original: float
    fitted: float
    tuned: float
    reloaded: float


def your_network() -> nn.Sequential:
    """Stands for your network: three convolutions, two linear layers."""
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)),
    )


def main(epochs: int = 10) -> Outcome:
    """Train, forecast, cut, save, reload.

    Args:
        epochs: of the training, and at most five of fine-tuning.
    """
    data = corank.load_data("digits")
    batches, test = corank.Batches(data.train, 64, shuffle=True), corank.Batches(data.test, 500)
    torch.manual_seed(0)
    network = corank.Normalised(your_network(), data.mean, data.std)
    corank.fit(network, batches, epochs=epochs, optimiser=partial(torch.optim.Adam, lr=1e-3))

    # What a cut would cost follows from the shapes alone: look before you measure anything.
    example, _ = next(iter(test))
    print("the whole network:", corank.cost(network, data.shape))
    for layer in (1, 2, 3):  # after the n-th convolution, with its activation and pooling; names work too
        print(f"cut after convolution {layer}:", corank.forecast(network, layer, example, rank=12, order=2))

    # Cut after the second convolution, keep 12 of its 1024 directions, finish by a quadratic, fine-tune.
    small = corank.ASNet(layer=2, rank=12, order=2, epochs=min(epochs, 5), head_rate=1e-4).compress(network, batches)
    print("built:", small)
    print(f"{small.storage_ratio:.1f} times smaller, {small.multiply_adds_ratio:.1f} times fewer multiply-adds")

    # A run folder holds weights and graph: no pickle, and `your_network` is not needed to load it.
    origin = Origin(name="my network, cut", zoo_name=None, classes=data.classes, shape=data.shape)
    save_run(OUT, small.network, origin, about={"data": data.name}, metrics=small.to_dict())
    reloaded = corank.load(OUT)

    outcome = Outcome(
        small=small,
        original=corank.accuracy(network, test),
        fitted=corank.accuracy(small.fitted, test),
        tuned=corank.accuracy(small.network, test),
        reloaded=corank.accuracy(reloaded, test),
    )
    for name in ("original", "fitted", "tuned", "reloaded"):
        print(f"test accuracy, {name}: {getattr(outcome, name):.1%}")
    return outcome


if __name__ == "__main__":
    main()
