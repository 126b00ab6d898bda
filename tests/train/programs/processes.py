"""Trains in several processes: `python processes.py FOLDER PROCESSES`; each leaves what it got."""

from __future__ import annotations

import atexit
import json
import os
import sys
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from corank.errors import InputError
from corank.train import L1, Cosine, EpochEnd, fit, make_fabric


class Drawn:
    """Batches in an order drawn from the global generator; the last has one sample for two processes."""

    def __init__(self, spoiled: bool = False) -> None:
        self.x = torch.randn(33, 6, generator=torch.Generator().manual_seed(3))
        if spoiled:
            self.x[-1] = torch.nan
        self.y = torch.arange(33) % 3

    def __len__(self) -> int:
        return 5

    def __iter__(self):
        order = torch.randperm(33) if self.x.isfinite().all() else torch.arange(33)
        return ((self.x[part], self.y[part]) for part in order.split([9, 9, 9, 5, 1]))


def away_from_label(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """One step of the sign of the gradient."""
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(nn.functional.cross_entropy(network(x), y), x)
    return x + 0.05 * gradient.sign()


def network() -> nn.Module:
    torch.manual_seed(4)
    return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 3))


def note_threads(file: Path) -> None:
    """Writes the names of the threads that still run."""
    running = (thread / "comm" for thread in Path("/proc/self/task").glob("*"))
    file.write_text(json.dumps([name.read_text().strip() for name in running]))


def main(folder: Path, processes: int) -> None:
    torch.set_num_threads(1)
    fabric = make_fabric("cpu", None, processes)
    first = fabric is None or fabric.global_rank == 0
    whole = network()

    def enough(end: EpochEnd) -> str | None:
        return "enough" if first and end.epoch == 4 else None

    sgd = partial(torch.optim.SGD, lr=0.1, momentum=0.9)
    history = fit(
        whole,
        Drawn(),
        epochs=5,
        optimiser=sgd,
        schedule=Cosine(),
        penalties=[L1(strength=0.01)],
        perturb=away_from_label,
        callbacks=[enough],
        checkpoint=folder / "checkpoint",
        fabric=fabric,
    )
    refused = ""
    try:
        fit(network(), Drawn(spoiled=True), epochs=1, optimiser=sgd, fabric=fabric)
    except InputError as error:
        refused = str(error)
    report = {"rows": [[row.loss, row.accuracy] for row in history.rows], "message": history.message}
    rank = 0 if fabric is None else fabric.global_rank
    (folder / f"report-{rank}.json").write_text(json.dumps({**report, "refused": refused}))
    save_file(whole.state_dict(), folder / f"weights-{rank}.safetensors")


if __name__ == "__main__":
    # What is registered first is called last: after all that the training does at the end of the program.
    rank = os.environ.get("LOCAL_RANK", "0")
    atexit.register(note_threads, Path(sys.argv[1]) / f"threads-{rank}.json")
    main(Path(sys.argv[1]), int(sys.argv[2]))
