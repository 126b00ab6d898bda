"""A density as a run: what it writes, how it goes on after a stop, and that its flow comes back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from corank.errors import InputError
from corank.experiment import load, open_network
from corank.experiment.ode import density
from corank.experiment.ode.density import DensityTraining
from corank.ode.flow import Flow
from corank.ode.flow_options import FlowOptions
from corank.train.checkpoint import Checkpoint
from corank.zoo import load_data
from corank.zoo.data.densities import load_points

QUICK = FlowOptions(hidden=(8,), solver="rk4", solver_steps=2, gradient="backprop")


def training(**options: object) -> DensityTraining:
    return DensityTraining(**{"flow": QUICK, "steps": 6, "batch_size": 20, **options})


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretches of two steps, and small pictures."""
    monkeypatch.setattr(density, "_STRETCH", 2)
    monkeypatch.setattr("corank.experiment.ode.learnt.GRID", 30)


def test_a_run_holds_the_flow_its_course_and_its_pictures(tmp_path: Path) -> None:
    metrics = training(steps=5).run(load_points("moons"), tmp_path)
    assert [row["step"] for row in metrics["rows"]] == [2, 4, 5]
    assert metrics["test_log_density"] == pytest.approx(-metrics["rows"][-1]["test_loss"])
    flow = load(tmp_path)
    assert isinstance(flow, Flow)
    assert not flow.training
    with torch.no_grad():
        found = flow.log_density(load_points("moons").test)
    assert float(found.double().mean()) == pytest.approx(metrics["test_log_density"], rel=1e-5)
    assert {file.stem for file in (tmp_path / "figures").iterdir()} == {"density", "trajectories", "loss-by-cost"}
    assert not (tmp_path / "checkpoint").exists()
    page = (tmp_path / "index.html").read_text()
    assert "The density of moons" in page


def test_training_fits(tmp_path: Path) -> None:
    """A wide cloud far from the Gaussian: the fit is that of a Gaussian with the cloud's own mean and spread."""
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "cloud.npz", x=rng.normal((50.0, -20.0), (5.0, 0.1), (800, 2)))
    data = load_points(str(tmp_path / "cloud.npz"))
    _, rows = training(steps=40, learning_rate=1e-2).fitted(data)
    best = -np.log(5.0 * 0.1 * 2 * np.pi * np.e)
    assert -rows[-1].test_loss == pytest.approx(best, abs=0.15)
    assert rows[-1].test_loss < rows[0].test_loss


def test_beyond_the_plane_there_is_no_picture_of_the_density(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for dimension in (1, 3):
        np.savez(tmp_path / "points.npz", x=rng.normal(size=(200, dimension)))
        out = tmp_path / f"out{dimension}"
        metrics = training().run(load_points(str(tmp_path / "points.npz")), out)
        assert metrics["mass"] is None
        assert load(out).sample(3).shape == (3, dimension)


@pytest.mark.parametrize("kept", [1, 2])
@pytest.mark.parametrize("divergence", ["exact", "rademacher"])
def test_a_stopped_training_goes_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int, divergence: str
) -> None:
    options = FlowOptions(**{**QUICK.to_dict(), "divergence": divergence})
    one, data = training(flow=options), load_points("circles")
    whole = one.run(data, tmp_path / "whole")
    save = Checkpoint.save

    def stop(self: Checkpoint, network: torch.nn.Module, optimiser: torch.optim.Optimizer, progress: object) -> None:
        save(self, network, optimiser, progress)
        if len(progress.rows) == kept:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", stop)
        with pytest.raises(KeyboardInterrupt):
            one.run(data, tmp_path / "stopped")
    said: list[str] = []
    stopped = one.run(data, tmp_path / "stopped", report=said.append)
    assert f"after epoch {kept}" in said[0]
    bits = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "stopped")]
    assert bits[0] == bits[1]
    losses = [[row["test_loss"] for row in metrics["rows"]] for metrics in (whole, stopped)]
    assert losses[0] == losses[1]


def test_a_finished_run_is_not_done_again_and_another_one_refused(tmp_path: Path) -> None:
    data = load_points("moons")
    training().run(data, tmp_path)
    before = (tmp_path / "description.json").stat().st_mtime_ns
    said: list[str] = []
    training().run(data, tmp_path, report=said.append)
    assert "nothing to do" in said[0]
    assert (tmp_path / "description.json").stat().st_mtime_ns == before
    with pytest.raises(InputError, match="steps was 6, now 4"):
        training(steps=4).run(data, tmp_path)
    training(steps=4).run(data, tmp_path, overwrite=True)
    assert json.loads((tmp_path / "metrics.json").read_text())["rows"][-1]["step"] == 4


def test_a_flow_is_no_classifier(tmp_path: Path) -> None:
    training().run(load_points("moons"), tmp_path)
    with pytest.raises(InputError, match=r"cannot take images|must return logits"):
        open_network(str(tmp_path), dataset=load_data("digits"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be positive, got nan"),
        ({"seed": -1}, "seed must be between 0 and"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        training(**options)
