"""A smaller network without any training: few directions of every layer, and the features that determine them.

    python examples/reduced_order.py

A multilayer perceptron becomes a narrower one in a second. The table says what each layer lost, and the bound that the
loss cannot exceed. Under a minute on a laptop.
"""

from __future__ import annotations

from functools import partial

import torch
from rich.console import Console
from torch import nn

import corank
from corank.compress import RONetwork
from corank.report import Column, table_text
from corank.report.format import percent

ENERGIES = (0.9, 0.99, 0.999)


def main(epochs: int = 20) -> dict[float, RONetwork]:
    """Train a network and reduce it, keeping more and more of its energy.

    Args:
        epochs: of training the original.
    """
    data = corank.load_data("digits")
    batches = corank.Batches(data.train, 64, shuffle=True)
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Flatten(), nn.Linear(64, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10)
    )
    corank.fit(network, batches, epochs=epochs, optimiser=partial(torch.optim.Adam, lr=1e-3))
    test = corank.Batches(data.test, 500)
    print(f"original: accuracy {percent(corank.accuracy(network, test))}, {corank.cost(network, data.shape)}")

    columns = (
        Column("layer"),
        Column("features"),
        Column("directions"),
        Column("features kept"),
        Column("error"),
        Column("at most"),
    )
    found = {}
    for energy in ENERGIES:
        small = corank.RON(energy=energy, epochs=0).compress(network, batches)
        rows = [
            (layer.layer, layer.features, layer.rank, layer.rows, layer.interpolation_error, layer.bound)
            for layer in small.layers
        ]
        accuracy = percent(corank.accuracy(small.network, test))
        title = f"{energy:.1%} of the energy: accuracy {accuracy}, {small.multiply_adds_ratio:.1f}x fewer multiply-adds"
        Console().print(table_text(columns, rows, title))
        found[energy] = small
    return found


if __name__ == "__main__":
    main()
