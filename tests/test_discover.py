from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from corank.discover import methods_of

BASE = "class Base: ...\nclass Other: ...\n"
FILES = {
    "base": BASE,
    "zebra": "from typing import final\nfrom {room}.base import Base\n@final\nclass Striped(Base): ...\n",
    "an_ant": "from typing import final\nfrom {room}.base import Base\n@final\nclass Small(Base): ...\n"
    "class Help: ...\n",
    "open": "from {room}.base import Base\nclass NotFinal(Base): ...\n",
    "guest": "from {room}.zebra import Striped\n",
    "stranger": "from typing import final\nfrom {room}.base import Other\n@final\nclass OfAnotherKind(Other): ...\n",
    "notes": "",
}


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A room of a house of its own, in which a method is one file."""
    folder = tmp_path / "a_room"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    for name, text in FILES.items():
        (folder / f"{name}.py").write_text(text.replace("{room}", "a_room"))
    monkeypatch.syspath_prepend(tmp_path)
    yield import_module("a_room")
    for name in [name for name in sys.modules if name.split(".")[0] == "a_room"]:
        del sys.modules[name]


def test_methods_are_the_final_classes_of_a_kind_named_by_their_files(room: ModuleType) -> None:
    base = import_module("a_room.base").Base
    found = methods_of(room, base)
    assert {name: method.__name__ for name, method in found.items()} == {"an-ant": "Small", "zebra": "Striped"}
    assert list(found) == sorted(found)


def test_a_new_file_is_a_new_method(room: ModuleType, tmp_path: Path) -> None:
    base = import_module("a_room.base").Base
    before = methods_of(room, base)
    text = FILES["zebra"].replace("{room}", "a_room").replace("Striped", "Fresh")
    (tmp_path / "a_room" / "fresh.py").write_text(text)
    assert set(methods_of(room, base)) - set(before) == {"fresh"}


def test_a_room_without_methods_has_none(room: ModuleType) -> None:
    assert methods_of(room, type("Unknown", (), {})) == {}


def test_a_broken_file_is_not_passed_over(room: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a_room" / "broken.py").write_text("import a_package_that_nobody_has\n")
    with pytest.raises(ModuleNotFoundError, match="a_package_that_nobody_has"):
        methods_of(room, object)
