"""Laws about the project itself: its files agree with one another and with what is installed from them."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import import_module
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import corank
from corank.discover import methods_of

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "corank"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    parted = (line.split("==") for line in lines if not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in parted}


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(PACKAGE.rglob("*.py")) if path.name == "__init__.py" or path.name[0] != "_"],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_every_public_module_says_its_idea(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_the_changelog_describes_this_version() -> None:
    headings = re.findall(r"^## \[?([\w.]+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == corank.__version__


@pytest.mark.parametrize("file", ["Makefile", ".ci/run", "CONTRIBUTING.md"])
def test_every_installation_is_constrained(file: str) -> None:
    text = (ROOT / file).read_text()
    calls = [line for line in text.splitlines() if re.search(r"\bpip\b.*\binstall\b", line)]
    assert all("-c constraints.txt" in line for line in calls)
    assert calls or file != "Makefile"


@pytest.mark.parametrize(
    "requirement",
    [*PROJECT["dependencies"], *EXTRAS["dev"], *EXTRAS["fabric"], *EXTRAS["onnx"], *EXTRAS["prune"], *EXTRAS["docs"]],
)
def test_the_pins_lie_in_the_stated_ranges(requirement: str) -> None:
    wanted = Requirement(requirement)
    if wanted.name != PROJECT["name"]:
        assert wanted.specifier.contains(pins()[canonicalize_name(wanted.name)])


def test_the_menu_has_a_line_for_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^\.PHONY: (.*)", makefile, re.MULTILINE)[0].split()
    assert set(re.findall(r'echo "make (\w+)', makefile)) == set(targets) - {"menu"}


def test_no_module_looks_for_an_optional_package_when_imported() -> None:
    # Records what is looked for, found or not, so that it does not matter which extras are installed here.
    program = """
import json, pkgutil, sys
from importlib import import_module

looked_for = set()

class Recorder:
    def find_spec(self, name, path=None, target=None):
        looked_for.add(name.partition(".")[0])

sys.meta_path.insert(0, Recorder())
import corank
for entry in pkgutil.walk_packages(corank.__path__, "corank."):
    import_module(entry.name)
print(json.dumps(sorted(looked_for)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    looked_for = set(json.loads(done.stdout.splitlines()[-1]))
    extras = {Requirement(text).name for name, texts in EXTRAS.items() if name != "dev" for text in texts}
    optional = {name.replace("-", "_") for name in extras} | {"lightning"}
    assert "torch" in looked_for
    assert sorted(looked_for & optional) == []


@pytest.mark.parametrize(
    ("room", "base"),
    [
        ("corank.measure", "Measure"),
        ("corank.compress", "Compressor"),
        ("corank.defend", "Defence"),
        ("corank.train.penalties", "Penalty"),
    ],
)
def test_a_room_re_exports_every_method_found_in_it(room: str, base: str) -> None:
    package = import_module(room)
    methods = methods_of(package, getattr(package, base)).values()
    assert methods
    for method in methods:
        assert method.__name__ in package.__all__
        assert getattr(package, method.__name__) is method


def test_the_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    here = {path for path in PACKAGE.rglob("*") if path.is_file() and path.parent.name != "__pycache__"}
    packed = zipfile.ZipFile(wheel).namelist()
    assert {str(path.relative_to(PACKAGE.parent)) for path in here} <= set(packed)
    assert "corank/py.typed" in packed
