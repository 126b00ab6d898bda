"""Two processes find what one finds, and a process that dies is noticed at once."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from corank.measure.sharing import Sharing

PROGRAM = Path(__file__).parent / "programs" / "shared.py"
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)


def differences(one: Any, other: Any, place: str = "") -> list[str]:
    """Where two results differ by more than 1e-6 of the value (or, for the smallest, 1e-9)."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), place
        return [found for name in one for found in differences(one[name], other[name], f"{place}.{name}")]
    if isinstance(one, list):
        assert len(one) == len(other), place
        return [found for number, (a, b) in enumerate(zip(one, other, strict=True))
                for found in differences(a, b, f"{place}.{number}")]  # fmt: skip
    if isinstance(one, float) and isinstance(other, float):
        return [] if math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9) else [f"{place}: {one} {other}"]
    return [] if one == other else [f"{place}: {one} {other}"]


def test_two_processes_find_what_one_finds(tmp_path: Path) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    alone.mkdir()
    together.mkdir()
    done = run([sys.executable, str(PROGRAM), str(alone)])
    assert done.returncode == 0, done.stderr
    done = run([*TORCHRUN, str(PROGRAM), str(together)])
    assert done.returncode == 0, done.stderr
    expected = json.loads((alone / "found0.json").read_text())
    found = [json.loads((together / f"found{rank}.json").read_text()) for rank in (0, 1)]
    assert found[0] == found[1]
    assert len(expected["layers"]) == 3
    assert differences(expected, found[0]) == []


def test_a_process_that_dies_is_noticed_within_seconds(tmp_path: Path) -> None:
    start = time.monotonic()
    done = run([*TORCHRUN, str(PROGRAM), str(tmp_path), "1"])
    assert done.returncode != 0
    assert time.monotonic() - start < 60
    assert "exitcode" in done.stderr, "torchrun names the process that died"
    assert not list(tmp_path.glob("found*.json"))


@pytest.mark.parametrize("samples", [1, 2, 5, 64])
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_every_sample_is_run_by_one_process(samples: int, processes: int) -> None:
    sharing = Sharing({"a": 1})
    sharing.processes = processes
    taken = [sharing._part(samples, rank)[: sharing._size(samples, rank)].tolist() for rank in range(processes)]
    assert [number for part in taken for number in part] == list(range(samples))


def test_the_widest_layers_are_shared_out_first() -> None:
    from corank.measure.sharing import _owners

    owners = _owners({"a": 10, "b": 9, "c": 2, "d": 1}, 2)
    assert owners == {"a": 0, "b": 1, "c": 1, "d": 0}
