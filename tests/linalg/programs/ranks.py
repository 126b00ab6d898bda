"""One of several processes that sketch their share of the rows: `python ranks.py FOLDER RANK PROCESSES WHAT`.

WHAT is `merge` (every kind of sketch; the merged states are left in the folder), `misfit` (sketches of different
sizes) or `die` (the last rank ends before the merge). What merging raised is left in the folder too.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import timedelta
from pathlib import Path

import torch
from torch import Tensor, distributed

from corank.linalg import FrequentDirections, HashingSketch, Nystrom, RandomisedRange, Sketch, merge_ranks


def all_rows() -> Tensor:
    chance = torch.Generator().manual_seed(0)
    return torch.randn(300, 60, generator=chance) * 0.9 ** torch.arange(60)


def sketches(size: int, rank: int, stride: int) -> dict[str, Sketch]:
    return {
        "frequent-directions": FrequentDirections(size, 60, coordinates=True),
        "nystrom": Nystrom(size, 60, seed=3),
        "range-finder": RandomisedRange(size, 60, seed=4),
        "hashing": HashingSketch(size, 60, seed=5, first_row=rank, stride=stride),
    }


def main(folder: Path, rank: int, processes: int, what: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meeting",
        rank=rank,
        world_size=processes,
        timeout=timedelta(minutes=10),  # a rank that died has to be noticed long before
    )
    size = 20 + (rank if what == "misfit" else 0)
    mine = sketches(size, rank, processes)
    for sketch in mine.values():
        sketch.update(all_rows()[rank::processes])
    if what == "die" and rank == processes - 1:
        os._exit(1)
    start = time.monotonic()
    try:
        merged = {name: merge_ranks(sketch) for name, sketch in mine.items()}
    except Exception as error:
        (folder / f"raised{rank}").write_text(f"{time.monotonic() - start} {type(error).__name__} {error}")
        os._exit(1)
    states = {name: sketch.state_dict() for name, sketch in merged.items()}
    torch.save(states, folder / f"states{rank}.pt")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
