"""How long does the nearest example of another class take, for 10,000 queries among the 60,000 images of MNIST?

The floor is the matrix product of all queries and all images alone. Without MNIST random images take its place, which
is said; random pixels are nearer to one another than images are, so that more pairs must be decided exactly.
"""

from __future__ import annotations

import os
from typing import Any

import torch
from _common import arguments, seconds, spread, write
from torch import Tensor

from corank.linalg import nearest_of_another_class
from corank.zoo import Batches, Split, load_data

BAR_SECONDS = 20.0
BATCH = 1000


def images() -> tuple[Split, Split, str]:
    """Queries and what is searched in."""
    if os.environ.get("CORANK_DATA"):
        data = load_data("mnist")
        pixels = torch.cat([data.train.images, data.validation.images])
        return data.test, Split(pixels, torch.cat([data.train.labels, data.validation.labels])), "MNIST"
    chance = torch.Generator().manual_seed(0)

    def drawn(count: int) -> Split:
        pixels = torch.randint(256, (count, 1, 28, 28), generator=chance, dtype=torch.uint8)
        return Split(pixels, torch.randint(10, (count,), generator=chance))

    return drawn(10_000), drawn(60_000), "random images"


def main() -> None:
    """Measure and write the numbers."""
    options = arguments(__doc__.splitlines()[0], queries=10_000, repeats=3)
    test, train, source = images()
    (x, labels), *_ = Batches(test, options.queries)
    queries = x.flatten(1)

    def search() -> Any:
        return nearest_of_another_class(queries, labels, ((x.flatten(1), y) for x, y in Batches(train, BATCH)))

    def product() -> None:
        for rows, _ in Batches(train, BATCH):
            for some in queries.split(512):
                some @ rows.flatten(1).T

    took, floor = zip(*((seconds(search), seconds(product)) for _ in range(options.repeats)), strict=True)
    found = search()
    write(
        "nearest_other_class",
        __doc__.splitlines()[0],
        {
            "setting": vars(options),
            "data": source,
            "rows": len(train),
            "features": queries.shape[1],
            "seconds": {**spread([*took]), "bar": BAR_SECONDS, "within_bar": spread([*took])["median"] < BAR_SECONDS},
            "matrix_product_alone_seconds": spread([*floor]),
            "distances": quantiles(found.distances),
        },
    )


def quantiles(values: Tensor) -> dict[str, float]:
    """Least, median and largest."""
    return {"least": float(values.min()), "median": float(values.median()), "largest": float(values.max())}


if __name__ == "__main__":
    main()
