"""How much faster is the nuclear norm with its gradient by the smaller Gram matrix than through a decomposition?

Of the layers of the networks that the penalty is for: the convolutional one of Langenberg et al. 2019 and VGG-19.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from _common import arguments, spread, write
from torch import Tensor

from corank.linalg import nuclear_norm
from corank.network import weighted_layers
from corank.zoo import build


def with_gradient(norm: Any, matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The norm and its gradient."""
    given = matrix.clone().requires_grad_()
    value = norm(given)
    return value.detach(), torch.autograd.grad(value, given)[0]


def by_decomposition(matrix: Tensor) -> Tensor:
    """The sum of the singular values of a whole decomposition, through which autograd goes."""
    values: Tensor = torch.linalg.svd(matrix, full_matrices=False)[1]
    return values.sum()


def seconds(work: Callable[[], Any]) -> float:
    """The processor time of one call, which others at work on the machine do not change."""
    start = time.process_time()
    work()
    return time.process_time() - start


def compared(name: str, repeats: int) -> dict[str, Any]:
    """A row a layer, and what all layers take together."""
    network = build(name, classes=10, generator=torch.Generator().manual_seed(0))
    rows = []
    for weighted in weighted_layers(network):
        matrix = weighted.matrix
        slow, fast = (with_gradient(norm, matrix) for norm in (by_decomposition, nuclear_norm))
        times: dict[str, list[float]] = {"decomposition": [], "gram": []}
        for _ in range(repeats):
            times["decomposition"].append(seconds(lambda matrix=matrix: with_gradient(by_decomposition, matrix)))
            times["gram"].append(seconds(lambda matrix=matrix: with_gradient(nuclear_norm, matrix)))
        rows.append({
            "layer": weighted.name, "shape": list(matrix.shape),
            **{f"{way}_ms": {key: 1e3 * value for key, value in spread(found).items()} for way, found in times.items()},
            "value_off_relative": abs(float(fast[0] / slow[0]) - 1),
            "gradient_off": float((fast[1] - slow[1]).abs().max()),
        })  # fmt: skip
    totals = {way: sum(row[f"{way}_ms"]["median"] for row in rows) for way in ("decomposition", "gram")}
    return {"layers": rows, "total_ms": totals, "times_faster": totals["decomposition"] / totals["gram"]}


def main() -> None:
    """Both networks."""
    options = arguments(__doc__ or "", threads=1, repeats=7)
    found = {name: compared(name, options.repeats if name == "vgg19" else 20 * options.repeats)
             for name in ("cnn_lw", "vgg19")}  # fmt: skip
    write("nuclear_penalty", "How much faster is the nuclear norm by the smaller Gram matrix?", found)


if __name__ == "__main__":
    main()
