from __future__ import annotations

from dataclasses import replace

import pytest

from corank.errors import InputError
from corank.report.figures import fooling_curve
from corank.report.palette import ACCENT, MUTED
from tests.report.conftest import make_universal
from tests.report.figures.svg_reading import are_on_one_scale, outlines, texts


@pytest.mark.parametrize("narrow", [False, True])
def test_stairs_climb_at_the_cost_at_which_more_was_fooled(narrow: bool) -> None:
    result = make_universal(steps=6)
    figure = fooling_curve(result)
    svg = figure.svg_narrow if narrow else figure.svg
    lines = [line for line in outlines(svg, ACCENT.light) if len(line) > 4]
    assert len(lines) == 2
    shares = [step.fooled for step in result.steps]
    for line, costs in zip(
        lines, ([s.gradients for s in result.steps], [s.seconds for s in result.steps]), strict=True
    ):
        rises = [line[0], *line[2:-1:2]]  # each step is a corner to the right of the one below and one above it
        assert are_on_one_scale(costs, [x for x, _ in rises])
        assert are_on_one_scale(shares, [y for _, y in rises], falling=True)


def test_the_dashed_line_is_the_share_of_held_out_images() -> None:
    result = make_universal()
    assert result.heldout is not None
    svg = fooling_curve(result).svg
    line = next(line for line in outlines(svg, ACCENT.light) if len(line) > 4)
    level = next(line for line in outlines(svg, MUTED.light) if len(line) == 2 and line[0][1] == line[1][1])
    bottom, top = line[0][1], line[-1][1]  # nothing fooled, and 60 % of the training images
    assert (bottom - level[0][1]) / (bottom - top) == pytest.approx(result.heldout.fooled / 0.6, abs=1e-3)
    aimed = replace(result, target=3)
    share = aimed.heldout.into[3] / aimed.heldout.samples  # type: ignore[union-attr]
    svg = fooling_curve(aimed).svg
    line = next(line for line in outlines(svg, ACCENT.light) if len(line) > 4)
    level = next(line for line in outlines(svg, MUTED.light) if len(line) == 2 and line[0][1] == line[1][1])
    assert (line[0][1] - level[0][1]) / (line[0][1] - line[-1][1]) == pytest.approx(share / 0.6, abs=1e-3)
    assert "aimed at" in fooling_curve(aimed).caption


def test_the_last_share_is_written_out() -> None:
    assert texts(fooling_curve(make_universal()).svg).count("60.0\u00a0%") == 2


def test_a_search_without_a_step_is_refused() -> None:
    with pytest.raises(InputError, match="at least one step"):
        fooling_curve(replace(make_universal(), steps=()))
