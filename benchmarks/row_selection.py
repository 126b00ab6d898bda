"""How well do chosen rows determine a basis, and how long does choosing them take?

The constant `1 / sigma_min(V[rows])` and the seconds, over several bases each: our three methods, rows at random, and
the published `teneva` (square maxvol, grown to a rectangle) where it is installed. Bases are of normal entries, whose
rows are about equally long, and of rows whose lengths span several powers of ten. `floor` is sqrt(D / P), which no
choice can beat where all rows are equally long; `a_priori` is the bound for rows of maximum volume. On a machine that
does other work at the same time the processor's seconds say more than the clock's.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import Any, get_args

import torch
from _common import arguments, spread, write
from torch import Tensor

from corank.linalg import a_priori_constant, select_rows
from corank.linalg.row_selection import Method

SIZES = ((16384, 50, 75), (16384, 50, 100), (8192, 300, 450), (8192, 700, 1050), (16384, 1000, 1500))
LARGE = 700  # columns from which one basis is enough and teneva, which takes minutes there, is left out


def main() -> None:
    """Measure and write the numbers."""
    options = arguments((__doc__ or "").splitlines()[0], threads=1, bases=3)
    rows: list[dict[str, Any]] = []
    select_rows(basis("normal", 1000, 10, seed=0), 15)  # warm-up
    for features, rank, count in SIZES:
        for kind in ("normal", "heavy-tailed"):
            repeats = options.bases if rank < LARGE else 1
            bases = [basis(kind, features, rank, seed) for seed in range(repeats)]
            for name, choose in choices(rank).items():
                found = [measured(choose, matrix, count, seed) for seed, matrix in enumerate(bases)]
                rows.append({
                    "features": features, "rank": rank, "rows": count, "basis": kind, "method": name,
                    "constant": statistics.median(constant for constant, _, _ in found),
                    "seconds": spread([took for _, took, _ in found]),
                    "processor_seconds": spread([busy for _, _, busy in found]),
                    "floor": math.sqrt(features / count), "a_priori": a_priori_constant(features, rank, count),
                })  # fmt: skip
                print(rows[-1], flush=True)
    write("row_selection", (__doc__ or "").splitlines()[0], {"setting": vars(options), "rows": rows})


def basis(kind: str, features: int, rank: int, seed: int) -> Tensor:
    """Orthonormal columns."""
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(features, rank, generator=generator, dtype=torch.float64)
    if kind == "heavy-tailed":
        matrix *= torch.randn(features, 1, generator=generator, dtype=torch.float64).mul(3).exp()
    return torch.linalg.qr(matrix)[0].contiguous()


Choice = Callable[[Tensor, int, int], Tensor]


def choices(rank: int) -> dict[str, Choice]:
    """What takes part at a size; each takes a basis, the number of rows and a seed."""

    def ours(method: Method) -> Choice:
        return lambda matrix, count, seed: select_rows(matrix, count, method=method).rows

    found: dict[str, Choice] = {method: ours(method) for method in get_args(Method)}
    found["uniform"] = lambda matrix, count, seed: torch.randperm(
        len(matrix), generator=torch.Generator().manual_seed(seed)
    )[:count]
    try:
        import teneva
    except ImportError:
        return found
    if rank < LARGE:
        found[f"teneva {teneva.__version__}"] = lambda matrix, count, seed: torch.as_tensor(
            teneva.maxvol_rect(matrix.numpy(), dr_min=count - matrix.shape[1], dr_max=count - matrix.shape[1])[0]
        )
    return found


def measured(choose: Choice, matrix: Tensor, count: int, seed: int) -> tuple[float, float, float]:
    """The constant, the seconds and the processor's seconds; ours include those of computing the constant."""
    start, busy = time.perf_counter(), time.process_time()
    rows = choose(matrix, count, seed)
    took, busy = time.perf_counter() - start, time.process_time() - busy
    return 1 / float(torch.linalg.svdvals(matrix[rows])[-1]), took, busy


if __name__ == "__main__":
    main()
