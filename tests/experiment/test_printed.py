"""Every printed number stands in the paper, as often as it is claimed to, and each has a tolerance with a reason."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest

from corank.experiment.printed import Tolerance, number_of, read_printed
from corank.experiment.recipe import PRESETS, Recipe, find_recipes

RECIPES = find_recipes()
each_recipe = pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))


@pytest.fixture(scope="module")
def papers() -> Path:
    named = os.environ.get("CORANK_PAPERS")
    if not named:
        pytest.skip("CORANK_PAPERS does not name the folder that holds the texts of the papers (asnet.txt)")
    folder = Path(named)
    assert folder.is_dir(), f"CORANK_PAPERS must name a folder, got {named!r}"
    return folder


def text_of(recipe: Recipe, papers: Path) -> str:
    """What the paper says at the place of a table, in one line."""
    printed = read_printed(recipe.printed)
    whole = " ".join((papers / f"{printed.text}.txt").read_text().split())
    start = whole.index(printed.begins)
    end = whole.index(printed.ends, start)
    return whole[start:end]


@each_recipe
def test_every_printed_number_stands_in_the_text_of_its_table(recipe: Recipe, papers: Path) -> None:
    text = re.sub(r"\s*\\times 10\^\{(-?\d+)\}", r"e\1", text_of(recipe, papers))
    words = Counter(re.findall(r"-?\d+(?:[./]\d+)?(?:e-?\d+)?", text))
    printed = read_printed(recipe.printed)
    claimed = Counter(number.printed for number in printed.numbers)
    claimed.update(text for other in printed.quoted for text in other.numbers.values())
    assert {text: count for text, count in claimed.items() if words[text] < count} == {}


@each_recipe
def test_every_claim_is_a_quotation(recipe: Recipe, papers: Path) -> None:
    printed = read_printed(recipe.printed)
    whole = " ".join((papers / f"{printed.text}.txt").read_text().split())
    for claim in recipe.table.claims:
        assert claim.quote in whole


@each_recipe
def test_printed_numbers_belong_to_columns_and_cells_of_the_paper(recipe: Recipe) -> None:
    columns = {column.name for column in recipe.table.columns}
    cells = [dict(cell.axes) for cell in recipe.cells("paper") if not cell.stands_in]
    for number in read_printed(recipe.printed).numbers:
        assert number.column in columns
        assert dict(number.axes) in cells
        assert len(number.tolerance.reason.split()) > 5
    for other in read_printed(recipe.printed).quoted:
        assert set(other.numbers) <= columns


@each_recipe
def test_cells_that_stand_in_for_nothing_are_the_papers(recipe: Recipe) -> None:
    published = [dict(cell.axes) for cell in recipe.cells("paper")]
    for cell in (cell for preset in PRESETS for cell in recipe.cells(preset) if not cell.stands_in):
        assert dict(cell.axes) in published


def test_digits_allow_half_a_unit_of_the_last_one() -> None:
    exact = Tolerance(within="digits", reason="")
    for printed, inside, outside in (("5.30", 5.3049, 5.3051), ("105", 105.49, 105.51), ("-0.10", -0.1049, -0.1051)):
        allowed = exact.allowed(printed)
        assert abs(inside - number_of(printed)) <= allowed < abs(outside - number_of(printed))
