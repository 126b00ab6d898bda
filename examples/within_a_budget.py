"""A third of the multiply-adds: every method's best network within a budget, and the one that is taken.

    python examples/within_a_budget.py

The network is measured once; cuts, reduced-order ends, pruned channels and both together are compared before and
after a few steps of training, and the best is trained. About a minute on a laptop.
"""

from __future__ import annotations

from functools import partial

import torch
from rich.console import Console

import corank
from corank.compress import Budgeted
from corank.report import Column, table_text
from corank.report.format import compact, percent


def main(epochs: int = 10) -> Budgeted:
    """Train a network, then find the best one within the budget.

    Args:
        epochs: of training the original; a fifth of them train the small one.
    """
    data = corank.load_data("digits")
    batches = corank.Batches(data.train, 64, shuffle=True)
    validation = corank.Batches(data.validation, 500)  # everything is chosen on it; the test split makes no choice
    network = corank.open_network("vgg_digits", dataset=data).network  # of the zoo, not trained yet
    corank.fit(network, batches, epochs=epochs, optimiser=partial(torch.optim.Adam, lr=1e-3))

    method = corank.Auto(target="macs=3x", trial_steps=10, epochs=max(1, epochs // 5))
    small = method.compress(network, batches, validation=validation)

    columns = (
        Column("method"),
        Column("last kept layer"),
        Column("multiply-adds", show=compact),
        Column("fits"),
        Column("accuracy, untrained", show=percent),
        Column("after the trial", show=percent),
    )
    rows = [
        (one.method, one.layer, one.cost.multiply_adds, one.fits, one.accuracy, one.trial_accuracy)
        for one in small.candidates
    ]
    Console().print(table_text(columns, rows, f"candidates for {small.target}, on {small.samples_judging} images"))
    print(small.reason)
    test = corank.Batches(data.test, 500)
    print(
        f"test accuracy {percent(corank.accuracy(small.network, test))}, of the original "
        f"{percent(corank.accuracy(network, test))}; {small.multiply_adds_ratio:.2f}x fewer multiply-adds"
    )
    return small


if __name__ == "__main__":
    main()
