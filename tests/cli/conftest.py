"""A folder of the user's own to work in, and the program to run there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from corank.cli import run

from .user import MODULE, Corank, Said


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a user's own networks and images and the run of a trained network; nothing in it is changed."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "own_networks.py").write_text(MODULE)
    (folder / "unfinished.py").write_text("def half(:\n")
    (folder / "needy.py").write_text("import a_package_that_nobody_has\n")
    chance = np.random.default_rng(0)
    labels = np.arange(240) % 3
    templates = chance.integers(0, 160, (3, 6, 6))
    np.savez(folder / "toy.npz", x=(templates[labels] + chance.integers(0, 96, (240, 6, 6))).astype(np.uint8), y=labels)
    before = Path.cwd()
    os.chdir(folder)
    try:
        line = ["--network", "own_networks:tiny", "--data", "toy.npz", "--epochs", "2", "--out", "trained"]
        assert run(["train", *line]) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own with the user's files, which is the working directory."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CORANK_DATA", raising=False)
    return tmp_path


@pytest.fixture
def corank(here: Path, capfd: pytest.CaptureFixture[str]) -> Corank:
    """Runs a command line of words in the user's folder."""

    def answer(*words: str) -> Said:
        capfd.readouterr()
        code = run(words)
        out, err = capfd.readouterr()
        return Said(code, out, err)

    return answer
