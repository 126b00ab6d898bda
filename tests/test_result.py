from __future__ import annotations

import dataclasses
import inspect
import json
import math
import pkgutil
import types
from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass
from enum import Enum
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import corank
from corank.result import ROWS_SHOWN, Interval, Result, Scalar, jsonable

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
NESTED = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
MARKUP = st.text("<>&;\"'/#ab ")


@dataclass(frozen=True, kw_only=True)
class Found(Result):
    name: str
    count: Interval
    values: torch.Tensor
    share: float
    inner: Result | None = None
    picture: object = field(default=None, metadata={"json": False})

    def row(self) -> dict[str, Scalar]:
        return {"name": self.name, "share": self.share, "known": self.count.high is not None}


def found(**changed: Any) -> Found:
    values = {"name": "conv1", "count": Interval(2, None), "values": torch.tensor([1.5, -2.0]), "share": 0.123456}
    return Found(**{**values, **changed})


@given(NESTED)
def test_what_json_holds_stays_as_it_is(value: Any) -> None:
    assert jsonable(value) == value
    assert json.loads(json.dumps(jsonable(value))) == value


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("wrap", [float, np.float32, np.float64, torch.tensor, lambda value: torch.tensor([[value]])])
def test_numbers_that_json_has_no_word_for_become_null(value: float, wrap: Any) -> None:
    text = json.dumps(jsonable({"x": wrap(value)}), allow_nan=False)
    assert text in ('{"x": null}', '{"x": [[null]]}')


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (torch.arange(4, dtype=torch.int16).reshape(2, 2), [[0, 1], [2, 3]]),
        (torch.tensor(2.0, dtype=torch.bfloat16), 2.0),
        (np.array([True, False]), [True, False]),
        (np.int64(7), 7),
        (np.float32(0.5), 0.5),
        ((1, {2: "b"}), [1, {"2": "b"}]),
        (frozenset({3}), [3]),
        (Interval(1, None), {"low": 1, "high": None}),
        (Path("a") / "b", "a/b"),
        (torch.zeros(0), []),
    ],
)
def test_every_kind_of_value_has_its_form(value: Any, expected: Any) -> None:
    made = jsonable(value)
    assert made == expected
    assert type(made) is type(expected)


def test_what_has_no_form_is_refused_by_its_type() -> None:
    with pytest.raises(TypeError, match="Generator has no JSON form"):
        jsonable({"chance": [torch.Generator()]})
    with pytest.raises(TypeError, match="type has no JSON form"):
        jsonable(Interval)


def test_a_result_becomes_a_dictionary_of_all_but_what_is_left_out() -> None:
    made = found(inner=found(name="inner"), picture=object()).to_dict()
    assert list(made) == ["name", "count", "values", "share", "inner"]
    assert made["count"] == {"low": 2, "high": None}
    assert made["values"] == [1.5, -2.0]
    assert made["inner"]["name"] == "inner"
    assert "picture" not in made["inner"]
    assert json.loads(json.dumps(made)) == made


def test_a_result_is_frozen_and_named() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        found().name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        Found("conv1")  # type: ignore[call-arg, misc]


def test_a_result_without_a_row_cannot_be_made() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Rowless(Result):
        name: str

    with pytest.raises(TypeError, match="row"):
        Rowless(name="x")  # type: ignore[abstract]


def test_its_text_is_its_row_in_short() -> None:
    assert str(found()) == "name conv1, share 0.1235, known False"


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [(3, 5, "3-5"), (4, 4, "4"), (3, None, ">= 3"), (None, 5, "<= 5"), (None, None, "unknown"), (0, 0, "0")],
)
def test_an_interval_reads_as_one(low: int | None, high: int | None, text: str) -> None:
    assert str(Interval(low, high)) == text


@dataclass(frozen=True, kw_only=True)
class Line(Result):
    """Whatever a row may hold."""

    values: dict[str, Any]

    def row(self) -> dict[str, Scalar]:
        return self.values


@dataclass(frozen=True)
class Note:
    """No result, but with something to say in a table."""

    reason: str
    picture: object = None


@dataclass(frozen=True, kw_only=True)
class Several(Result):
    name: str = "it"
    lines: tuple[Result, ...] = ()
    notes: tuple[Note, ...] = ()
    inner_part: Result | None = None
    numbers: tuple[float, ...] = (1.0, 2.0)

    def row(self) -> dict[str, Scalar]:
        return {"name": self.name, "lines": len(self.lines)}


class Shown(HTMLParser):
    """What a browser makes of a display: paragraphs, and the cells of all tables by caption; every tag is closed."""

    def __init__(self, result: Result) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {"p": [], "caption": []}
        self.tables: list[list[list[str]]] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(result._repr_html_())
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.attributes += attrs
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        elif tag in self.texts:
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & {*self.open}:
            self.tables[-1][-1][-1] += data
        else:
            (kind,) = {*self.texts} & {*self.open}
            self.texts[kind][-1] += data


def test_a_notebook_shows_a_result_as_its_row() -> None:
    shown = Shown(found())
    assert shown.texts == {"p": ["Found"], "caption": []}
    assert shown.tables == [[["name", "conv1"], ["share", "0.1235"], ["known", "False"]]]


