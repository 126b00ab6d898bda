"""`corank reproduce`: what there is, what is done, and what is done next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from corank.experiment import reproducing
from corank.experiment.recipe import find_recipes

from .user import Corank, assert_refused, strict_json

FIGURE4 = ("reproduce", "asnet/figure4", "--preset", "smoke")


def test_list_names_every_recipe_with_its_place(corank: Corank) -> None:
    said, as_json = corank("reproduce", "list"), corank("reproduce", "list", "--json")
    assert (said.code, as_json.code) == (0, 0)
    rows = strict_json(as_json.out)
    assert {"asnet/table1", "asnet/table2", "asnet/figure4"} <= {row["recipe"] for row in rows}
    for row in rows:
        assert row["recipe"] in said.out
        assert set(row["cells"]) == {"smoke", "quick", "paper"}
        assert "p. " in row["place"] or "sec. " in row["place"]


def test_a_recipe_is_computed_once_and_shown_beside_the_print(corank: Corank, here: Path) -> None:
    first = corank(*FIGURE4)
    assert first.code == 0, first
    assert "its one cell, seed 0" in first.err
    for words in ("second moment", "1/3", "reproduced", "points 10000, in the paper 1000000"):
        assert words in first.out
    (file,) = (here / "results").rglob("*.json")
    before = file.read_bytes()
    again = corank(*FIGURE4)
    assert (again.code, again.out) == (0, first.out)
    assert "nothing to do" in again.err
    assert file.read_bytes() == before


def test_status_has_a_row_for_every_recipe_and_preset(corank: Corank) -> None:
    rows = strict_json(corank("reproduce", "status", "--json").out)["recipes"]
    listed = strict_json(corank("reproduce", "list", "--json").out)
    assert [(row["recipe"], row["preset"]) for row in rows] == [
        (one["recipe"], preset) for one in listed for preset in ("smoke", "quick", "paper")
    ]
    for row in rows:
        assert row["reproduced"] + row["differs"] + row["not_run"] == row["printed"] == len(row["numbers"])


def test_status_says_of_every_recipe_what_is_done(corank: Corank) -> None:
    def of_figure4(said: Any) -> dict[str, Any]:
        assert said.code == 0, said
        rows = strict_json(said.out)["recipes"]
        return next(row for row in rows if (row["recipe"], row["preset"]) == ("asnet/figure4", "smoke"))

    before = of_figure4(corank("reproduce", "status", "--json"))
    assert (before["cells"], before["done"], before["reproduced"], before["not_run"]) == (1, 0, 0, 3)
    assert corank(*FIGURE4, "--seeds", "3").code == 0
    after = of_figure4(corank("reproduce", "status", "--json"))
    assert (after["done"], after["seeds"], after["reproduced"]) == (1, 3, 3)
    assert [row["seed"] for row in after["rows"]] == [0, 1, 2]
    for number in after["numbers"]:
        assert number["spread"] >= 0
        assert number["reason"]
        assert number["verdict"] == "reproduced"
    assert strict_json(corank(*FIGURE4, "--json").out) == {"recipes": [after]}
    told = corank("reproduce", "status")
    assert "asnet/figure4" in told.out


def test_pages_say_what_is_in_the_store(corank: Corank, here: Path) -> None:
    assert corank(*FIGURE4).code == 0
    said = corank("reproduce", "pages", "--out", "pages")
    papers = sorted({name.split("/")[0] for name in find_recipes()})
    assert (said.code, said.out.split()) == (0, ["pages/README.md", *(f"pages/{paper}.md" for paper in papers)])
    assert "0.00 (0)" in (here / "pages/asnet.md").read_text()
    (here / "README.md").write_text("# Mine\n")
    assert_refused(corank("reproduce", "pages", "--out", "."), "README.md")
    assert (here / "README.md").read_text() == "# Mine\n"


def test_several_processes_give_the_same_cells(corank: Corank, here: Path) -> None:
    def values(folder: str) -> list[Any]:
        (state,) = strict_json(corank(*FIGURE4, "--seeds", "4", "--store", folder, "--json").out)["recipes"]
        return [(row["seed"], row["values"]) for row in state["rows"]]

    shared = corank(*FIGURE4, "--seeds", "4", "--processes", "2", "--store", "shared")
    assert shared.code == 0, shared
    assert values("shared") == values("alone")
    assert not list((here / "shared").rglob("*.claim"))


def test_the_store_may_be_named_by_the_environment(corank: Corank, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORANK_RESULTS", "elsewhere")
    assert corank(*FIGURE4).code == 0
    assert list((here / "elsewhere").rglob("seed-0.json"))
    assert not (here / "results").exists()


def test_a_wrong_name_lists_near_ones(corank: Corank) -> None:
    said = corank("reproduce", "asnet/tabel1", "--preset", "smoke")
    assert_refused(said, "asnet/tabel1")
    assert "did you mean asnet/table1" in said.err


def test_what_is_lacking_is_said_after_all_else_was_done(corank: Corank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CORANK_WEIGHTS", raising=False)
    said = corank("reproduce", "asnet/figure3", "--preset", "quick")
    assert said.code == 2
    assert said.err.splitlines()[-1].startswith("corank: asnet/figure3 (quick): layer 6, seed 0 cannot be computed:")
    assert "cifar10-jpeg" in said.err
    assert "Traceback" not in said.err


def test_an_interrupted_run_keeps_what_is_finished(corank: Corank, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compute = reproducing.computed

    def computed(recipe: Any, cell: Any, bench: Any) -> Any:
        if cell.seed == 2:
            raise KeyboardInterrupt
        return compute(recipe, cell, bench)

    with monkeypatch.context() as patched:
        patched.setattr(reproducing, "computed", computed)
        assert corank(*FIGURE4, "--seeds", "4").code == 130
    assert len(list((here / "results").rglob("seed-*.json"))) == 2
    assert corank(*FIGURE4, "--seeds", "4").code == 0
    assert len(list((here / "results").rglob("seed-*.json"))) == 4
