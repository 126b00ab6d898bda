from __future__ import annotations

from itertools import pairwise

from corank.report.figures.probes import probes
from corank.report.figures.rows import labelled_every, row_height, rows_height
from corank.report.palette import INK
from tests.report.conftest import make_probes
from tests.report.figures.svg_reading import marks, texts


def test_names_never_overlap_and_no_figure_is_endless() -> None:
    heights = [row_height(rows) for rows in range(1, 111)]
    assert all(after <= before for before, after in pairwise(heights))
    assert all(labelled_every(rows) * row_height(rows) >= 13 for rows in range(1, 111))
    assert max(rows_height(rows) for rows in range(1, 111)) < 1200


def test_of_a_hundred_and_ten_layers_every_second_is_named_and_every_one_has_its_row() -> None:
    figure = probes(make_probes(layers=110, name="blocks.{}.conv"))
    for svg in (figure.svg, figure.svg_narrow):
        named = [text for text in texts(svg) if "blocks." in text or "conv" in text]
        assert len(named) == 55
        rows = [y for _, y in marks(svg, INK.light)[:110]]
        assert min(after - before for before, after in pairwise(rows)) > 7.5
        assert texts(svg).count("50\u00a0%") == 2 or texts(svg).count("60\u00a0%") == 2  # the scale stands above too
