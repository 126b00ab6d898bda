"""What the documentation promises is there: links lead somewhere, its programs run, its commands have these options.

The site itself is not built here, but its sources are put together, which asks for nothing that is not installed.
"""

from __future__ import annotations

import ast
import re
import shlex
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from corank.cli import app, run
from corank.discover import methods_of
from corank.experiment.study import CutPlace
from corank.experiment.tables import layers_table
from corank.network import Cost
from tests.report.conftest import make

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
TO_BE_RUN = [
    page for folder in ("tutorials", "rooms", "how-to", "coming-from") for page in sorted((DOCS / folder).glob("*.md"))
]
OTHER_PROGRAMS = {"python"}
TOO_LONG_FOR_A_TEST = "study"
METHODS = {  # what has a table on the page of its room
    ("corank.measure", "Measure"), ("corank.compress", "Compressor"), ("corank.attack", "UniversalAttack"),
    ("corank.attack", "SampleAttack"), ("corank.defend", "Defence"), ("corank.train.penalties", "Penalty"),
    ("corank.ode.solvers", "Solver"), ("corank.ode.gradient", "Gradient"),
}  # fmt: skip


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def links(page: Path) -> list[Path]:
    """The files that a page links or shows."""
    found = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    return [(page.parent / link).resolve() for link in found if not link.startswith(("http:", "https:"))]


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """Languages and texts of a page's programs, in order."""
    yield from re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(), flags=re.S | re.M)


def commands(text: str) -> Iterator[list[str]]:
    for line in text.replace("\\\n", " ").splitlines():
        yield shlex.split(line, comments=True)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    assert [link for link in links(page) if not link.exists()] == []


