"""One vector for all inputs: how the methods compare at equal length, on images that none of them saw.

    python examples/one_vector.py

A small network learns the digits; every method looks for one vector on a hundred of them. A minute on a laptop.
"""

from __future__ import annotations

from functools import partial

import torch
from rich.console import Console
from torch import nn

import corank
from corank.attack import RandomDirection, RecursiveSubspace, SinkClass, StochasticGradient, UniversalDeepFool
from corank.attack.universal import Universal
from corank.report import Column, table_text
from corank.report.format import percent

METHODS = (RecursiveSubspace, SinkClass, StochasticGradient, UniversalDeepFool, RandomDirection)


def main(epochs: int = 20, radius: float = 1.5) -> dict[str, Universal]:
    """Train a network and fool it by one vector, found in several ways.

    Args:
        epochs: of training.
        radius: Euclidean length of the vector, in pixels from 0 to 1.
    """
    data = corank.load_data("digits")
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10))
    batches = corank.Batches(data.train, 64, shuffle=True)
    corank.fit(network, batches, epochs=epochs, optimiser=partial(torch.optim.Adam, lr=1e-3))
    images, labels = next(iter(corank.Batches(data.train, 100)))
    heldout = next(iter(corank.Batches(data.test, 1000)))

    found = {}
    for method in METHODS:
        one = method(radius=radius).attack(network.eval(), images, labels, heldout=heldout, bounds=(0.0, 1.0))
        found[one.method] = one
    columns = (Column("method"), Column("fooled"), Column("fooled, held out"), Column("sample-gradients"))
    rows = [
        (name, percent(one.train.fooled), percent(one.heldout.fooled if one.heldout else None), one.gradients)
        for name, one in found.items()
    ]
    Console().print(table_text(columns, rows, f"One vector of length {radius:g} in a space of 64 pixels"))
    return found


if __name__ == "__main__":
    main()
