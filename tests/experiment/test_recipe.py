"""Recipes are found by walking, and say clearly which there are."""

from __future__ import annotations

import pytest

from corank.errors import InputError
from corank.experiment.recipe import PRESETS, find_recipes, recipe_named


def test_every_recipe_has_its_printed_numbers_and_cells() -> None:
    recipes = find_recipes()
    assert [*recipes][:2] == ["asnet/figure1", "asnet/figure3"], "Figure 10 comes after Figure 9"
    assert [name.partition("/")[0] for name in recipes] == sorted(name.partition("/")[0] for name in recipes)
    for name, recipe in recipes.items():
        assert recipe.printed.is_file(), name
        for preset in PRESETS:
            cells = recipe.cells(preset)
            assert cells
            assert len({cell.key for cell in cells}) == len(cells)


def test_a_wrong_name_lists_near_ones() -> None:
    with pytest.raises(InputError, match=r"unknown recipe 'asnet/tabel2': did you mean .*asnet/table2"):
        recipe_named("asnet/tabel2")
