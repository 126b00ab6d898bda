from __future__ import annotations

import re
from xml.etree import ElementTree

import matplotlib
import pytest

from corank.errors import InputError
from corank.report import Figure, figures_of
from corank.result import Interval
from tests.report.conftest import make

SHAPES = {
    "several layers": {},
    "one layer": {"layers": 1},
    "one direction": {"layers": 1, "directions": 1, "width": 1, "energy": Interval(1, 1), "norm": Interval(1, 1)},
    "sixty layers": {"layers": 60, "directions": 3, "name": "encoder.layers.{}.attention.out_proj"},
    "open intervals": {"energy": Interval(3, None), "norm": Interval(None, None)},
    "nothing held out": {"held_out": False},
    "no uncertainty": {"uncertainty": 0.0},
    "vanishing eigenvalues": {"decay": 0.0},
    "hostile names": {"name": "</text><script>x{}</script> $\\frac{{1}}$ & \x00\ud800 \"'"},
}


@pytest.fixture(params=SHAPES, scope="module")
def drawn(request: pytest.FixtureRequest) -> dict[str, Figure]:
    return figures_of(make(**SHAPES[request.param]))


def both(figures: dict[str, Figure]) -> list[tuple[str, str]]:
    wide = [(f"figure-{name}", figure.svg) for name, figure in figures.items()]
    return wide + [(f"figure-{name}--narrow", figure.svg_narrow) for name, figure in figures.items()]


def test_a_measurement_has_three_figures_with_captions(drawn: dict[str, Figure]) -> None:
    assert list(drawn) == ["active-neurons", "spectra", "captured"]
    assert all(figure.name == name and len(figure.caption) > 60 for name, figure in drawn.items())


def test_every_id_is_the_figures_own_and_every_reference_resolves(drawn: dict[str, Figure]) -> None:
    for ident, svg in both(drawn):
        elements = list(ElementTree.fromstring(svg).iter())
        ids = [element.attrib["id"] for element in elements if "id" in element.attrib]
        assert ids[0] == ident
        assert all(own.startswith(f"{ident}.") for own in ids[1:])
        assert len(set(ids)) == len(ids)
        assert set(re.findall(r'(?:url\(|href=")#([^)"]+)', svg)) <= set(ids)


def test_nothing_is_loaded_and_no_rule_reaches_beyond_the_figure(drawn: dict[str, Figure]) -> None:
    for ident, svg in both(drawn):
        assert "//" not in svg.replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert "<script" not in svg
        assert svg.count("<style") == 1
        (style,) = re.findall(r"<style>(.*?)</style>", svg)
        rules = re.findall(r"([^{}]+){[^{}]*}", style)
        assert {rule.strip() for rule in rules} == {f"#{ident}"}


def test_every_colour_has_its_counterpart_in_the_dark(drawn: dict[str, Figure]) -> None:
    for _, svg in both(drawn):
        used = set(re.findall(r"var\(--([0-9a-f]{6}),", svg))
        assert used
        assert used == set(re.findall(r"--([0-9a-f]{6}):#", svg))
        assert set(re.findall(r"(?:fill|stroke): #([0-9a-f]{6})", svg)) <= used


def test_every_coordinate_is_a_finite_number(drawn: dict[str, Figure]) -> None:
    for _, svg in both(drawn):
        assert not re.search(r"\b(nan|inf)\b", svg)


def test_texts_stand_on_the_sheet(drawn: dict[str, Figure]) -> None:
    for _, svg in both(drawn):
        width, height = map(float, re.findall(r'viewBox="0 0 (\S+) (\S+)"', svg)[0])
        for x, y in re.findall(r'<text [^>]*?x="(\S+)" y="(\S+)"', svg):
            assert -1 <= float(x) <= width
            assert 0 <= float(y) <= height


@pytest.mark.parametrize("setting", [{}, {"font.size": 30, "lines.linewidth": 9, "svg.fonttype": "path"}])
def test_one_result_gives_one_figure_byte_for_byte(measured, setting: dict) -> None:
    first = figures_of(measured())
    with matplotlib.rc_context(setting):
        before = dict(matplotlib.rcParams)
        assert figures_of(measured()) == first
        assert dict(matplotlib.rcParams) == before


def test_a_type_without_figures_is_named() -> None:
    with pytest.raises(InputError, match="figures exist for ActiveSubspaces, got dict"):
        figures_of({})


def test_a_result_without_layers_is_refused(measured) -> None:
    with pytest.raises(InputError, match="at least one measured layer, got 0"):
        figures_of(measured(layers=0))
