"""The tables of linear networks and of networks with ReLU: which runs they share, and claims that can fail."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell
from corank.experiment.recipes.feature_compression import figure2, table1, table2, table3, table4
from corank.experiment.store import Store

OPTIONS = table1.Experiments(dimension=5, runs=6, width=100, learning_rate=1e-2)


def cell_of(options: Any, seed: int = 0, **axes: Any) -> Cell[Any]:
    return Cell(recipe="a/b", preset="smoke", axes=axes, options=options, stands_in=True, seed=seed)


def test_tables_1_and_2_and_the_figure_are_about_the_same_runs(tmp_path: Path) -> None:
    bench = Bench(Store(tmp_path))
    experiments = [table1.run_cell(cell_of(OPTIONS, experiment=place), bench) for place in range(1, 8)]
    averages = table2.run_cell(cell_of(OPTIONS), bench)
    linear = figure2.Linear(runs=6, width=100, learning_rate=1e-2)
    assert figure2.run_cell(cell_of(linear, dimension=5), bench) == averages
    assert len(list(tmp_path.rglob("*.json"))) == 1
    there = [run for run in experiments if run["phi"] is not None]
    assert len(there) == averages["runs_accurate"]
    assert experiments[-1] == {"cos_theta_1": None, "cos_theta_2": None, "phi": None}
    aligned = [run for run in there if abs(run["cos_theta_2"]) > 0.9]
    assert len(aligned) == averages["runs_valid"] > 0
    assert averages["mean_phi"] == pytest.approx(fmean(run["phi"] for run in aligned))
    assert table2.run_cell(cell_of(OPTIONS, seed=1), bench) != averages


def test_table_3_asks_only_accurate_networks(tmp_path: Path) -> None:
    bench = Bench(Store(tmp_path))
    options = table3.Relu(dimension=5, networks=2, width=50, learning_rate=1e-2)
    cells = [table3.run_cell(cell_of(options, hidden_layers=1, alpha=alpha), bench) for alpha in table3.ALPHAS]
    (file,) = tmp_path.rglob("*.json")
    kept = Store(tmp_path).find(str(file.relative_to(tmp_path).with_suffix("")))
    assert kept is not None
    assert [len(rho) for rho in kept["rho"]] == [10, 10]
    for place, cell in enumerate(cells):
        assert cell["mean"] == pytest.approx(fmean(rho[place] for rho in kept["rho"]))
        assert cell["networks"] == 2
    hopeless = table3.Relu(dimension=5, networks=1, width=1, epochs=1, learning_rate=1e-9)
    none = table3.run_cell(cell_of(hopeless, hidden_layers=1, alpha=0.0), bench)
    assert none == {"mean": None, "median": None, "networks": 0}


def test_table_4_has_the_angle_and_the_length_of_one_network(tmp_path: Path) -> None:
    options = table4.Attacked(dimension=5, points=3, width=50, learning_rate=1e-2)
    bench = Bench(Store(tmp_path))
    first, second = (table4.run_cell(cell_of(options, input=name), bench) for name in table4.INPUTS)
    assert first["magnitude"] == second["magnitude"]
    for cell in (first, second):
        assert cell["ratio"] == pytest.approx(cell["delta"] / cell["magnitude"])
        assert -1 <= cell["cos_theta_t"] < 0


def test_claims_can_fail() -> None:
    (aligned,) = table1.TABLE.claims
    rows = [{"cos_theta_2": -0.99}] * 9 + [{"cos_theta_2": 0.1}]
    assert (aligned.holds(rows), aligned.holds(rows[:9])) == (True, None)
    assert aligned.holds([*rows, {"cos_theta_2": 0.2}]) is False
    (close,) = table2.TABLE.claims
    assert [close.holds([{"mean_gap": gap}]) for gap in (0.04, 0.06, None)] == [True, False, None]
    (match,) = figure2.TABLE.claims
    points = [{"dimension": d, "mean_phi": 0.3, "mean_abs_cos_theta_1": 0.33} for d in figure2.DIMENSIONS]
    assert (match.holds(points), match.holds(points[1:])) == (True, None)
    assert match.holds([*points, {**points[0], "mean_phi": 0.2}]) is False
    (deeper,) = table3.TABLE.claims
    one, two = {"hidden_layers": 1, "mean": 0.3}, {"hidden_layers": 2, "mean": 0.35}
    assert (deeper.holds([one, two]), deeper.holds([one]), deeper.holds([one, {**two, "mean": 0.6}])) == (
        True, None, False,
    )  # fmt: skip
    (agree,) = table4.TABLE.claims
    row = {"cos_theta_t": -0.15, "ratio": 0.16}
    assert (agree.holds([row, row]), agree.holds([]), agree.holds([row, {**row, "ratio": 0.3}])) == (True, None, False)
