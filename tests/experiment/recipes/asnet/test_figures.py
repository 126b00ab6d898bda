"""Figures against closed forms and scikit-learn, and claims that can fail."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import scipy.stats
import torch

from corank.compress import ASNet
from corank.compress.asnet import METHODS
from corank.experiment.bench import Bench, Wanted
from corank.experiment.recipe import Cell, find_recipes
from corank.experiment.recipes.asnet import figure1, figure3, figure5b
from corank.experiment.recipes.asnet.spectra import distance_to_normal
from corank.experiment.store import Store
from corank.train import accuracy
from corank.zoo import Batches


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


def cell_of(options: figure5b.Finishing, seed: int = 0) -> Cell[figure5b.Finishing]:
    return Cell(recipe="a/b", preset="smoke", axes={"layer": 2}, options=options, stands_in=True, seed=seed)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(Store(tmp_path_factory.mktemp("figures")))


def test_the_ways_of_figure_5b_are_the_options_of_the_compressor(bench: Bench) -> None:
    (grid,) = figure5b.TABLE.presets["smoke"]
    options = grid.options
    found = figure5b.run_cell(cell_of(options), bench)
    teacher = bench.teacher(Wanted(network="vgg_digits", data="digits", epochs=1, train_images=None, test_images=None))
    batches = Batches(teacher.data.train, figure5b.BATCH_SIZE, shuffle=True, seed=0)
    named = dict(zip(METHODS.values(), METHODS, strict=True))
    for way in figure5b.WAYS:
        directions, head = named[" + ".join(way.upper().split("_"))]
        compressor = ASNet(
            layer=2, rank=options.rank, order=figure5b.ORDER, samples=options.gradients,
            directions=directions, head=head,
            samples_fit=options.full_images if way == "lr" else len(teacher.data.train), epochs=0,
        )  # fmt: skip
        expected = 100 * accuracy(
            compressor.compress(teacher.network, batches).network, Batches(teacher.data.test, 500)
        )
        assert found[way] == pytest.approx(expected, abs=100 * 1.5 / len(teacher.data.test))  # one may fall either way
    assert found["as_pce_ahead"] == found["as_pce"] - max(found[way] for way in figure5b.WAYS[1:])


def test_seeds_see_other_images_where_not_all_are_used(bench: Bench) -> None:
    (grid,) = figure5b.TABLE.presets["smoke"]
    thin = replace(grid.options, train_images=300)
    one, again, other = (figure5b.run_cell(cell_of(thin, seed), bench) for seed in (0, 0, 2))
    assert one == again
    assert one != other


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


def test_the_claim_of_figure_5b_is_about_means_over_seeds_at_every_layer() -> None:
    (best,) = figure5b.TABLE.claims
    ways = dict.fromkeys(figure5b.WAYS, 50.0)
    rows = [{**ways, "layer": layer, "as_pce": 51.0} for layer in (4, 5, 6, 7)]
    unlucky = {**ways, "layer": 5, "lr": 50.6}
    assert best.holds(rows) is True
    assert best.holds([*rows, unlucky]) is True  # on average 50.5 against 50.3
    assert best.holds([*rows, unlucky, unlucky]) is False  # 50.33 against 50.4
    assert best.holds(rows[:3]) is None
    assert best.holds([]) is None
