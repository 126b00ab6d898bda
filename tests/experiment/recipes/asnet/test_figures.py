"""Figures against closed forms and scikit-learn, and claims that can fail."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from corank.experiment.bench import Bench
from corank.experiment.recipe import find_recipes
from corank.experiment.recipes.asnet import figure1, figure3, figure5b
from corank.experiment.recipes.asnet.spectra import distance_to_normal
from corank.experiment.store import Store
from corank.network import capture, cut
from corank.zoo.data.dataset import Split, assemble


def test_figure_4_is_the_example_in_closed_form(tmp_path: Path) -> None:
    recipe = find_recipes()["asnet/figure4"]
    found = recipe.run_cell(recipe.cells("smoke")[0], Bench(Store(tmp_path)))
    assert found["alignment"] == pytest.approx(1, abs=1e-12)
    assert found["change_along_active"] == pytest.approx(0.3 * math.sqrt(2), abs=1e-12)
    assert found["second_moment"] == pytest.approx(1 / 3, abs=4 * 0.3 / math.sqrt(10_000))
    assert found["mixed_moment"] == pytest.approx(1 / 4, abs=4 * 0.25 / math.sqrt(10_000))


def test_the_distance_to_normal_is_that_of_scipy() -> None:
    values = torch.rand(200, generator=torch.Generator().manual_seed(0)).double().square()
    fitted = scipy.stats.norm(values.mean(), values.std(correction=1))
    assert distance_to_normal(values) == pytest.approx(scipy.stats.kstest(values.numpy(), fitted.cdf).statistic)


def test_a_regression_on_all_features_never_sees_them_all() -> None:
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.randn(300, 12, generator=generator), torch.arange(300) % 3
    images[torch.arange(300), labels] += 1.5
    data = assemble("toy", Split(images, labels))
    network = nn.Sequential(nn.Linear(12, 400), nn.ReLU(), nn.Linear(400, 3))
    halves = cut(capture(network, images[:2]), "1", images[:2])
    with torch.no_grad():
        train, test = (halves.pre(split.images).numpy() for split in (data.train, data.test))
    mean = train.mean(0)
    scale = np.sqrt(np.square(train - mean).sum(1).mean())
    classifier = LogisticRegression(C=1 / (figure5b.RIDGE * len(train)), max_iter=figure5b.STEPS)
    classifier.fit((train - mean) / scale, data.train.labels.numpy())
    expected = 100 * classifier.score((test - mean) / scale, data.test.labels.numpy())
    assert 50 < expected < 100
    found = figure5b._on_all_features(halves, data, None)
    assert found == pytest.approx(expected, abs=100 * 1.5 / len(test))  # an image on the border may fall either way


def test_claims_of_figures_can_fail() -> None:
    dozens, late = figure1.TABLE.claims
    rows = [{"layer": n, "features": 20_000, "active_neurons": 60, "parameters": n**2} for n in range(1, 17)]
    assert (dozens.holds(rows), late.holds(rows)) == (True, True)
    assert (dozens.holds([]), late.holds(rows[1:])) == (None, None)
    assert dozens.holds([*rows, {**rows[0], "active_neurons": 600}]) is False
    assert late.holds([{**row, "parameters": 1} for row in rows]) is False
    (normal,) = figure3.TABLE.claims
    assert normal.holds([{"distance_1": 0.05, "distance_2": 0.09}]) is True
    assert normal.holds([{"distance_1": 0.05, "distance_2": 0.2}]) is False
    (best,) = figure5b.TABLE.claims
    ways = dict.fromkeys(figure5b.WAYS, 50.0)
    assert best.holds([{**ways, "as_pce": 51.0}]) is True
    assert best.holds([{**ways, "as_pce": 51.0}, {**ways, "lr": 50.1}]) is False
    assert best.holds([]) is None
