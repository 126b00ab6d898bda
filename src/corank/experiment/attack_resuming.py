"""The best perturbation of a search, kept on disk while the search goes on, so that an interrupted one is resumed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from corank.attack.shares import Step
from corank.attack.universal import Universal
from corank.errors import InputError
from corank.experiment import run_folder
from corank.network import load_tensors, save_tensors

SEARCH, OPTIONS = "search.safetensors", "options.json"
EVERY_SECONDS = 1.0
NOTHING = Step(gradients=0, forward=0, seconds=0.0, fooled=0.0)


@dataclass
class Kept:
    """How far a search has come.

    Attributes:
        folder: where that is kept; None for nowhere.
        vector: the best perturbation; None where there is none yet.
        steps: so far, those before an interruption among them.
    """

    folder: Path | None
    vector: Tensor | None = None
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.before = self.steps[-1] if self.steps else NOTHING
        self._written = time.monotonic()

    def told(self, step: Step, vector: Tensor) -> None:
        """Take note of a step of the search that goes on."""
        self.vector = vector
        self.steps.append(self._shifted(step))
        if time.monotonic() - self._written > EVERY_SECONDS:
            self.write()

    def write(self) -> None:
        """Keep it, if there is anything to keep and somewhere to do so."""
        if self.folder is None or self.vector is None:
            return
        rows = [(step.gradients, step.forward, step.seconds, step.fooled) for step in self.steps]
        save_tensors({"vector": self.vector, "steps": torch.tensor(rows, dtype=torch.float64)}, self.folder / SEARCH)
        self._written = time.monotonic()

    def whole(self, found: Universal) -> Universal:
        """What was found, with the cost of everything since the very beginning."""
        before = self.before
        return replace(
            found, steps=tuple(self.steps), iterations=len(self.steps), seconds=found.seconds + before.seconds,
            gradients=found.gradients + before.gradients, forward=found.forward + before.forward,
        )  # fmt: skip

    def _shifted(self, step: Step) -> Step:
        before = self.before
        return replace(step, gradients=step.gradients + before.gradients, forward=step.forward + before.forward,
                       seconds=step.seconds + before.seconds)  # fmt: skip


@contextmanager
def kept_search(folder: Path | None, options: Mapping[str, Any], *, overwrite: bool) -> Iterator[Kept]:
    """What an earlier search left in a folder; what this one leaves if it is interrupted, and nothing if it ends.

    Args:
        folder: None keeps nothing.
        options: what makes the search this one.
        overwrite: whether the beginning of another one may be deleted.

    Raises:
        InputError: the beginning of another search is there, or it is damaged.
    """
    kept = Kept(folder)
    if folder is not None:
        kept = _opened(folder, options, overwrite)
    try:
        yield kept
    except BaseException:
        kept.write()
        raise
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


def _opened(folder: Path, options: Mapping[str, Any], overwrite: bool) -> Kept:
    if (folder / OPTIONS).is_file() and (folder / SEARCH).is_file():
        try:
            run_folder.refuse_difference(folder, "search", run_folder.read_json(folder / OPTIONS), options)
            return _read(folder)
        except InputError:
            if not overwrite:
                raise
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run_folder.write_json(folder / OPTIONS, options)
    return Kept(folder)


def _read(folder: Path) -> Kept:
    file = folder / SEARCH
    found = load_tensors(file)
    if found.keys() != {"vector", "steps"} or found["steps"].ndim != 2 or found["steps"].shape[1] != 4:
        raise InputError(f"{str(file)!r} does not hold a search: add --overwrite to begin it again")
    steps = [
        Step(gradients=int(gradients), forward=int(forward), seconds=seconds, fooled=fooled)
        for gradients, forward, seconds, fooled in found["steps"].tolist()
    ]
    return Kept(folder, found["vector"], steps)
