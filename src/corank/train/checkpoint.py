"""What a training needs to go on, written each epoch such that a kill at any moment leaves it whole.

A checkpoint is a folder `epoch-N` of `weights.safetensors`, `optimiser.safetensors` and `state.json`, never a
pickle. It is written aside, synchronised to the disk, renamed into place, and only then is its predecessor
removed. The JSON holds the digests of the files, so that a truncated or altered one is noticed instead of
trained on.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, final

from torch import Tensor, nn
from torch.optim import Optimizer

from corank.errors import InputError
from corank.network import load_tensors, save_tensors
from corank.result import first_difference, jsonable
from corank.train.history import EpochRow
from corank.train.optimiser_state import load_optimiser, optimiser_state

WEIGHTS = "weights.safetensors"
OPTIMISER = "optimiser.safetensors"
STATE = "state.json"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a training came.

    Args:
        rows: one a finished epoch.
        message: why a callback ended it, empty while it goes on.
    """

    rows: tuple[EpochRow, ...]
    message: str = ""


@final
@dataclass(frozen=True)
class Checkpoint:
    """A folder that keeps the last finished epoch of one training.

    Args:
        folder: where; made at the first save.
        options: what makes this training this one (data, network, seed, ...) as JSON-able values. A
            checkpoint with other options is refused.

    Raises:
        InputError: the folder is a file.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> Checkpoint(folder / "run", options={"data": "digits"}).latest() is None
        True
    """

    folder: Path
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"the checkpoint must be a folder, got the file {self.folder}")

    def latest(self) -> Path | None:
        """The folder of the last finished epoch, or None before the first."""
        finished = [entry for entry in self.folder.glob("epoch-*") if re.fullmatch(r"epoch-\d+", entry.name)]
        return max(finished, key=_epoch_of, default=None)

    def kept_options(self) -> dict[str, Any]:
        """The options under which the last finished epoch was kept; none before the first.

        Raises:
            InputError: the file that says them is missing, truncated or altered.
        """
        source = self.latest()
        found: dict[str, Any] = {} if source is None else self._read_state(source / STATE)["options"]
        return found

    def part(self, name: str) -> Checkpoint:
        """That of one of several trainings: of the same options, in a folder within this one."""
        return Checkpoint(self.folder / name, options=self.options)

    def check(self) -> None:
        """Refuse what other options left, here or in a part, before the work that it would make useless.

        Raises:
            InputError: files that are missing, truncated or altered, or of other options.
        """
        own = self._plain_options()
        for folder in (self.folder, *sorted(self.folder.glob("*/"))):
            if (source := Checkpoint(folder).latest()) is None:
                continue
            state = self._read_state(source / STATE)
            kept = {name: state["options"].get(name) for name in own}
            self._refuse_difference(source / STATE, _difference(kept, own))
            for name in (WEIGHTS, OPTIMISER):
                self._read_tensors(source / name, state["sha256"])

    def save(self, network: nn.Module, optimiser: Optimizer, progress: Progress) -> None:
        """Keep this epoch, then forget the ones before.

        Args:
            network: its state dict is kept.
            optimiser: its state and parameter groups are kept.
            progress: how far the training came.

        Raises:
            InputError: a state that is neither tensors nor JSON values.
        """
        target = self.folder / f"epoch-{len(progress.rows)}"
        aside = target.with_suffix(".partial")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        groups_and_state, tensors = optimiser_state(optimiser)
        save_tensors(network.state_dict(), aside / WEIGHTS)
        save_tensors(tensors, aside / OPTIMISER)
        state = {
            "options": jsonable(self.options),
            "rows": [asdict(row) for row in progress.rows],
            "message": progress.message,
            "optimiser": groups_and_state,
            "sha256": {name: _sha256_of(aside / name) for name in (WEIGHTS, OPTIMISER)},
        }
        (aside / STATE).write_text(json.dumps({**state, "sha256_of_this": _sha256_of_json(state)}, indent=1))
        for path in (aside / WEIGHTS, aside / OPTIMISER, aside / STATE, aside):
            _to_disk(path)
        aside.rename(target)
        _to_disk(self.folder)
        for entry in self.folder.glob("epoch-*"):
            if entry != target:
                shutil.rmtree(entry)

    def load(self, network: nn.Module, optimiser: Optimizer) -> Progress | None:
        """Put network and optimiser back to where the last finished epoch left them.

        Args:
            network: of the same architecture; its state dict is replaced.
            optimiser: of the same class, over the same parameters.

        Returns:
            How far the training came; None, with nothing changed, where there is no checkpoint.

        Raises:
            InputError: files that are missing, truncated or altered, or of other options, another network
                or another optimiser; nothing is changed then.
        """
        source = self.latest()
        if source is None:
            return None
        state = self._read_state(source / STATE)
        self._refuse_difference(source / STATE, _difference(state["options"], self._plain_options()))
        weights, tensors = (self._read_tensors(source / name, state["sha256"]) for name in (WEIGHTS, OPTIMISER))
        self._refuse_difference(source / WEIGHTS, _difference(_shapes(weights), _shapes(network.state_dict())))
        self._refuse_difference(source / OPTIMISER, load_optimiser(optimiser, state["optimiser"], tensors))
        network.load_state_dict(weights)
        return Progress(rows=tuple(EpochRow(**row) for row in state["rows"]), message=state["message"])

    def _plain_options(self) -> Any:
        """The options as a JSON file gives them back."""
        return json.loads(json.dumps(jsonable(self.options)))

    def _read_state(self, path: Path) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads(path.read_text())
            digest = state.pop("sha256_of_this")
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise self._broken(path, error) from error
        if digest != _sha256_of_json(state):
            raise self._broken(path, "its contents do not belong to their digest")
        return state

    def _read_tensors(self, path: Path, digests: Mapping[str, str]) -> dict[str, Tensor]:
        try:
            found = _sha256_of(path)
        except OSError as error:
            raise self._broken(path, error) from error
        if found != digests[path.name]:
            size = path.stat().st_size
            raise self._broken(path, f"its {size} bytes have sha256 {found[:12]}..., not {digests[path.name][:12]}...")
        return load_tensors(path)

    def _broken(self, path: Path, reason: object) -> InputError:
        return InputError(
            f"checkpoint {path} is missing, truncated or altered ({' '.join(str(reason).split())}): delete "
            f"{self.folder} to train from the start"
        )

    def _refuse_difference(self, path: Path, difference: str) -> None:
        if difference:
            raise InputError(
                f"checkpoint {path} belongs to another training: {difference}; give the same options, or another folder"
            )


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    return {name: f"{tuple(tensor.shape)} {tensor.dtype}" for name, tensor in tensors.items()}


def _difference(stored: Any, current: Any) -> str:
    """The first place where two nested values differ, in words; empty where they are equal."""
    found = first_difference(stored, current)
    return "" if found is None else f"{found[0]} was {_shown(found[1])} there and is {_shown(found[2])} here"


def _shown(value: Any) -> str:
    return "absent" if value is None else str(value)


def _epoch_of(folder: Path) -> int:
    return int(folder.name.removeprefix("epoch-"))


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256_of_json(state: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
