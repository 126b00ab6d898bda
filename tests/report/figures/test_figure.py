from __future__ import annotations

import pytest

from corank.errors import InputError
from corank.report import Figure
from corank.report.figures.figure import Canvas, draw_figure
from tests.report.figures.svg_reading import texts


@pytest.mark.parametrize("name", ["", "Two Words", "a--b", "../up", "-a", "é"])
def test_a_name_must_be_a_file_and_an_anchor(name: str) -> None:
    with pytest.raises(InputError, match="lower-case words joined by hyphens"):
        Figure(name, "<svg/>", "")


def test_margins_are_in_pixels_of_the_page() -> None:
    frames = []

    def draw(canvas: Canvas) -> None:
        axes = canvas.axes(left=60, right=30, top=20, bottom=50, title="height & <b> $x^2$", x="depth")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        frames.append((*canvas.pixels(axes, 0, 0), *canvas.pixels(axes, 1, 1)))

    figure = draw_figure("margins", draw, alt="a & b", caption="", height=400, narrow_height=300)
    assert frames[0] == pytest.approx((60, 50, 720 - 30, 400 - 20))
    assert frames[1] == pytest.approx((60, 50, 360 - 30, 300 - 20))
    assert 'viewBox="0 0 720 400"' in figure.svg
    assert 'viewBox="0 0 360 300"' in figure.svg_narrow
    assert 'aria-label="a &amp; b"' in figure.svg
    assert {"height & <b> $x^2$", "depth"} <= set(texts(figure.svg))