@given(st.dictionaries(MARKUP, MARKUP, min_size=1))
def test_what_a_notebook_shows_is_text_and_never_a_tag(values: dict[str, Any]) -> None:
    line = Line(values=values)
    assert Shown(line).tables == [[list(pair) for pair in values.items()]]
    several = Shown(Several(lines=(line,), name=next(iter(values))))
    assert several.tables == [[list(values), list(values.values())]]
    assert several.texts["p"] == [f"Several: name {next(iter(values))}, lines 1"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "inf"),
        (1 / 3, "0.3333"),
        (123456, "123456"),
        (True, "True"),
        ("", ""),
        (Interval(3, None), ">= 3"),
        ("<script>alert('x')</script> & \"co\"", "<script>alert('x')</script> & \"co\""),
    ],
)
def test_a_notebook_shows_every_kind_of_value(value: Any, text: str) -> None:
    assert Shown(Line(values={"it": value})).tables == [[["it", text]]]
    (table,) = Shown(Several(lines=(Line(values={"it": value}),))).tables
    assert table == [["it"], [text]]


def test_a_notebook_shows_several_results_as_a_table_with_all_their_columns() -> None:
    ragged = Line(values={"layer": "conv1", "rank": 3}), Line(values={"layer": "conv2", "energy": 0.5})
    shown = Shown(Several(lines=ragged))
    assert shown.texts == {"p": ["Several: name it, lines 2"], "caption": ["lines"]}
    assert shown.tables == [[["layer", "rank", "energy"], ["conv1", "3", "–"], ["conv2", "–", "0.5"]]]


def test_a_notebook_shows_what_a_result_within_holds_but_its_remarks() -> None:
    remarks = (Note("no gradient", object()), Note("no time", object()))
    inner = Several(lines=(Line(values={"a": 1}),), notes=remarks)
    shown = Shown(Several(notes=remarks, inner_part=inner))
    assert shown.texts["caption"] == ["notes", "inner part: lines"]
    assert shown.tables == [[["reason"], ["no gradient"], ["no time"]], [["a"], ["1"]]]


@pytest.mark.parametrize("rows", [ROWS_SHOWN, ROWS_SHOWN + 1, 1000])
def test_a_notebook_shows_the_first_of_many_rows_and_says_so(rows: int) -> None:
    (table,) = Shown(Several(lines=tuple(Line(values={"a": n, "b": -n}) for n in range(rows)))).tables
    kept = [[str(n), str(-n)] for n in range(min(rows, ROWS_SHOWN))]
    said = [] if rows == ROWS_SHOWN else [[f"the first {ROWS_SHOWN} of {rows} rows"]]
    assert table == [["a", "b"], *kept, *said]


def test_a_notebook_keeps_its_colours() -> None:
    styles = [value for name, value in Shown(Several(lines=(found(),))).attributes if name == "style"]
    assert {style.partition(":")[0] for style in styles if style} == {"text-align", "overflow-x"}


def sample_of(kind: Any) -> Any:
    """A value of a type, whatever it is."""
    plain = {
        str: "<name>",
        Path: Path("<file>"),
        int: 3,
        float: 0.123456,
        bool: True,
        type(None): None,
        Mapping: {},
        dict: {},
    }
    if isinstance(kind, type) and issubclass(kind, torch.Tensor):
        return torch.zeros(2, 2)
    if isinstance(kind, type) and issubclass(kind, nn.Module):
        return nn.Identity()
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind))
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        own = concrete(kind)[0] if isinstance(kind, type) and inspect.isabstract(kind) else kind
        return own(**{each.name: sample_of(hints[each.name]) for each in dataclasses.fields(kind) if each.init})
    if get_origin(kind) in (Union, types.UnionType):
        return sample_of(get_args(kind)[0])
    if get_origin(kind) is Literal:
        return get_args(kind)[0]
    if get_origin(kind) is tuple:
        first, *others = get_args(kind)
        return (sample_of(first),) * 2 if others == [...] else tuple(map(sample_of, get_args(kind)))
    return plain[get_origin(kind) or kind]


def concrete(base: type) -> list[type]:
    """The results of the package that can be made."""
    for entry in pkgutil.walk_packages(corank.__path__, "corank."):
        if not entry.name.endswith("__main__"):
            import_module(entry.name)
    below = [kind for one in base.__subclasses__() for kind in (one, *concrete(one))]
    return [kind for kind in below if kind.__module__.startswith("corank.") and not inspect.isabstract(kind)]


@pytest.mark.parametrize("kind", concrete(Result), ids=lambda kind: kind.__name__)
def test_a_notebook_shows_every_result_of_the_package(kind: Any) -> None:
    made = sample_of(kind)
    shown = Shown(made)
    assert shown.texts["p"][0].startswith(kind.__name__)
    several = {name for name, value in vars(made).items() if isinstance(value, tuple) and is_dataclass(value[0])}
    assert {name.replace("_", " ") for name in several} <= {*shown.texts["caption"]}
    if shown.tables and not shown.texts["caption"]:
        assert [name for name, _ in shown.tables[0]] == list(made.row())
    else:
        assert shown.texts["p"] == [f"{kind.__name__}: {made}"]
