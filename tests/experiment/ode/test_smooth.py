"""Neural ODEs as runs, and the (S, n)-criterion of a run folder with its page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from corank.errors import InputError
from corank.experiment import Training, load, open_network
from corank.experiment.ode.smooth import run_smoothness, smoothness_table
from corank.ode import RK2
from corank.ode.block import blocks_of
from corank.ode.meta import Smoothing
from corank.zoo import Dataset

OPTIONS = {"solver": "euler", "steps": 2, "channels": 4, "gradient": "checkpoint"}


def test_a_neural_ode_comes_back_from_its_run_folder(pixels: Dataset, tmp_path: Path) -> None:
    options = {**OPTIONS, "solver": "rk2", "u": 0.75, "regime": "smoothing", "field_norm": "weight"}
    opened = open_network("odenet4", dataset=pixels, options=options)
    run = Training(epochs=1).run(opened, pixels, tmp_path)
    (block,) = run.metrics["ode_blocks"]
    assert (block["solver"], block["gradient"], block["steps"], block["evaluations_forward"]) == (
        "RK2", "checkpoint", 2, 4,
    )  # fmt: skip
    assert block["evaluations_backward"] == 4
    network = load(tmp_path)
    (found,) = blocks_of(network).values()
    assert found.regime == Smoothing(solver=RK2(u=0.75, steps=2))
    x = torch.rand(3, 1, 6, 6)
    with torch.no_grad():
        assert torch.equal(network(x), opened.network(x))
    assert "The ODE blocks" in (tmp_path / "index.html").read_text()
    other = open_network("odenet4", dataset=pixels, options={**options, "u": 0.5})
    with pytest.raises(InputError, match=r"network_options.u was 0.75, now 0.5"):
        Training(epochs=1).run(other, pixels, tmp_path)


def test_options_are_for_networks_of_the_zoo(pixels: Dataset, tmp_path: Path) -> None:
    Training(epochs=1).run(open_network("odenet4", dataset=pixels, options=OPTIONS), pixels, tmp_path)
    with pytest.raises(InputError, match="--steps 3 does not go with"):
        open_network(str(tmp_path), dataset=pixels, options={"steps": 3})


def test_the_page_of_the_criterion(pixels: Dataset, tmp_path: Path) -> None:
    opened = open_network("odenet4", dataset=pixels, options=OPTIONS)
    found = run_smoothness(opened, pixels, tmp_path, images=30)
    assert found.samples == 30
    stored = json.loads((tmp_path / "smoothness.json").read_text())
    assert stored["verdict"] == found.verdict
    assert [row["evaluations"] for row in stored["stronger"]] == [4, 8, 16] * 3
    assert (tmp_path / "figures" / "solver-accuracies.svg").is_file()
    assert len(smoothness_table(found).rows) == 10
    with pytest.raises(InputError, match="images was 30, now 20"):
        run_smoothness(opened, pixels, tmp_path, images=20)
    run_smoothness(opened, pixels, tmp_path, images=20, overwrite=True)
    with pytest.raises(InputError, match="images must be at least 1, got 0"):
        run_smoothness(opened, pixels, images=0)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds 'mine.txt' and is no smoothness"):
        run_smoothness(opened, pixels, tmp_path / "elsewhere")
