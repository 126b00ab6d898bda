"""Measures in several processes: `torchrun shared.py FOLDER [dying rank]`; the first leaves what all found."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch
from torch import distributed, nn

from corank.errors import ProcessError
from corank.measure import Survey


def network() -> nn.Module:
    torch.manual_seed(4)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.Tanh(), nn.Flatten(), nn.Linear(96, 20),
        nn.ReLU(), nn.Linear(20, 3),
    )  # fmt: skip


def data() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Batches whose sizes the processes cannot share evenly; the last has one sample."""
    chance = torch.Generator().manual_seed(3)
    images = torch.randn(270, 1, 6, 6, generator=chance)
    labels = torch.randint(3, (270,), generator=chance)
    sizes = [33] * 8 + [5, 1]
    return list(zip(images.split(sizes), labels.split(sizes), strict=True))


class Dying:
    """Batches during which one process ends."""

    def __iter__(self):
        for number, batch in enumerate(data()):
            if number == 3:
                os._exit(7)
            yield batch


def main(folder: Path, dying: int | None) -> None:
    torch.set_num_threads(1)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        distributed.init_process_group("gloo")
    rank = int(os.environ.get("RANK", "0"))
    survey = Survey(layer="*", rank=5, labels="sampled", replicates=10, seed=2)
    try:
        found = survey.measure(network(), Dying() if rank == dying else data())
    except ProcessError as error:
        (folder / f"error{rank}.txt").write_text(str(error))
        sys.exit(1)
    (folder / f"found{rank}.json").write_text(json.dumps(found.to_dict()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)
