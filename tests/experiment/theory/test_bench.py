from __future__ import annotations

import json
from pathlib import Path

import pytest

from corank.errors import InputError
from corank.experiment.theory import LinearRun, TheoryTraining
from corank.experiment.theory.averages import averaged, train_runs
from corank.experiment.theory.bench import run_theory, run_theory_folder
from corank.experiment.theory.page import averages_table, theory_page

SMALL = TheoryTraining(width=50, learning_rate=1e-2, epochs=5)


def run_of(accuracy: float, one: float, two: float, phi: float = 0.3) -> LinearRun:
    return LinearRun(dimension=9, accuracy=accuracy, cos_theta_1=one, cos_theta_2=two, phi=phi)


def test_the_filter_is_that_of_the_paper() -> None:
    runs = [run_of(1, -0.4, 0.95), run_of(1, 0.2, -0.91), run_of(1, 0.9, 0.89), run_of(1 - 2**-9, 0.8, 1.0)]
    found = averaged(runs)
    assert (found.runs, found.runs_accurate, found.runs_valid, found.runs_excluded) == (4, 3, 2, 2)
    assert found.mean_abs_cos_theta_1 == pytest.approx(0.3)
    assert found.mean_gap == pytest.approx(0.1)
    assert found.standard_error == pytest.approx(0.1)
    assert found.unfiltered.mean_abs_cos_theta_1 == pytest.approx((0.4 + 0.2 + 0.9 + 0.8) / 4)
    nothing = averaged(runs[2:])
    assert (nothing.mean_phi, nothing.mean_gap, nothing.standard_error, nothing.runs_valid) == (None, None, None, 0)


def test_more_runs_begin_with_the_same_ones() -> None:
    few, many = (train_runs(5, count, 7, SMALL) for count in (2, 4))
    assert many[:2] == few
    assert len({run.phi for run in many}) == 4
    assert train_runs(5, 2, 8, SMALL)[0] != few[0]


def test_of_one_dimension_the_means_stand_at_the_top() -> None:
    found = run_theory([5], runs=3, options=SMALL)
    made = found.to_dict()
    for name in ("mean_abs_cos_theta_1", "mean_phi", "mean_gap", "runs_valid", "runs_excluded", "unfiltered"):
        assert made[name] == made["dimensions"][0][name]
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    several = run_theory([6, 5], runs=2, options=SMALL).to_dict()
    assert "mean_phi" not in several
    assert [row["dimension"] for row in several["dimensions"]] == [5, 6]


def test_a_folder_has_a_page_with_the_figure(tmp_path: Path) -> None:
    found = run_theory_folder([5, 6], tmp_path / "out", runs=6, seed=0, options=TheoryTraining(width=200))
    text = (tmp_path / "out" / "index.html").read_text()
    assert found.dimensions[0].runs_valid
    assert (tmp_path / "out" / "figures" / "predicted-compression.svg").is_file()
    for words in ("At dimension 5 trained networks look at", "Lemma 3", "Theorems 1 and 4", "batch size"):
        assert words in text
    kept = json.loads((tmp_path / "out" / "theory.json").read_text())
    assert kept["dimensions"] == found.to_dict()["dimensions"]
    assert kept["options"]["seed"] == 0
    with pytest.raises(InputError, match=r"runs was 6, now 2.*--overwrite"):
        run_theory_folder([5, 6], tmp_path / "out", runs=2, seed=0, options=TheoryTraining(width=200))
    run_theory_folder([5], tmp_path / "out", runs=2, seed=0, options=SMALL, overwrite=True)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.txt").write_text("x")
    with pytest.raises(InputError, match=r"mine\.txt"):
        run_theory_folder([5], tmp_path / "own", runs=1, seed=0, options=SMALL)


def test_a_dimension_without_a_valid_run_is_said_and_not_drawn() -> None:
    row = averaged([run_of(0.9, 0.3, 0.3)])
    found = run_theory([5], runs=1, options=SMALL)
    page = theory_page([row], found.random_points, found.lemma_2, found.lemma_3, {})
    assert "At dimension 9 none of 1 runs was accurate and aligned" in page.summary[0]
    assert page.figures == ()
    assert averages_table([row]).rows[0][4:7] == (None, None, None)


def test_what_cannot_be_run_is_refused() -> None:
    for dimensions, options, words in [
        ([], {}, "dimensions must be at least one"),
        ([5, 5], {}, r"each named once, got \[5, 5\]"),
        ([1], {}, "dimension must be between 2 and 24, got 1"),
        ([5], {"runs": 0}, "runs must be at least 1, got 0"),
        ([5], {"seed": -1}, "seed must be between 0 and 4294967295, got -1"),
    ]:
        with pytest.raises(InputError, match=words):
            run_theory(dimensions, **options)  # type: ignore[arg-type]
