"""`torchrun` starts the same command several times: they find what one finds, and one of them speaks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.measure.test_sharing import differences

from .user import Corank, strict_json

TWO = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def together(here: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command line in two processes."""
    line = [sys.executable, *TWO, "-m", "corank", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(line, cwd=here, env=environment, capture_output=True, text=True, timeout=200)


def test_two_processes_find_and_write_what_one_finds(corank: Corank, here: Path) -> None:
    line = ["measure", "--network", "trained", "--data", "toy.npz", "--rank", "5", "--json"]
    alone = corank(*line)
    done = together(here, *line, "--out", "new")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    found = strict_json(done.stdout)
    assert len(found["layers"]) == 2
    assert differences(strict_json(alone.out), found) == []
    written = strict_json((here / "new/measurement.json").read_text())
    assert written["layers"] == found["layers"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--network", "trained", "--layer", "nothing"], "corank: no layer 'nothing' in the network"),
        (["--network", "own_networks:only_second", "--random-weights"], "the hovercraft is full"),
    ],
    ids=["of all", "of the second"],
)
def test_a_mistake_is_told_once(here: Path, words: list[str], reason: str) -> None:
    done = together(here, "measure", *words, "--data", "toy.npz", "--json")
    assert done.returncode != 0
    assert done.stdout == ""
    (told,) = [text for text in done.stderr.splitlines() if text.startswith("corank: ")]
    assert reason in told
    assert str(Path("corank", "cli")) not in done.stderr, "a traceback of ours"