def test_every_page_and_example_is_found_from_the_index() -> None:
    seen, waiting = set(), [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        if page.is_dir():  # its page where it has one, or a listing
            waiting += [page / "README.md"] if (page / "README.md").exists() else sorted(page.glob("*.md"))
        elif page.suffix == ".md" and page.is_relative_to(DOCS) and page not in seen:
            seen.add(page)
            waiting += links(page)
    assert seen == {*PAGES}
    assert {*links(DOCS / "index.md")} >= {*(ROOT / "examples").glob("*.py")}


@pytest.mark.parametrize("page", TO_BE_RUN, ids=named)
def test_a_page_runs_from_top_to_bottom(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    before, names = {*sys.modules}, dict[str, object]()
    for language, text in blocks(page):
        if file := re.match(r"# (\w+\.(?:py|toml))\n", text):
            Path(file[1]).write_text(text)
        elif language == "python":
            exec(compile(text, named(page), "exec"), names)
        else:
            assert language == "sh"
            for program, *words in commands(text):
                if program in OTHER_PROGRAMS:
                    continue
                assert program == "corank"
                app.parse_args(words, exit_on_error=False, print_error=False)
                assert words[0] == TOO_LONG_FOR_A_TEST or run(words) == 0, capsys.readouterr().err
    for module in {*sys.modules} - before:
        if (tmp_path / f"{module}.py").exists():
            del sys.modules[module]


def test_the_first_tutorial_explains_every_column_of_the_first_table() -> None:
    found = make()
    cost = Cost(parameters=1, storage_bytes=4, multiply_adds=1)
    places = [CutPlace(layer=row.layer, index=row.index, is_legal=True, pre=cost) for row in found.layers]
    text = (DOCS / "tutorials" / "first-study.md").read_text()
    assert [column.title for column in layers_table(found, places).columns if f"**{column.title}**" not in text] == []


def site(name: str) -> ModuleType:
    """One of the modules that the site is made by."""
    if str(DOCS / "_site") not in sys.path:
        sys.path.append(str(DOCS / "_site"))
    return import_module(name)


@cache
def sources() -> dict[str, str]:
    """The pages of the site, by place."""
    return {place: text.decode() for place, text in site("assemble").sources().items()}


def test_every_method_stands_in_the_table_of_its_room() -> None:
    asked = set()
    for page in (DOCS / "rooms").glob("*.md"):
        for room, base in re.findall(r"<!-- made from the code: methods (\S+) (\w+) -->", page.read_text()):
            asked.add((room, base))
            package = import_module(room)
            for name, method in methods_of(package, getattr(package, base)).items():
                (row,) = re.findall(
                    rf"^\| {{py:class}}`{name} <corank\.(.*)>` \| \S.*$", sources()[f"rooms/{page.name}"], re.M
                )
                public, _, exported = row.rpartition(".")
                assert getattr(import_module(f"corank.{public}"), exported) is method
    assert asked == METHODS


def test_the_site_names_every_public_name_command_and_example() -> None:
    for room in site("from_code").PACKAGES:
        page = sources()[f"reference/{room.rpartition('.')[2]}.md"]
        assert [name for name in import_module(room).__all__ if f"`{name}" not in page] == []
    commands = {name for name in app if not name.startswith("-")}
    assert {f"commands/{name}.md" for name in commands} <= {*sources()}
    assert all(f"corank {name}" in sources()["rooms/command-line.md"] for name in commands)
    assert {f"examples/{file.stem}.md" for file in (ROOT / "examples").glob("*.py")} <= {*sources()}


def test_the_pages_of_commands_are_the_same_after_one_has_run() -> None:
    before = {name: app[name].default_parameter for name in app if not name.startswith("-")}
    assert run(["--help"]) == 0
    made = site("from_code").command_pages
    assert made.__wrapped__() == made()
    assert {name: app[name].default_parameter for name in before} == before


def test_the_pages_of_commands_have_no_option_but_what_help_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    negative = {}
    for place, text in sources().items():
        for part in re.split(r"^#+ (?=corank)", text, flags=re.M) if place.startswith("commands/") else ():
            if found := set(re.findall(r"--(?:no|empty)-[\w-]+", part)):
                negative[part.splitlines()[0]] = found
    assert negative
    for command, options in negative.items():
        assert run([*command.split()[1:], "--help"]) == 0
        assert options <= set(capsys.readouterr().out.split())


def test_commands_and_options_that_a_page_names_are_there() -> None:
    known = set(re.findall(r"--[\w-]+", "".join(text for place, text in sources().items() if "commands/" in place)))
    for page in (ROOT / "README.md", DOCS / "index.md", *TO_BE_RUN):
        if page.parent.name == "how-to":
            continue  # there, commands are named that would be
        said = re.findall(r"`(corank [^`]+|--[^`]+)`|^    (corank .*)$", page.read_text(), flags=re.M)
        for words in (" ".join(parts).replace("...", "").split() for parts in said):
            assert {word for word in words if word.startswith("--")} - {"--help"} <= known, words
            place = app
            for word in words[1:] if words[0] == "corank" else ():
                if word.startswith("-") or word == "COMMAND" or not any(not name.startswith("-") for name in place):
                    break
                place = place[word]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere_on_the_site_too(page: Path) -> None:
    place = str(page.relative_to(DOCS))
    known = {*sources(), *site("assemble").pictures()}
    for target in re.findall(
        r"\]\(([^)#\s]+)[^)]*\)", re.sub(r"^```.*?^```$", "", sources()[place], flags=re.S | re.M)
    ):
        if not target.startswith(("http:", "https:")):
            assert str((Path("/site") / place).parent.joinpath(target).resolve().relative_to("/site")) in known


def test_every_paper_that_a_docstring_names_stands_in_the_literature() -> None:
    told = site("from_code")
    known = {
        told.anchor(name) for name in re.findall(r"^- \*\*(.*?)\*\*", (DOCS / "bibliography.md").read_text(), re.M)
    }
    missing = {
        f"{name} in {file.relative_to(ROOT)}"
        for file in (ROOT / "src").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        for name, _ in told.citations(" ".join((ast.get_docstring(node) or "").split()))
        if told.anchor(name) not in known
    }
    assert missing == set()
