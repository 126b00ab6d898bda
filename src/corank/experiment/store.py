"""Where computed cells are kept: one JSON file each, whole or not there, and claims that keep two from doing the same.

A claim is an exclusive lock on a file beside the cell. The system gives it up when the process that holds it ends, in
whatever way: what a killed process leaves behind is a file without a lock, which the next one takes over.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corank.errors import InputError
from corank.experiment.run_folder import read_json, write_json

STORE_VARIABLE = "CORANK_RESULTS"
DEFAULT_STORE = "results"
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Store:
    """A folder of cells, which several processes may share.

    Example:
        >>> import tempfile
        >>> store = Store(Path(tempfile.mkdtemp()))
        >>> store.keep("paper/table/seed-0", {"accuracy": 0.5})
        >>> store.find("paper/table/seed-0"), store.find("paper/table/seed-1")
        ({'accuracy': 0.5}, None)
    """

    folder: Path

    def find(self, key: str) -> dict[str, Any] | None:
        """What is kept under a key; None where nothing is.

        Raises:
            InputError: the file is damaged.
        """
        file = self._file(key)
        if not file.is_file():
            return None
        try:
            return read_json(file)
        except InputError as error:
            raise InputError(f"{error}: delete that file to have it computed again") from error

    def find_all(self, place: str) -> list[dict[str, Any]]:
        """Everything that is kept directly under a place, in the order of the names."""
        files = sorted((self.folder / place).glob("*.json"))
        return [found for file in files if (found := self.find(f"{place}/{file.stem}")) is not None]

    def keep(self, key: str, values: Mapping[str, Any]) -> None:
        """Write a file under another name and give it its own at the end, so that a stop leaves no half of it.

        Raises:
            InputError: the store cannot be written to.
        """
        file = self._file(key)
        with self._writable():
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, values)

    def path(self, key: str) -> Path:
        """A folder under a key, for what is no JSON."""
        return self.folder / key

    @contextmanager
    def claim(self, key: str) -> Iterator[bool]:
        """Try to be the only one who computes a key; yields whether it is so. Nobody waits.

        Raises:
            InputError: the store cannot be written to, or the system has no file locks.
        """
        try:
            import fcntl  # where the system has it
        except ImportError as error:
            raise InputError(
                "a store of results needs file locks, which this system lacks: use Linux or macOS"
            ) from error
        file = self._file(key).with_suffix(".claim")
        with self._writable():
            file.parent.mkdir(parents=True, exist_ok=True)
            handle = open(file, "a+")  # noqa: SIM115 - closed below
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            if not _is_still_there(file, handle.fileno()):  # its owner finished and took it away in between
                yield False
                return
            try:
                handle.truncate(0)
                handle.write(
                    json.dumps({"process": os.getpid(), "since": time.strftime("%FT%TZ", time.gmtime())}) + "\n"
                )
                handle.flush()
                yield True
            finally:
                file.unlink(missing_ok=True)

    def is_claimed(self, key: str) -> bool:
        """Whether somebody computes a key just now."""
        if not self._file(key).with_suffix(".claim").exists():
            return False
        with self.claim(key) as mine:
            return not mine

    def once(self, key: str, make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """What is kept under a key; made and kept by the first who asks, while the others wait."""
        while (found := self.find(key)) is None:
            with self.claim(key) as mine:
                if mine and self.find(key) is None:
                    self.keep(key, make())
            if not mine:
                time.sleep(POLL_SECONDS)
        return found

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.json"

    @contextmanager
    def _writable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise InputError(f"the store {str(self.folder)!r} cannot be written to ({reason}): name another") from error


def open_store(folder: Path | None) -> Store:
    """The store of a folder; without one that of the variable `CORANK_RESULTS`, or `results` under this folder.

    Raises:
        InputError: it is a file.
    """
    chosen = folder or Path(os.environ.get(STORE_VARIABLE) or DEFAULT_STORE)
    if chosen.exists() and not chosen.is_dir():
        raise InputError(f"a store must be a folder, {str(chosen)!r} is a file: name another --store")
    return Store(chosen.expanduser())


def _is_still_there(file: Path, descriptor: int) -> bool:
    try:
        return os.stat(file).st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False
