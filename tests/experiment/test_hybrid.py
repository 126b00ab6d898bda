"""A hybrid model's run folder holds the model, and its numbers are those of the model and of its network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import corank
from corank.attack import DeepFool
from corank.defend import MaxMarginHead
from corank.errors import InputError
from corank.experiment import Opened, accuracies
from corank.experiment.hybrid import run_hybrid
from corank.zoo import Dataset
from corank.zoo.data import to_pixels

HEAD = MaxMarginHead(layer="2", dimensions=4, samples=150)


def test_the_folder_holds_the_model_and_its_numbers(
    make_opened: Callable[..., Opened], pixels: Dataset, tmp_path: Path
) -> None:
    opened = make_opened("tiny")
    before = {name: value.clone() for name, value in opened.network.state_dict().items()}
    run = run_hybrid(opened, pixels, HEAD, tmp_path / "run", images=1000)
    assert all(torch.equal(value, before[name]) for name, value in opened.network.state_dict().items())
    model = corank.load(tmp_path / "run")
    found = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert found["test_accuracy"] == accuracies(model, pixels).test
    assert found["original_test_accuracy"] == accuracies(opened.network, pixels).test
    assert (found["dimensions"], found["features"], found["samples"]) == (4, 12, 150)
    x, y = to_pixels(pixels.test.images), pixels.test.labels
    made = DeepFool().attack(opened.network, x, y, bounds=pixels.bounds)
    fooled = (made.clean == made.labels) & (made.classes != made.labels)
    assert bool(fooled.any())
    with torch.no_grad():
        right = model(made.inputs[fooled]).argmax(1) == made.labels[fooled]
    assert found["right_where_fooled"] == pytest.approx(float(right.double().mean()))
    page = (tmp_path / "run" / "index.html").read_text()
    assert "4 of 12" in page
    assert run.description["command"] == "defend"


def test_a_finished_run_is_not_made_again_and_another_is_refused(
    make_opened: Callable[..., Opened], pixels: Dataset, tmp_path: Path
) -> None:
    opened, said = make_opened("tiny"), []
    run_hybrid(opened, pixels, HEAD, tmp_path, images=10)
    run_hybrid(opened, pixels, HEAD, tmp_path, images=10, report=said.append)
    assert "nothing to do" in said[0]
    with pytest.raises(InputError, match="overwrite"):
        run_hybrid(opened, pixels, MaxMarginHead(layer="2", dimensions=3), tmp_path)
    with pytest.raises(InputError, match="images must be at least 1, got 0"):
        run_hybrid(opened, pixels, HEAD, tmp_path / "other", images=0)
