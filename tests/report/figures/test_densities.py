"""The pictures of a density: points where they belong, at equal scales, and every way a line."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from corank.report.figures.densities import density_panels, flow_ways
from corank.report.figures.loss_by_cost import LossPoint, loss_by_cost
from corank.report.palette import ACCENT, SECOND

from .svg_reading import are_on_one_scale, marks, outlines, texts

LOW, HIGH = (-4.0, -4.0), (4.0, 4.0)


def points(count: int) -> Tensor:
    return torch.randn(count, 2, generator=torch.Generator().manual_seed(0)).clamp(-3.9, 3.9)


def test_the_density_stands_between_data_and_samples() -> None:
    figure = density_panels(torch.rand(8, 8), points(20), points(20), LOW, HIGH, "moons")
    assert [text for text in texts(figure.svg) if text.isalpha()] == ["data", "density", "samples"]
    assert figure.svg.count("<image") == 1
    without = density_panels(None, points(20), points(20), LOW, HIGH, "table")
    assert [text for text in texts(without.svg) if text.isalpha()] == ["data", "samples"]
    assert "<image" not in without.svg
    assert "first two coordinates" in without.caption


def test_samples_lie_where_they_are_at_equal_scales() -> None:
    drawn = points(30)
    figure = density_panels(torch.rand(8, 8), points(5), drawn, LOW, HIGH, "moons")
    for svg in (figure.svg, figure.svg_narrow):
        x, y = zip(*marks(svg, SECOND.light), strict=True)
        assert are_on_one_scale(drawn[:, 0].tolist(), x)
        assert are_on_one_scale(drawn[:, 1].tolist(), y, falling=True)
        across, down = np.polyfit(drawn[:, 0], x, 1)[0], np.polyfit(drawn[:, 1], y, 1)[0]
        assert abs(across + down) < 0.01 * across


def test_a_density_that_is_nowhere_has_a_picture_too() -> None:
    assert density_panels(torch.zeros(8, 8), points(3), points(3), LOW, HIGH, "moons").svg_narrow


def test_every_way_is_a_line_from_a_ring_to_a_dot() -> None:
    ways = torch.stack([points(7) * share for share in (0.5, 0.7, 1.0)])
    svg = flow_ways(ways, "moons").svg
    lines = [line for line in outlines(svg, ACCENT.light) if len(line) == 3]
    assert len(lines) == 7
    ends = marks(svg, SECOND.light)
    assert np.allclose([line[-1] for line in lines], ends, atol=0.02)


def test_the_course_is_drawn_by_steps_and_by_seconds() -> None:
    rows = [
        LossPoint(step=50 * n, seconds=2.0 * n * n, train_loss=3 / n, test_loss=3.1 / n, evaluations_forward=20,
                  evaluations_backward=20 + n)
        for n in (1, 2, 3, 4)
    ]  # fmt: skip
    svg = loss_by_cost(rows).svg
    assert {"steps", "seconds", "evaluations"} <= set(texts(svg))
    by_steps, by_seconds, forward = (line for line in outlines(svg, ACCENT.light) if len(line) == 4)
    assert are_on_one_scale([row.step for row in rows], [x for x, _ in by_steps])
    assert are_on_one_scale([row.seconds for row in rows], [x for x, _ in by_seconds])
    assert are_on_one_scale([row.test_loss for row in rows], [y for _, y in by_steps], falling=True)
    assert len({y for _, y in forward}) == 1
