"""Trains again and again, killed at another moment each time, and prints what each resumption gave.

`python killed.py FOLDER`: first kills come before each call that writes, synchronises, renames or removes,
and in the middle of each file; the later ones after some time. The last line is a JSON list.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import nn

from corank.train import Cosine, EpochEnd, checkpoint, fit

EPOCHS = 3


def trained(folder: Path | None, callback: Callable[[EpochEnd], None]) -> dict[str, object]:
    """Everything that a training leaves: rows without their time, weights, buffers, optimiser state."""
    torch.manual_seed(1)
    network = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))
    x, y = torch.randn(30, 5), torch.arange(30) % 3
    made: list[torch.optim.Optimizer] = []

    def optimiser(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        made.append(torch.optim.Adam(parameters, lr=0.01))
        return made[0]

    batches = [(x[i : i + 8], y[i : i + 8]) for i in range(0, 30, 8)]
    history = fit(
        network,
        batches,
        epochs=EPOCHS,
        optimiser=optimiser,
        schedule=Cosine(),
        callbacks=[callback],
        checkpoint=folder,
    )
    return {
        "rows": [(row.epoch, row.loss, row.accuracy, row.learning_rate) for row in history.rows],
        "state": {name: tensor.tolist() for name, tensor in network.state_dict().items()},
        "optimiser": {
            f"{index}.{name}": tensor.tolist()
            for index, entry in made[0].state_dict()["state"].items()
            for name, tensor in entry.items()
        },
    }


def die_before_call(number: int) -> None:
    """The process kills itself before its n-th call that touches the disk, or half-way in a file."""
    calls = 0

    def counted(function: Callable[..., object], *args: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*args, **options)
        if function is write_tensors:
            calls += 1
            if calls == number:
                path = Path(str(args[1]))
                os.truncate(path, path.stat().st_size // 2)
                os.kill(os.getpid(), signal.SIGKILL)
        return result

    write_tensors = checkpoint.save_tensors
    checkpoint.save_tensors = partial(counted, write_tensors)
    for owner, name in (
        (os, "fsync"),
        (os, "rename"),
        (os, "replace"),
        (os, "rmdir"),
        (os, "unlink"),
        (os, "mkdir"),
    ):
        setattr(owner, name, partial(counted, getattr(owner, name)))


def killed(folder: Path, *, at_call: int = 0, after_seconds: float = 0.0) -> tuple[bool, int]:
    """Train in a child that is killed: whether it was, and how many epochs it had trained by then."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        if at_call:
            die_before_call(at_call)
        trained(folder, lambda end: print("epoch", file=os.fdopen(os.dup(writer), "w"), flush=True))
        os._exit(0)
    os.close(writer)
    if after_seconds:
        time.sleep(after_seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reader) as lines:
        epochs = len(lines.readlines())
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the child must not fail"
    return os.WIFSIGNALED(status), epochs


def main() -> None:
    """Kill, resume, compare; every run has a folder of its own."""
    torch.set_num_threads(1)
    root = Path(sys.argv[1])
    whole = trained(None, lambda end: None)
    start = time.perf_counter()
    trained(root / "timed", lambda end: None)
    seconds = time.perf_counter() - start
    moments: list[dict[str, float]] = []
    for number in range(1, 1000):
        moments.append({"at_call": number})
        if not record(root / f"call-{number}", moments[-1], whole):
            break
    for share in (0.3, 0.5, 0.7, 0.9):
        moments.append({"after_seconds": seconds * share})
        record(root / f"time-{share}", moments[-1], whole)
    print(json.dumps(moments))


def record(folder: Path, moment: dict[str, float], whole: dict[str, object]) -> bool:
    """Add to the moment what a kill then left and what the resumption gave; whether there was a kill."""
    was_killed, trained_epochs = killed(folder, **moment)
    kept = checkpoint.Checkpoint(folder).latest()
    resumed_epochs: list[int] = []
    resumed = trained(folder, lambda end: resumed_epochs.append(end.epoch))
    moment |= {
        "killed": was_killed,
        "trained_epochs": trained_epochs,
        "kept_epochs": int(kept.name.removeprefix("epoch-")) if kept else 0,
        "resumed_epochs": len(resumed_epochs),
        "equal": resumed == whole,
    }
    return was_killed


if __name__ == "__main__":
    main()
