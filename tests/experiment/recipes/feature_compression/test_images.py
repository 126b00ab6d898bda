"""Sevens without their stroke, photographs that a user names, and claims that can fail."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from corank.errors import InputError
from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell
from corank.experiment.recipes.feature_compression import (
    figure6,
    photographs,
    strokes,
    table5,
    table6,
    table7,
    table8,
)
from corank.experiment.recipes.feature_compression.paths import ALPHAS
from corank.experiment.recipes.feature_compression.strokes import without_stroke
from corank.experiment.store import Store


def cell_of(options: Any, **axes: Any) -> Cell[Any]:
    return Cell(recipe="a/b", preset="smoke", axes=axes, options=options, stands_in=True, seed=0)


class UpperLeft(nn.Module):
    """Class 0 by the ink in the upper left, class 1 otherwise."""

    def forward(self, x: Tensor) -> Tensor:
        bright = x[:, 0, :3, :3].sum((1, 2))
        return torch.stack([bright, torch.full_like(bright, 2.5)], 1)


def test_the_least_rectangle_that_makes_the_other_class_is_blocked() -> None:
    image = torch.zeros(1, 8, 8)
    image[0, 1, 1:6] = 1.0  # the bar of a seven
    image[0, 1:8, 5] = 0.9
    found = without_stroke(UpperLeft().eval(), image[:, 1:, 1:], 1)
    assert found is not None
    assert (found.height, found.width) == (1, 1), "one of three bright pixels leaves two, fewer than 2.5"
    assert float(found.image[0, 0, 0]) == 0
    assert int((found.image != image[:, 1:, 1:]).sum()) == 1
    assert without_stroke(UpperLeft().eval(), torch.zeros(1, 5, 5), 1) is None
    low = torch.zeros(1, 6, 6)
    low[0, 0, 5], low[0, 2, :3], low[0, 3:, 0] = 1.0, 1.0, 1.0  # below the middle of what is allowed
    assert without_stroke(UpperLeft().eval(), low, 5) is None


def test_of_two_rectangles_the_smaller_change_is_taken() -> None:
    """Blocking three pixels of the first line or two of the first column both make the other class."""
    image = torch.zeros(1, 4, 4)
    image[0, 0, :3] = torch.tensor([0.3, 1.0, 1.0])
    image[0, 1:, 0] = 0.5
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 2)).eval()
    with torch.no_grad():
        network[1].weight.zero_()
        network[1].weight[0, [2, 4]] = torch.tensor([1.0, 2.0])  # the third pixel and the one below the corner
        network[1].bias.copy_(torch.tensor([0.0, 1.5]))
    found = without_stroke(network, image, 1)
    assert found is not None
    assert (found.height, found.width) == (2, 1)


def test_tables_5_and_6_are_about_the_same_experiments(tmp_path: Path) -> None:
    bench = Bench(Store(tmp_path))
    first = table5.run_cell(cell_of(strokes.SMALL, experiment=1), bench)
    along = [table6.run_cell(cell_of(strokes.SMALL, experiment=1, alpha=alpha), bench)["cos_theta"] for alpha in ALPHAS]
    assert along == first["cosines"]
    assert along[0] == first["cos_theta_t"]
    assert table6.run_cell(cell_of(strokes.SMALL, experiment=1), bench)["cos_theta"] == pytest.approx(fmean(along))
    assert first["Q_over_half_L"] == pytest.approx(2 * first["Q"] / first["L"])
    assert first["M"] < 0 < first["Q"]


def test_table_7_counts_alpha_from_the_end_of_the_path(tmp_path: Path) -> None:
    bench = Bench(Store(tmp_path))
    row = table8.run_cell(cell_of(photographs.SMALL, experiment=2), bench)
    told = [table7.run_cell(cell_of(photographs.SMALL, experiment=2, alpha=a), bench)["cos_theta"] for a in ALPHAS]
    assert told == row["cosines"][::-1]
    curve = figure6.run_cell(cell_of(photographs.SMALL), bench)
    assert curve["points"] == len(curve["cosines"]) == 11
    assert curve["largest_abs_cos_theta"] == max(map(abs, curve["cosines"]))


NETWORK = """
import torch
from torch import nn

class Half(nn.Module):
    def forward(self, x):
        left, right = x[..., :4].mean((1, 2, 3)), x[..., 4:].mean((1, 2, 3))
        return torch.stack([left, right], 1) * 4

def halves():
    return Half()
"""


def test_a_network_and_photographs_may_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photo_networks.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(tmp_path)
    chance = np.random.default_rng(0)
    for name, place in (("hound", 0), ("springer", 4)):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        for number in range(30):
            pixels = chance.integers(0, 90, (8, 8, 3), dtype=np.uint8)
            pixels[:, place : place + 4] += 120
            Image.fromarray(pixels).save(folder / f"{number}.png")
    bench, cell = (
        Bench(Store(tmp_path / "store")),
        cell_of(photographs.Photographs(experiments=2, steps=40), experiment=1),
    )
    for variable in (photographs.NETWORK, photographs.DATA, photographs.CLASSES):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(InputError, match=f"by {photographs.NETWORK}, and a folder of class folders by"):
        table8.run_cell(cell, bench)
    monkeypatch.setenv(photographs.NETWORK, "photo_networks:halves")
    monkeypatch.setenv(photographs.DATA, str(tmp_path / "photos"))
    with pytest.raises(InputError, match="no class 'English springer'"):
        table8.run_cell(cell, bench)
    monkeypatch.setenv(photographs.CLASSES, "springer")
    with pytest.raises(InputError, match="must be two classes with a comma between, got 'springer'"):
        table8.run_cell(cell, bench)
    monkeypatch.setenv(photographs.CLASSES, "hound, springer")
    row = table8.run_cell(cell, bench)
    assert 0 < row["Q"] < row["L"]
    assert (row["label"], row["other"]) == (0, 1)


def test_claims_can_fail() -> None:
    same, close = table5.TABLE.claims
    row = {"cos_theta_t": -0.5, "Q_over_half_L": 0.55, "M_over_half_L": -0.6}
    far = {"cos_theta_t": -0.1, "Q_over_half_L": 0.55, "M_over_half_L": -1.0}
    assert [claim.holds([row] * 5) for claim in (same, close)] == [True, True]
    assert [claim.holds([row] * 3 + [far] * 2) for claim in (same, close)] == [False, False]
    assert [claim.holds([row] * 4) for claim in (same, close)] == [None, None]
    (small,) = table6.TABLE.claims
    means = [{"experiment": 1, "cos_theta": -0.2}, {"experiment": 1, "alpha": 0.0, "cos_theta": -0.9}]
    assert (small.holds(means), small.holds(means[1:])) == (True, None)
    assert small.holds([*means, {"experiment": 2, "cos_theta": -0.7}]) is False
    (lengths,) = table8.TABLE.claims
    good, bad = {"M_over_half_L": -0.07, "Q_over_half_L": 0.05}, {"M_over_half_L": -0.2, "Q_over_half_L": 0.05}
    assert (lengths.holds([good] * 4), lengths.holds([good] * 3), lengths.holds([good] * 3 + [bad])) == (
        True, None, False,
    )  # fmt: skip


def test_cells_of_one_named_network_are_not_taken_for_those_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = set()
    for variable, value in (
        (photographs.NETWORK, "first"),
        (photographs.NETWORK, "second"),
        (photographs.CLASSES, "a,b"),
    ):
        monkeypatch.setenv(variable, value)
        keys.add(cell_of(photographs.NamedPhotographs(), experiment=1).key)
    assert len(keys) == 3
