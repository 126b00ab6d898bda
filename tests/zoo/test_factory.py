"""`package.module:function` is found, also in the working directory, and sys.path is given back."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from corank.errors import InputError
from corank.zoo import import_factory, is_factory


def test_a_module_of_the_working_directory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "module_of_the_folder.py").write_text("def make():\n    return 17\n")
    monkeypatch.chdir(tmp_path)
    before = [*sys.path]
    assert import_factory("module_of_the_folder:make")() == 17
    assert sys.path == before


def test_the_working_directory_shadows_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "colorsys.py").write_text("def rgb_to_hls():\n    return 'shadow'\n")
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    monkeypatch.chdir(tmp_path)
    assert Path(import_factory("colorsys:rgb_to_hls").__code__.co_filename).parent != tmp_path


def test_sys_path_is_given_back_after_a_failure_and_with_equal_entries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    before = [*sys.path]
    with pytest.raises(InputError):
        import_factory("no_such_module:make")
    assert sys.path == before


def test_a_module_that_needs_what_is_missing_keeps_its_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "module_with_a_need.py").write_text("import no_such_library\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_library") as caught:
        import_factory("module_with_a_need:make")
    assert not isinstance(caught.value, InputError)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("no_such_module:make", "no module 'no_such_module'"),
        ("json.no_such_part:make", "no module 'json.no_such_part'"),
        ("json:loadz", r"json has no 'loadz' .*did you mean .*loads"),
        ("math:pi", "math:pi must be a function without arguments, got float"),
        ("without-colon", "got 'without-colon'"),
    ],
)
def test_what_is_not_there_is_refused(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        import_factory(spec)


@pytest.mark.parametrize("spec", ["C:/data", "a:b:c", ":f", "m:", "1m:f", "m:f()"])
def test_other_texts_are_no_factories(spec: str) -> None:
    assert not is_factory(spec)
