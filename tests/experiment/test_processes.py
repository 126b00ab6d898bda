"""Of several processes the first one speaks, and a mistake is told by whoever makes it first."""

from __future__ import annotations

from datetime import timedelta

import pytest
import torch
from torch import distributed

from corank.experiment.processes import is_first_process, is_first_to_fail, joined_processes

CPU = torch.device("cpu")


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No launcher has set anything."""
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_USE_AGENT_STORE"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture
def launched(alone: pytest.MonkeyPatch) -> distributed.TCPStore:
    """What `torchrun` sets for the processes that it starts, and the store in which it keeps count for them."""
    store = distributed.TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    alone.setenv("MASTER_ADDR", "localhost")
    alone.setenv("MASTER_PORT", str(store.port))
    alone.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    alone.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    return store


@pytest.mark.parametrize(("rank", "is_first"), [(None, True), ("0", True), ("1", False), ("10", False)])
def test_the_first_process_is_known_before_they_have_joined(
    alone: pytest.MonkeyPatch, rank: str | None, is_first: bool
) -> None:
    if rank is not None:
        alone.setenv("RANK", rank)
    assert is_first_process() is is_first
    assert is_first_to_fail() is is_first, "nobody keeps count"
    assert is_first_to_fail() is is_first


def test_a_process_by_itself_joins_nothing(alone: pytest.MonkeyPatch) -> None:
    with joined_processes(CPU) as device:
        assert device == CPU
        assert not distributed.is_initialized()


def test_processes_are_joined_and_parted(alone: pytest.MonkeyPatch) -> None:
    joined: list[str] = []
    alone.setattr(distributed, "init_process_group", joined.append)
    alone.setattr(distributed, "destroy_process_group", lambda: joined.append("parted"))
    alone.setenv("WORLD_SIZE", "2")
    with joined_processes(CPU) as device:
        assert device == CPU
        assert joined == ["gloo"]
    assert joined == ["gloo", "parted"]
    with pytest.raises(KeyError), joined_processes(CPU):
        raise KeyError
    assert joined == ["gloo", "parted", "gloo"], "who fails tells why before the others notice"


def test_only_the_first_to_fail_tells_why(launched: distributed.TCPStore, alone: pytest.MonkeyPatch) -> None:
    alone.setenv("RANK", "1")
    assert is_first_to_fail(), "of whatever rank"
    alone.setenv("RANK", "0")
    assert not is_first_to_fail()
    assert not is_first_to_fail()
    alone.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert is_first_to_fail(), "all were started again"


def test_without_the_launcher_a_failure_is_told(launched: distributed.TCPStore, alone: pytest.MonkeyPatch) -> None:
    alone.setattr("corank.experiment.processes.PATIENCE", timedelta(seconds=0.2))
    alone.setenv("MASTER_PORT", "1")
    assert is_first_to_fail()
    assert is_first_to_fail()
