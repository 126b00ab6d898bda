"""What is kept is whole, whatever happens; what is claimed is claimed by one, and by nobody who is dead."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from corank.errors import InputError
from corank.experiment.store import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def hold(store: Store, key: str) -> None:
    with store.claim(key) as mine:
        assert mine
        time.sleep(60)


def held_by_another(store: Store, key: str) -> multiprocessing.process.BaseProcess:
    process = multiprocessing.get_context("fork").Process(target=hold, args=(store, key))
    process.start()
    patience = time.monotonic() + 10
    while not store.is_claimed(key):
        assert time.monotonic() < patience, "a claim by another process is not seen"
        time.sleep(0.01)
    return process


def test_a_claim_is_one_processes_and_ends_with_it(store: Store) -> None:
    other = held_by_another(store, "a/b")
    with store.claim("a/b") as mine, store.claim("a/c") as another:
        assert (mine, another) == (False, True)
    other.kill()
    other.join()
    assert (store.folder / "a/b.claim").exists()
    with store.claim("a/b") as mine:
        assert mine
        assert store.is_claimed("a/b")
    assert not store.is_claimed("a/b")
    assert list(store.folder.rglob("*.claim")) == []


def test_a_claim_taken_away_under_ones_hands_is_none(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    # Its owner removes the file between our opening and our locking it; a lock on a file without a name guards nothing.
    import fcntl

    lock = fcntl.flock

    def late(handle, operation):  # type: ignore[no-untyped-def]
        (store.folder / "key.claim").unlink()
        lock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with store.claim("key") as mine:
        assert not mine


def test_a_stop_while_writing_leaves_what_was_there(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.keep("a/key", {"value": 1})

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        store.keep("a/key", {"value": 2})
    assert store.find("a/key") == {"value": 1}
    assert store.find_all("a") == [{"value": 1}]


def test_once_is_made_once(store: Store) -> None:
    made = []

    def make() -> dict[str, int]:
        made.append(len(made))
        return {"made": len(made)}

    assert store.once("key", make) == store.once("key", make) == {"made": 1}
    assert made == [0]


def test_once_waits_for_whoever_makes_it_and_takes_over_from_the_dead(store: Store) -> None:
    other = held_by_another(store, "key")
    start = time.perf_counter()
    killer = multiprocessing.get_context("fork").Process(target=kill_after, args=(0.5, other.pid))
    killer.start()
    assert store.once("key", lambda: {"made": "here"}) == {"made": "here"}
    assert time.perf_counter() - start > 0.3
    killer.join()
    other.join()


def kill_after(seconds: float, process: int) -> None:
    time.sleep(seconds)
    os.kill(process, signal.SIGKILL)


def test_a_damaged_file_is_named(store: Store) -> None:
    store.keep("a/key", {"value": 1})
    (store.folder / "a/key.json").write_text('{"value": ')
    with pytest.raises(InputError, match=r"a/key.json.*delete that file"):
        store.find("a/key")


def test_a_store_is_a_folder_that_can_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORANK_RESULTS", str(tmp_path / "named"))
    assert open_store(None).folder == tmp_path / "named"
    assert open_store(tmp_path).folder == tmp_path
    monkeypatch.delenv("CORANK_RESULTS")
    assert open_store(None).folder == Path("results")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        open_store(tmp_path / "file")
    with pytest.raises(InputError, match="cannot be written to"):
        Store(tmp_path / "file" / "inside").keep("key", {})
