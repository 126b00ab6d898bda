"""A user of the command line: own networks, the lines that are run, and what must be true of an answer."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from corank.train.checkpoint import Checkpoint

MODULE = """
import os

import torch
from torch import nn
from torch.nn import functional


def tiny():
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 12), nn.ReLU(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.first = nn.Conv2d(4, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.out = nn.Linear(36, 3)

    def forward(self, x):
        x = functional.relu(self.stem(x))
        x = functional.relu(x + self.second(functional.relu(self.first(x))))
        return self.out(torch.flatten(functional.max_pool2d(x, 2), 1))


class Looks(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(36, 8)
        self.out = nn.Linear(8, 3)

    def forward(self, x):
        x = functional.relu(self.hidden(x.flatten(1)))
        if x.sum() > 0:
            x = 2 * x
        return self.out(x)


def raises():
    raise OverflowError("the hovercraft is full")


def needs(width):
    return tiny()


def number():
    return 17


def two_outputs():
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 2))


def no_logits():
    return nn.Conv2d(1, 3, 3)


def colour():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(64, 3))


def straight():
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 3))


def bad_pair():
    return 1, 2, 3


def only_second():
    if os.environ.get("RANK") == "1":
        raise OverflowError("the hovercraft is full")
    return tiny()
"""


@dataclass
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str


Corank = Callable[..., Said]


def words(line: str) -> tuple[str, ...]:
    return tuple(line.split())


TRAIN = words("train --network own_networks:Residual --data toy.npz --epochs 2 --out new")
COMPRESS = words("compress asnet --network trained --data toy.npz --layer 2 --rank 2 --epochs 1 --out new")
STUDY = words(
    "study --network trained --data toy.npz --layer 2 --rank 2 --samples 60 --epochs 0 --attack-images 0 --out new"
)
MEASURE = words("measure --network trained --data toy.npz --rank 4 --out new")
DEFEND = words(
    "defend low-rank --network own_networks:Residual --data toy.npz --rank 4 --epochs 3 --watch-images 9 --out new"
)
UNIVERSAL = words("attack universal --network trained --data toy.npz --radius 1.5 --images 60 --out new")
EVALUATE = words(
    "attack evaluate --network trained --data toy.npz --radius 0.05 --radius 0.2 --images 30 --attack pgd --queries 50 "
    "--out new"
)
TRANSFER = words(
    "attack transfer --network own_networks:tiny --network own_networks:straight --random-weights --data toy.npz "
    "--radius 1.5 --images 60 --out new"
)
COST = words("cost --network trained --no-latency")


def assert_refused(said: Said, offending: str) -> None:
    assert said.code == 2, said
    assert said.out == ""
    assert len(said.err.splitlines()) == 1, said.err
    assert said.err.startswith("corank: ")
    assert offending.replace(" ", "") in said.err.replace(" ", ""), said.err
    assert "Traceback" not in said.err


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def interrupt_after(monkeypatch: pytest.MonkeyPatch, epochs: int) -> None:
    """Ctrl-C once, as soon as that many epochs are kept."""
    keep, left = Checkpoint.save, [epochs]

    def save(self: Checkpoint, *rest: Any) -> None:
        keep(self, *rest)
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Checkpoint, "save", save)


def refuse_constant(text: str) -> None:
    raise AssertionError(f"{text} is no JSON")


def strict_json(text: str) -> Any:
    return json.loads(text, parse_constant=refuse_constant)
