"""ASNet-s: a cut network made sparse by proximal steps, at several strengths of the penalty.

    python examples/sparse_asnet.py

The stronger the penalty, the more weights become exactly zero; the table says what that does to the accuracy. Under a
minute on a laptop.
"""

from __future__ import annotations

from functools import partial

import torch
from rich.console import Console

import corank
from corank.compress import ASNetwork
from corank.report import Column, table_text
from corank.report.format import percent

STRENGTHS = (0.0, 0.01, 0.03, 0.1)


def main(epochs: int = 10) -> dict[float, ASNetwork]:
    """Cut once a strength and compare.

    Args:
        epochs: of each training.
    """
    data = corank.load_data("digits")
    batches = corank.Batches(data.train, 64, shuffle=True)
    validation = corank.Batches(data.validation, 500)  # a strength is a choice, and the test split makes none
    network = corank.open_network("vgg_digits", dataset=data).network  # of the zoo, not trained yet
    corank.fit(network, batches, epochs=epochs, optimiser=partial(torch.optim.Adam, lr=1e-3))

    found, rows = {}, []
    for strength in STRENGTHS:
        # A step takes rate x strength off every weight; the paper's rates are smaller, for many more steps than here.
        small = corank.ASNet(
            layer=3, rank=12, epochs=2, sparse="l1", sparse_weight=strength, sparse_epochs=epochs,
            sparse_pre_rate=3e-2, sparse_head_rate=3e-3,
        ).compress(network, batches)  # fmt: skip
        assert small.sparse is not None
        accuracy = corank.accuracy(small.network, validation)
        rows.append((strength, small.sparse.zeros, small.sparse.overall.parameters, accuracy))
        found[strength] = small

    columns = (
        Column("l1 strength"),
        Column("zeros", show=percent),
        Column("nonzeros"),
        Column("accuracy", show=percent),
    )
    Console().print(table_text(columns, rows, f"accuracy on {len(data.validation)} validation images"))
    original = percent(corank.accuracy(network, validation))
    print(f"before the cut: accuracy {original}, {corank.cost(network, data.shape)}")
    print("Zeros are counted as neither stored nor multiplied with; dense kernels do not run faster for them.")
    return found


if __name__ == "__main__":
    main()
