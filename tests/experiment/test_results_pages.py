"""The pages say what the store says, all of it and nothing else, and the same store gives the same pages."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

import pytest

from corank.errors import InputError
from corank.experiment.bench import Bench
from corank.experiment.comparison import state_of
from corank.experiment.recipe import Claim, Recipe, find_recipes
from corank.experiment.reproducing import reproduce, work
from corank.experiment.results_pages import MADE, pages, write_pages
from corank.experiment.store import Store

from .toy_recipe import toy_recipe

ROOT = Path(__file__).parents[2]
WITHOUT_GIT = pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(), reason="asks git what is under version control"
)


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return toy_recipe(tmp_path / "recipe")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def made(recipe: Recipe, store: Store) -> dict[str, str]:
    return pages({recipe.name: recipe}, store)


def tables(text: str) -> list[list[list[str]]]:
    """Every Markdown table as rows of cells, heads first."""
    blocks = (block.splitlines() for block in text.split("\n\n") if block.startswith("|"))
    parted = [[line.strip("|").split("|") for line in block if "| --- |" not in line] for block in blocks]
    return [[[cell.strip() for cell in line] for line in block] for block in parted]


def test_every_number_stands_beside_the_printed_one(recipe: Recipe, store: Store) -> None:
    reproduce([recipe], "quick", store, seeds=3)
    state, page = state_of(recipe, "quick", store), made(recipe, store)["toys.md"]
    (table,) = tables(page)
    assert table[0] == ["", "mean", "size", "verdict"]
    found = {row[0]: dict(zip(table[0], row, strict=True)) for row in table[1:]}
    assert len(found) == 12
    for number in state.numbers:
        values = [row["values"][number.column] for row in state.rows if row["axes"] == number.axes]
        if not values:
            continue
        told = found[f"layer {number.axes['layer']}, rank {number.axes['rank']}"][number.column]
        assert told.endswith(f"({number.printed})" + " ✗" * (number.verdict == "differs"))
        assert float(told.split()[0]) == pytest.approx(fmean(values), abs=0.1)  # as near as the tolerance needs
        if spread := stdev(values):
            assert float(told.split("±")[1].split()[0]) == pytest.approx(spread, rel=0.05)
        else:
            assert "±" not in told
    assert found["layer 1, rank 1"]["verdict"] == "all 2 reproduced"
    assert found["layer 2, rank 1"]["verdict"] == "2 differ"
    assert "Not run, with 1 printed number: layer 9; rank 9." in page
    assert "--preset quick --seeds 3`" in page


def test_nothing_that_must_be_known_is_left_out(recipe: Recipe, store: Store) -> None:
    claims = tuple(Claim(quote=f"it is {holds}", holds=lambda _, held=holds: held) for holds in (True, False, None))
    told = replace(recipe, table=replace(recipe.table, claims=claims))
    reproduce([told], "quick", store, seeds=2)
    page = made(told, store)["toys.md"]
    for words in (
        "Of 5 printed numbers: 2 reproduced, 2 differ, 1 not run.",
        "mean is worse than printed: layer 2; rank 1.",
        "size: layer 2; rank 1; a misprint.",
        "draws 100, in the paper 10000",
        "toys are not what they were",
        "“it is True”: true here.",
        "“it is False”: not true here.",
        "“it is None”: not enough cells.",
        "mean: within 0.2, since a mean of a hundred uniform numbers has a standard error of 0.03.",
        "to the last printed digit, since counted.",
        "24 cells on ",
        "seeds 0, 1",
    ):
        assert words in page, words
    for version in state_of(told, "quick", store).rows[0]["provenance"]["versions"].values():
        assert version in page


def test_numbers_of_other_methods_are_quoted_and_not_compared(recipe: Recipe, store: Store) -> None:
    before = state_of(recipe, "quick", store)
    with recipe.printed.open("a") as file:
        file.write('\n[[quoted]]\nname = "Dolls"\nmean = "0.7"\n')
        file.write('\n[[quoted]]\nname = "Tops"\nmean = "-0.20"\nsize = "3"\n')
    page = made(recipe, store)["toys.md"]
    assert tables(page) == [[["", "mean", "size"], ["Dolls", "0.7", ""], ["Tops", "-0.20", "3"]]]
    assert "other methods, which are not computed here" in page
    assert state_of(recipe, "quick", store) == before


def test_small_cases_are_no_reproductions(recipe: Recipe, store: Store) -> None:
    (stand_in,) = (cell for cell in recipe.cells("smoke") if cell.stands_in)
    work([recipe], [stand_in], Bench(store))
    page = made(recipe, store)["toys.md"]
    assert "Not run (5 printed numbers)." in page
    assert tables(page) == []
    assert "Of 5 printed numbers: 5 not run." in page
    reproduce([recipe], "smoke", store)
    page = made(recipe, store)["toys.md"]
    assert "small cases that no printed number is about: 1 cell." in page
    (table,) = tables(page)
    assert all(row[2].startswith("100") for row in table[1:]), "the small case has a size of 7"


def test_what_stands_in_for_the_paper_is_shown_and_not_compared(recipe: Recipe, store: Store) -> None:
    asked: list[int] = []

    def holds(rows: Sequence[Mapping[str, object]]) -> bool:
        asked.append(len(rows))
        return False

    (grid,) = recipe.table.presets["quick"]
    others = replace(grid, stands_in=True, options=replace(grid.options, draws=7))
    presets = {**recipe.table.presets, "quick": (others,)}
    claims = (Claim(quote="toys are large", holds=holds),)
    other = replace(recipe, table=replace(recipe.table, presets=presets, claims=claims))
    reproduce([other], "quick", store)
    page = made(other, store)["toys.md"]
    (table,) = tables(page)
    assert table[0] == ["", "mean", "size"], "no verdict on a number that nobody printed"
    assert [row[2] for row in table[1:]] == ["7.00"] * 12
    assert "Of 5 printed numbers: 5 not run." in page
    assert "draws 7, in the paper 10000" in page
    assert set(asked) == {0, 12}
    assert "“toys are large”: not true of what stands in for it here." in page
    assert "| quick, others | 0 | 0 | 5 |" in made(other, store)["README.md"]


def test_the_front_page_begins_with_what_the_papers_are_about(recipe: Recipe, store: Store) -> None:
    answers = [(True, False), (False, True), (None, True), *[(True, False)] * 20]
    claims = tuple(
        Claim(quote=f"claim {place}", holds=lambda _, held=holds: held, is_main=is_main)
        for place, (holds, is_main) in enumerate(answers)
    )
    told = replace(recipe, table=replace(recipe.table, claims=claims))
    reproduce([told], "quick", store)
    lines = [line for line in made(told, store)["README.md"].splitlines() if "“claim" in line]
    assert len(lines) == 10
    assert ["claim 1”: **not true here**" in line for line in lines] == [False] * 9 + [True]
    assert "(toys.md#table-1-p-1), toys: “claim 0”: **true here**." in lines[0].replace("[Table 1, p. 1]", "")
    assert not any("claim 2”" in line for line in lines), "too few cells tell nothing"
    mains = tuple(replace(claim, is_main=place == 5) for place, claim in enumerate(claims))
    front = made(replace(told, table=replace(told.table, claims=mains)), store)["README.md"]
    assert "“claim 5”" in next(line for line in front.splitlines() if "“claim" in line)


def test_the_preset_nearest_to_the_paper_is_shown(recipe: Recipe, store: Store) -> None:
    reproduce([recipe], "smoke", store)
    assert "Preset *smoke*" in made(recipe, store)["toys.md"]
    work([recipe], recipe.cells("quick")[:1], Bench(store))
    page = made(recipe, store)["toys.md"]
    assert "Preset *quick*" in page
    assert "Also in the store: *smoke*, 2 reproduced, 2 differ, 1 not run." in page
    assert "Of 5 printed numbers: 2 reproduced, 3 not run." in page


def test_cells_with_fewer_seeds_say_so(recipe: Recipe, store: Store) -> None:
    reproduce([recipe], "quick", store)
    work([recipe], recipe.cells("quick", seeds=2)[:13], Bench(store))
    (table,) = tables(made(recipe, store)["toys.md"])
    assert ["n = 1" in row[1] for row in table[1:]] == [False] + [True] * 11


def test_the_same_store_gives_the_same_bytes(recipe: Recipe, store: Store, tmp_path: Path) -> None:
    reproduce([recipe], "smoke", store, seeds=2)
    before = made(recipe, store)
    shutil.copytree(store.folder, tmp_path / "copy")
    with store.claim(recipe.cells("quick")[0].key):
        assert made(recipe, store) == made(recipe, Store(tmp_path / "copy")) == before


def test_the_front_page_counts_and_links(tmp_path: Path) -> None:
    recipes, store = find_recipes(), Store(tmp_path)
    work([recipes["asnet/figure4"]], recipes["asnet/figure4"].cells("smoke"), Bench(store))
    text = pages(recipes, store)
    front = tables(text["README.md"])
    assert len(front) == len({name.partition("/")[0] for name in recipes}), "a table a paper"
    total = Counter(
        number.verdict
        for name, recipe in recipes.items()
        for number in state_of(recipe, "smoke" if name == "asnet/figure4" else "paper", store).numbers
    )
    counts = [[int(count) for count in row[2:]] for table in front for row in table[1:] if row[2] != "–"]
    assert [sum(column) for column in zip(*counts, strict=True)] == [total[verdict] for verdict in front[0][0][2:]]
    assert total["reproduced"] > 2
    assert f"**Of {total.total()} printed numbers: {total['reproduced']} reproduced, " in text["README.md"]
    for file, page in text.items():
        for name, anchor in re.findall(r"\]\((\S+?\.md)(?:#(\S+))?\)", page):
            titles = [line[3:].lower() for line in text[name].splitlines() if line.startswith("## ")]
            assert not anchor or anchor in ["".join(c for c in t if c.isalnum() or c in " -").replace(" ", "-")
                                            for t in titles], (file, anchor)  # fmt: skip


def test_pages_by_hand_are_named_and_never_lost(recipe: Recipe, store: Store, tmp_path: Path) -> None:
    folder, recipes = tmp_path / "pages", {recipe.name: recipe}
    folder.mkdir()
    (folder / "mine.md").write_text("# What I think\n")
    first = write_pages(recipes, store, folder)
    assert [file.name for file in first] == ["README.md", "toys.md"]
    assert "[What I think](mine.md)" in first[0].read_text()
    before = first[0].read_bytes()
    assert write_pages(recipes, store, folder)[0].read_bytes() == before
    first[1].write_text("# My own toys\n")
    with pytest.raises(InputError, match=r"toys.md.*would be lost"):
        write_pages(recipes, store, folder)
    assert first[1].read_text() == "# My own toys\n"
    (tmp_path / "file").write_text("")
    for wrong in (tmp_path / "file", tmp_path / "file" / "inside"):
        with pytest.raises(InputError, match="name another"):
            write_pages(recipes, store, wrong)


def tracked(folder: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", folder], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name]


@WITHOUT_GIT
def test_the_pages_of_the_project_are_those_of_its_store(tmp_path: Path) -> None:
    files = tracked("results")
    if not files:
        pytest.skip("no results are under version control")
    for file in files:
        copy = tmp_path / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    there = {file.name: file.read_text() for file in tracked("docs/results") if file.suffix == ".md"}
    by_hand = {name: text for name, text in sorted(there.items()) if MADE not in text}
    expected = pages(find_recipes(), Store(tmp_path / "results"), by_hand)
    outdated = [name for name, text in expected.items() if there.get(name) != text]
    assert not outdated, "run `make results`, and add results and docs/results"
    assert set(there) == set(expected) | set(by_hand)


@WITHOUT_GIT
def test_of_a_store_only_cells_go_under_version_control(tmp_path: Path) -> None:
    cell, teacher = "results/paper/table/quick/layer-5-0a1b2c3d", "results/teachers/net-data-epochs-1"
    kept = [f"{cell}/seed-0.json", "results/paper/networks/net-0a1b2c3d/seed-0.json", f"{teacher}/test-all.json"]
    left = [
        f"{cell}/seed-1.claim",
        f"{cell}/seed-1.json.part",
        "results/paper/networks/net-0a1b2c3d/seed-1.checkpoint/fine-tuning/state.json",
        f"{teacher}/trained.json",
        f"{teacher}/network/description.json",
        f"{teacher}/network/weights.safetensors",
    ]
    for name in [*kept, *left]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    shutil.copyfile(ROOT / ".gitignore", tmp_path / ".gitignore")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    listed = subprocess.run(
        ["git", "ls-files", "--others", "--exclude-standard", "results"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert sorted(listed.stdout.split()) == sorted(kept)


def test_a_run_folder_is_not_written_into(recipe: Recipe, store: Store, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/description.json").write_text("{}")
    with pytest.raises(InputError, match="is a run folder, not one for pages: name another"):
        write_pages({recipe.name: recipe}, store, tmp_path / "run")
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["description.json"]
