"""What commands leave behind: kept until overwritten, never beside other people's files, and resumed after a stop."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from corank.cli import run
from corank.experiment import load

from .user import (
    COMPRESS,
    COST,
    DEFEND,
    EVALUATE,
    MEASURE,
    STUDY,
    TRAIN,
    TRANSFER,
    UNIVERSAL,
    Corank,
    assert_refused,
    contents,
    interrupt_after,
    words,
)


def change(line: tuple[str, ...], option: str, value: str) -> list[str]:
    """The line with another value of an option."""
    if option not in line:
        return [*line, option, value]
    place = line.index(option)
    return [*line[: place + 1], value, *line[place + 2 :]]


@pytest.mark.parametrize(
    ("line", "option", "other"),
    [
        pytest.param(TRAIN, "--epochs", "3", id="train"),
        pytest.param(COMPRESS, "--rank", "3", id="compress"),
        pytest.param(DEFEND, "--rank", "3", id="defend"),
        pytest.param(STUDY, "--seed", "1", id="study"),
        pytest.param(UNIVERSAL, "--images", "50", id="attack universal"),
        pytest.param(EVALUATE, "--images", "20", id="attack evaluate"),
        pytest.param(TRANSFER, "--images", "50", id="attack transfer"),
    ],
)
def test_a_run_is_kept_until_overwritten(corank: Corank, line: tuple[str, ...], option: str, other: str) -> None:
    first = corank(*line)
    assert first.code == 0, first
    before = contents(Path("new"))
    assert "index.html" in before
    again = corank(*line)
    assert (again.code, again.out) == (0, first.out)
    assert "nothing to do" in again.err
    changed = change(line, option, other)
    assert_refused(corank(*changed), f"now {other}")
    assert contents(Path("new")) == before
    Path("new/notes.txt").write_text("mine")
    replaced = corank(*changed, "--overwrite")
    assert replaced.code == 0, replaced
    assert Path("new/notes.txt").read_text() == "mine"
    after = contents(Path("new"))
    assert [name for name in before if after.get(name) != before[name]], (
        "the page may say the same of a toy, not all files"
    )
    assert f"was {other}, now" in corank(*line).err


def test_a_measurement_is_kept_until_overwritten(corank: Corank) -> None:
    assert corank(*MEASURE).code == 0
    before = contents(Path("new"))
    assert corank(*MEASURE).code == 0
    assert contents(Path("new")).keys() == before.keys()
    assert contents(Path("new"))["measurement.json"] == before["measurement.json"]
    assert_refused(corank(*MEASURE, "--seed", "1"), "seed was 0, now 1")
    assert contents(Path("new"))["measurement.json"] == before["measurement.json"]
    assert corank(*MEASURE, "--seed", "1", "--overwrite").code == 0
    assert json.loads(Path("new/measurement.json").read_text())["options"]["seed"] == 1


def test_a_run_folder_that_was_moved_is_a_network_to_every_command(corank: Corank) -> None:
    logits = load(Path("trained"))(torch.ones(2, 1, 6, 6))
    place = (Path("elsewhere") / "a run").resolve()
    place.parent.mkdir()
    shutil.move("trained", place)
    Path("own_networks.py").unlink()
    for line in (MEASURE, COMPRESS, COST):
        words = [str(place) if word == "trained" else f"{word}-{line[0]}" if word == "new" else word for word in line]
        said = corank(*words)
        assert said.code == 0, said
    assert torch.equal(load(place)(torch.ones(2, 1, 6, 6)), logits)
    cut = corank("measure", "--network", "new-compress", "--data", "toy.npz", "--rank", "2")
    assert cut.code == 0, cut


WRITING = [TRAIN, COMPRESS, STUDY, MEASURE, UNIVERSAL, EVALUATE, TRANSFER]


@pytest.mark.parametrize("line", WRITING, ids=lambda line: " ".join(line[:2]))
def test_files_of_somebody_else_are_never_written_beside(corank: Corank, line: tuple[str, ...]) -> None:
    Path("new").mkdir()
    Path("new/thesis.tex").write_text("mine")
    for flags in ((), ("--overwrite",)):
        assert_refused(corank(*line, *flags), "thesis.tex")
    assert contents(Path("new")) == {"thesis.tex": b"mine"}


@pytest.mark.parametrize("line", WRITING, ids=lambda line: " ".join(line[:2]))
def test_a_folder_that_cannot_be_written_is_noticed_before_the_work(corank: Corank, line: tuple[str, ...]) -> None:
    Path("new").mkdir(mode=0o555)
    if os.access("new", os.W_OK):
        pytest.skip("this user may write anywhere")
    assert_refused(corank(*line), "'new'")


@pytest.mark.parametrize("line", [COMPRESS, STUDY, TRAIN, UNIVERSAL, EVALUATE], ids=lambda line: " ".join(line[:2]))
def test_the_network_that_is_asked_for_is_not_overwritten(corank: Corank, line: tuple[str, ...]) -> None:
    before = contents(Path("trained"))
    words = [{"new": "trained", "own_networks:Residual": "trained"}.get(word, word) for word in line]
    assert_refused(corank(*words, "--overwrite"), "'trained'")
    assert contents(Path("trained")) == before


def test_another_network_of_the_same_name_is_told_apart(corank: Corank) -> None:
    assert corank(*COMPRESS).code == 0
    line = "train --network own_networks:tiny --data toy.npz --epochs 2 --seed 1 --out trained --overwrite"
    assert corank(*line.split()).code == 0
    assert_refused(corank(*COMPRESS), "weights was sha256")


def test_other_images_under_the_same_name_are_told_apart(corank: Corank) -> None:
    assert corank(*COMPRESS).code == 0
    with np.load("toy.npz") as file:
        x, y = file["x"].copy(), file["y"]
    x[17, 3, 3] ^= 1
    np.savez("toy.npz", x=x, y=y)
    assert_refused(corank(*COMPRESS), "images was sha256")


# Interruption


def test_an_interrupted_training_goes_on_to_the_same_bits(corank: Corank, monkeypatch: pytest.MonkeyPatch) -> None:
    line = [word.replace("2", "4") if word == "2" else word for word in TRAIN]
    whole = corank(*("whole" if word == "new" else word for word in line))
    interrupt_after(monkeypatch, 2)
    stopped = corank(*line)
    assert (stopped.code, stopped.out) == (130, "")
    assert stopped.err == "corank: interrupted; what was finished is kept\n"
    assert_refused(corank("measure", "--network", "new", "--data", "toy.npz"), "'new'")
    with monkeypatch.context() as slow:
        slow.setattr("corank.cli.training.EVERY_SECONDS", 0.0)
        resumed = corank(*line)
    assert resumed.code == 0
    assert "after epoch 2" in resumed.err
    assert [f"corank: epoch {epoch} of 4: loss" in resumed.err for epoch in (1, 2, 3, 4)] == [False, False, True, True]
    assert Path("new/weights.safetensors").read_bytes() == Path("whole/weights.safetensors").read_bytes()
    assert resumed.out == whole.out.replace("whole", "new")
    assert not Path("new/checkpoint").exists()


def test_an_interrupted_defence_goes_on_to_the_same_bits_and_is_a_network_to_attack(
    corank: Corank, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = corank(*("whole" if word == "new" else word for word in DEFEND))
    interrupt_after(monkeypatch, 2)
    assert corank(*DEFEND).code == 130
    resumed = corank(*DEFEND)
    assert resumed.code == 0
    assert "this very defence, which stopped after epoch 2 of 3: going on" in resumed.err
    assert Path("new/weights.safetensors").read_bytes() == Path("whole/weights.safetensors").read_bytes()
    assert resumed.out == whole.out.replace("whole", "new")
    rows = json.loads(Path("new/metrics.json").read_text())["history"]
    assert [row["epoch"] for row in rows] == [0, 1, 2, 3]
    assert {"clean_accuracy", "robust_accuracy", "layers"} <= {*rows[-1]}
    assert [one["layer"] for one in rows[0]["layers"]] == ["stem", "first", "second", "out"]
    assert not Path("new/checkpoint").exists()
    attacked = corank("attack", "evaluate", "--network", "new", "--data", "toy.npz", "--radius", "0.05", "--images",
                      "9", "--attack", "fgsm", "--no-audit", "--json")  # fmt: skip
    assert attacked.code == 0, attacked


def test_an_unfinished_defence_says_what_it_is_and_what_to_do(corank: Corank, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_after(monkeypatch, 2)
    assert corank(*DEFEND).code == 130
    before = contents(Path("new"))
    natural = [*words("defend natural --network own_networks:Residual --data toy.npz --epochs 3 --out new")]
    for line, found in (
        (change(DEFEND, "--rank", "3"), "holds a defence with rank 4, not 3, which stopped after epoch 2"),
        (natural, "holds a defence with method LowRank, not Natural, which stopped after epoch 2"),
    ):
        refused = corank(*line)
        assert_refused(refused, found)
        assert all(way in refused.err for way in ("the same options", "--overwrite", "another --out"))
        assert contents(Path("new")) == before
    replaced = corank(*natural, "--overwrite")
    assert replaced.code == 0
    assert not Path("new/checkpoint").exists()


def test_an_unfinished_training_is_no_defence(corank: Corank, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_after(monkeypatch, 1)
    assert corank(*TRAIN).code == 130
    assert_refused(corank(*DEFEND), "holds something else than a defence, which stopped after epoch 1")


@pytest.mark.parametrize(
    "line",
    [
        "defend regularised --network trained --data toy.npz --l1 nothing=0.1 --out deep/new",
        "compress asnet --network trained --data toy.npz --layer nothing --rank 2 --out deep/new",
    ],
    ids=["defend", "compress"],
)
def test_a_refused_command_leaves_no_folder(corank: Corank, line: str) -> None:
    assert_refused(corank(*line.split()), "nothing")
    assert not Path("deep").exists()
    Path("deep/new").mkdir(parents=True)
    assert_refused(corank(*line.split()), "nothing")
    assert Path("deep/new").is_dir(), "a folder that was there is the caller's"


def test_a_bottleneck_is_part_of_the_network_that_is_saved(corank: Corank) -> None:
    line = "defend bottle-low-rank --network own_networks:tiny --data toy.npz --layer 1 --rank 3 --epochs 2 --out new"
    assert corank(*line.split()).code == 0
    assert "network.1.1.down.weight" in load(Path("new")).state_dict()


def test_an_interrupted_study_goes_on_with_its_training(corank: Corank, monkeypatch: pytest.MonkeyPatch) -> None:
    line = [*STUDY, "--train-epochs", "3"]
    line[line.index("trained")] = "own_networks:tiny"
    interrupt_after(monkeypatch, 2)
    assert corank(*line).code == 130
    assert not Path("new/study.json").exists()
    resumed = corank(*line)
    assert resumed.code == 0
    assert "after epoch 2" in resumed.err
    assert json.loads(Path("new/network/metrics.json").read_text())["epochs"] == 3


def test_an_interrupted_compression_goes_on_to_the_same_bits(corank: Corank, monkeypatch: pytest.MonkeyPatch) -> None:
    line = change(COMPRESS, "--epochs", "3")
    whole = corank(*change(tuple(line), "--out", "whole"))
    interrupt_after(monkeypatch, 2)
    stopped = corank(*line)
    assert (stopped.code, stopped.out) == (130, "")
    assert stopped.err == "corank: interrupted; what was finished is kept\n"
    assert_refused(corank("measure", "--network", "new", "--data", "toy.npz"), "'new'")
    assert_refused(corank(*change(tuple(line), "--rank", "3")), "run.rank was 2 there and is 3 here")
    resumed = corank(*line)
    assert resumed.code == 0
    assert "after epoch 2 of fine-tuning" in resumed.err
    assert Path("new/weights.safetensors").read_bytes() == Path("whole/weights.safetensors").read_bytes()
    assert contents(Path("new")).keys() == contents(Path("whole")).keys()
    assert whole.code == 0


def test_a_killed_compression_goes_on_to_the_same_bits(corank: Corank, here: Path) -> None:
    line = change(COMPRESS, "--epochs", "60")
    process = start(here, *line)
    deadline = time.monotonic() + 60
    while not list((here / "new/checkpoint/fine-tuning").glob("epoch-?")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    resumed = corank(*line)
    assert "going on where the compression in 'new' stopped, after epoch" in resumed.err
    assert corank(*change(tuple(line), "--out", "whole")).code == 0
    assert Path("new/weights.safetensors").read_bytes() == Path("whole/weights.safetensors").read_bytes()
    assert not Path("new/checkpoint").exists()


def test_an_interrupted_compression_leaves_the_old_run(corank: Corank, monkeypatch: pytest.MonkeyPatch) -> None:
    assert corank(*COMPRESS).code == 0
    before = contents(Path("new"))

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("corank.experiment.compressing.compress_and_evaluate", interrupted)
    assert corank(*COMPRESS, "--order", "1", "--overwrite").code == 130
    assert contents(Path("new")) == before


def start(here: Path, *words: str, **options: Any) -> subprocess.Popen[str]:
    program = Path(sys.executable).with_name("corank")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen([program, *words], cwd=here, text=True, **pipes)


def test_the_signal_of_a_terminal_ends_the_program_with_130(here: Path) -> None:
    line = ["train", "--network", "own_networks:tiny", "--data", "toy.npz", "--epochs", "100000", "--out", "new"]
    process = start(here, *line)
    deadline = time.monotonic() + 60
    while not list((here / "new/checkpoint").glob("epoch-?")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "corank: interrupted; what was finished is kept\n")


def test_a_reader_that_goes_away_is_no_error(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as gone:
        monkeypatch.setattr(sys, "stdout", gone)
        assert run(["cost", "--network", "trained", "--no-latency", "--json"]) == 0


def test_several_processes_print_once(here: Path) -> None:
    pytest.importorskip("lightning_fabric")
    process = start(here, *TRAIN, "--processes", "2", "--json")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert json.loads(out)["epochs"] == 2
