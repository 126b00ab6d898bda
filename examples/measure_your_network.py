"""Measure a network of your own: any `torch.nn.Module`, your own tensors, and a page to send to a colleague.

    python examples/measure_your_network.py

It trains a small network on scikit-learn's digits, which stand for your network and your data, asks which directions
its layers use, and writes `out/examples/measure/index.html`. Under half a minute on a laptop.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

import corank
from corank.measure import Surveyed
from corank.report import Page, Section, figures_of, write_page
from corank.report.format import percent

OUT = Path("out/examples/measure")


class Yours(nn.Module):
    """Stands for your network. Nothing in it knows that it will be measured."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Conv2d(1, 16, 3, padding=1)
        self.deep = nn.Conv2d(16, 32, 3, padding=1)
        self.hidden = nn.Linear(512, 64)
        self.logits = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(B, 10)` of images `(B, 1, 8, 8)`."""
        x = self.wide(x).relu()
        x = nn.functional.max_pool2d(self.deep(x).relu(), 2)
        logits: Tensor = self.logits(self.hidden(x.flatten(1)).relu())
        return logits


def your_data() -> tuple[Tensor, Tensor]:
    """Stands for your data: images with values in [0, 1] and class numbers, in random order."""
    digits = load_digits()
    order = torch.randperm(len(digits.target), generator=torch.Generator().manual_seed(0))
    images = torch.tensor(digits.images / 16, dtype=torch.float32)[:, None]
    return images[order], torch.tensor(digits.target)[order]


def main(epochs: int = 10) -> Surveyed:
    """Train, measure, print, write the page.

    Args:
        epochs: of the training.
    """
    images, labels = your_data()
    batches = list(zip(torch.split(images, 64), torch.split(labels, 64), strict=True))  # or a DataLoader
    torch.manual_seed(0)
    network = Yours()
    corank.fit(network, batches, epochs=epochs, optimiser=partial(torch.optim.Adam, lr=1e-3))

    # One measure: the directions along which the loss can change, for every hidden layer at once.
    active = corank.ActiveSubspace(rank=20).measure(network, batches)
    for layer in active.layers:
        print(
            f"{layer.layer}: {layer.active_neurons.energy} of {layer.width} directions carry 95 % of the gradient "
            f"energy; the first {len(layer.directions)} hold {percent(layer.captured_heldout)} of that of other samples"
        )

    # All measures share one pass over the data; in a notebook, `found` alone shows them as tables.
    found = corank.Survey(rank=20).measure(network, batches)
    print(found)

    # A page is title, sections and figures; every result brings the figures that fit it.
    parts = {"Gradients": found.active, "Activations": found.activations, "Weights": found.weights}
    sections = [
        Section(title, figures=tuple(figures_of(part).values())) for title, part in parts.items() if part is not None
    ]
    print("The page:", write_page(Page("What my network uses", sections=tuple(sections)), OUT))
    return found


if __name__ == "__main__":
    main()
