"""How long does the search within a budget take for VGG-19 after the measuring pass, and how near does it come?

The parts of `Auto(target=...)` before any training: measuring, choosing cut, ranks and widths of every method, and
fitting and judging the candidates. Beside them what every method reaches of the budget.
"""

from __future__ import annotations

import time
from typing import Any

import torch
from _common import arguments, batches, vgg19_with_data, write

from corank.compress.budget import Target
from corank.compress.race.allowance import Allowance
from corank.compress.race.course import measured
from corank.compress.race.field import field
from corank.measure import OnDevice
from corank.network import cost

TARGETS = ("macs=4x", "params=10x")
BATCH = 64
BARS = {"search_seconds": 10, "left_of_the_budget": 0.02}


def main() -> None:
    """Search and write the numbers."""
    options = arguments((__doc__ or "").splitlines()[0], samples=4096, targets=len(TARGETS))
    network, split, setting = vgg19_with_data(options.samples)
    data = batches(split, BATCH)
    example = next(iter(data))[0]
    original = cost(network, example.shape[1:], example.dtype)
    rows: list[dict[str, Any]] = []
    for target in TARGETS[: options.targets]:
        allowance = Allowance.of(Target.parsed(target), network, original, example)
        start = time.perf_counter()
        course = measured(network, data, None, reaches=allowance.reaches, seed=0)
        ready = time.perf_counter()
        found = field(course, allowance, 8, OnDevice(data, torch.device("cpu")))
        chosen = time.perf_counter()
        entries = [choice.entered(allowance) for choice in found.choices]
        rows.append({
            "target": target, "measure_seconds": ready - start, "search_seconds": chosen - ready,
            "judge_seconds": time.perf_counter() - chosen,
            "candidates": [
                {"name": one.candidate.name, "sizes": one.candidate.sizes, "accuracy": one.candidate.accuracy,
                 "share_of_the_budget": one.candidate.reached / allowance.limit}
                for one in entries
            ],
        })  # fmt: skip
        print(rows[-1], flush=True)
    write(
        "budget_search",
        (__doc__ or "").splitlines()[0],
        {"setting": {**vars(options), "network": setting}, "bars": BARS, "rows": rows},
    )


if __name__ == "__main__":
    main()
