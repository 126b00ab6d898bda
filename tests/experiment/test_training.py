"""A training as a run: what it writes, how it goes on after a stop, and when it does nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from corank.errors import InputError
from corank.experiment import Opened, Training, load
from corank.train import accuracy
from corank.train.checkpoint import Checkpoint
from corank.zoo import Batches, Dataset

Make = Callable[..., Opened]


def fresh(make_opened: Make) -> Opened:
    return make_opened("residual", trained=False)


def test_a_run_says_what_its_network_does(make_opened: Make, pixels: Dataset, tmp_path: Path) -> None:
    run = Training(epochs=3, batch_size=16, learning_rate=1e-2, seed=5).run(fresh(make_opened), pixels, tmp_path)
    assert run.metrics["test_accuracy"] == accuracy(load(tmp_path), Batches(pixels.test, 7))
    assert run.metrics["validation_accuracy"] == accuracy(load(tmp_path), Batches(pixels.validation, 7))
    assert run.metrics["test_accuracy"] > 0.5
    assert [row["epoch"] for row in run.metrics["history"]] == [1, 2, 3]
    options = run.description["options"]
    assert (options["epochs"], options["batch_size"], options["learning_rate"], options["seed"]) == (3, 16, 1e-2, 5)
    assert options["optimiser"] == "adamw", "what was not given is filled in and recorded"
    assert not (tmp_path / "checkpoint").exists()


def test_one_seed_gives_one_result(make_opened: Make, pixels: Dataset, tmp_path: Path) -> None:
    bits = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        Training(epochs=1, seed=seed).run(fresh(make_opened), pixels, tmp_path / name)
        bits.append((tmp_path / name / "weights.safetensors").read_bytes())
    assert bits[0] == bits[1] != bits[2]


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_a_training_stopped_after_any_epoch_goes_on_to_the_same_bits(
    make_opened: Make, pixels: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    training = Training(epochs=3, learning_rate=1e-2)
    training.run(fresh(make_opened), pixels, tmp_path / "whole")
    save = Checkpoint.save

    def stop(self: Checkpoint, network: torch.nn.Module, optimiser: torch.optim.Optimizer, progress: object) -> None:
        save(self, network, optimiser, progress)
        if len(progress.rows) == kept:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", stop)
        with pytest.raises(KeyboardInterrupt):
            training.run(fresh(make_opened), pixels, tmp_path / "stopped")
    said: list[str] = []
    training.run(fresh(make_opened), pixels, tmp_path / "stopped", report=said.append)
    assert f"after epoch {kept}" in said[0]
    whole, stopped = ((tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "stopped"))
    assert whole == stopped


def test_a_stopped_training_with_other_options_is_refused_or_replaced(
    make_opened: Make, pixels: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("corank.experiment.training.save_run", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            Training(epochs=1).run(fresh(make_opened), pixels, tmp_path)
    with pytest.raises(InputError, match=r"seed was 0 there and is 1"):
        Training(epochs=1, seed=1).run(fresh(make_opened), pixels, tmp_path)
    Training(epochs=1, seed=1).run(fresh(make_opened), pixels, tmp_path, overwrite=True)
    assert json.loads((tmp_path / "description.json").read_text())["seed"] == 1


def test_a_finished_training_is_not_done_again_unless_asked(
    make_opened: Make, pixels: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, said = Training(epochs=1), []
    training.run(fresh(make_opened), pixels, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("corank.experiment.training.fit", lambda *_, **__: 1 / 0)
        training.run(fresh(make_opened), pixels, tmp_path, report=said.append)
        assert "nothing to do" in said[0]
        with pytest.raises(ZeroDivisionError):
            training.run(fresh(make_opened), pixels, tmp_path, overwrite=True)


def test_other_weights_to_start_from_are_another_training(make_opened: Make, pixels: Dataset, tmp_path: Path) -> None:
    Training(epochs=1).run(make_opened("tiny"), pixels, tmp_path)
    other = make_opened("tiny")
    with torch.no_grad():
        next(other.network.parameters()).add_(1e-3)
    with pytest.raises(InputError, match="weights was sha256"):
        Training(epochs=1).run(other, pixels, tmp_path)


def test_a_mistake_beside_overwrite_costs_no_run(make_opened: Make, pixels: Dataset, tmp_path: Path) -> None:
    Training(epochs=1).run(fresh(make_opened), pixels, tmp_path)
    with pytest.raises(InputError, match="'8-bit'"):
        Training(epochs=1, precision="8-bit").run(fresh(make_opened), pixels, tmp_path, overwrite=True)
    load(tmp_path)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("epochs", 0),
        ("batch_size", -1),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("weight_decay", -1.0),
    ],
)
def test_options_out_of_range_are_refused(option: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{option} .*got {value}"):
        Training(**{option: value})
