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


def figures(*names: int | str) -> set[str]:
    return {f"figure{name}" for name in names}


def tables(*names: int | str) -> set[str]:
    return {f"table{name}" for name in names}


PRINTED = {
    "asnet": tables(*range(1, 8)) | figures(1, 3, 4, 5, 6, 7, 8, 9, 10),
    "thesis": tables("2_1", "3_1", *(f"4_{n}" for n in (2, 3, 4)), *(f"5_{n}" for n in range(1, 5)))
    | figures("2_1", *(f"2_{n}" for n in range(3, 10)), "3_1", "4_1", "5_1", "5_2", "5_3"),
    "low_rank_representations": tables(*range(1, 11)) | figures(*range(2, 21)),
    "low_rank_weights": tables(1, 2) | figures(*range(1, 11)),
    "feature_compression": tables(*range(1, 9)) | figures(2, 3, 6),
}
"""Every table and every figure of measurements that the papers print."""


@pytest.mark.parametrize("paper", PRINTED)
def test_every_printed_table_and_figure_is_a_recipe(paper: str) -> None:
    """A figure of several parts may have a recipe for each: Figure 5 is there as `figure5a` and `figure5b`."""
    found = {name.partition("/")[2] for name in find_recipes() if name.startswith(f"{paper}/")}
    whole = found | {name.rstrip("ab") for name in found}
    assert PRINTED[paper] - whole == set()


def test_a_wrong_name_lists_near_ones() -> None:
    with pytest.raises(InputError, match=r"unknown recipe 'asnet/tabel2': did you mean .*asnet/table2"):
        recipe_named("asnet/tabel2")
