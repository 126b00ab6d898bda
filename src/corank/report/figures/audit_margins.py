"""How near each test of an audit came to being flagged."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from corank.attack.audit import Audited, Row
from corank.report.figures.figure import Canvas, Figure, draw_figure
from corank.report.figures.rows import legend_mark, row_axes, row_legend, rows_height
from corank.report.palette import ACCENT, MUTED, SECOND

_LEAST, _MOST = 0.01, 100.0  # times the threshold; what lies beyond is drawn there
_MARKS = {"passed": ("o", ACCENT), "flagged": ("D", SECOND)}


def audit_margins(result: Audited) -> Figure:
    """The figure `audit-margins`: the value of each test that was run, in multiples of its threshold."""
    run = [row for row in result.rows if row.verdict != "not run"]
    height = rows_height(len(run))
    flagged = sum(row.verdict == "flagged" for row in run)
    return draw_figure(
        "audit-margins",
        lambda canvas: _draw(canvas, run),
        alt=f"{len(run)} tests of an audit, {flagged} flagged, each by how near it came to its threshold",
        caption=(
            "What each test measured, in multiples of the threshold beyond which it is flagged (dashed); where small "
            "values are the suspicious ones, the threshold by the value. A test beyond the line may still have passed: "
            "few images may differ so by chance."
        ),
        height=height,
        narrow_height=height,
    )


def _draw(canvas: Canvas, rows: Sequence[Row]) -> None:
    axes = row_axes(canvas, [f"{row.number} {row.test}" for row in rows], x="times the threshold")
    axes.set_xscale("log")
    axes.set_xlim(0.7 * _LEAST, 1.4 * _MOST)
    axes.xaxis.set_major_locator(FixedLocator([_LEAST, 0.1, 1.0, 10.0, _MOST]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda times, _: _times(times)))
    axes.axvline(1.0, color=MUTED.light, linewidth=1.2, linestyle=(0, (5, 4)), zorder=1)
    for place, row in enumerate(rows):
        marker, colour = _MARKS[row.verdict]
        axes.plot(times_the_threshold(row), place, color=colour.light, marker=marker, markersize=6, clip_on=False)
    handles: list[Line2D] = [legend_mark(verdict, colour, marker) for verdict, (marker, colour) in _MARKS.items()]
    row_legend(canvas, handles, columns=2)


def times_the_threshold(row: Row) -> float:
    """How far beyond its threshold a value lies, one at the threshold; limited to what is drawn."""
    assert row.value is not None, "the test was run"
    assert row.threshold is not None, "the test was run"
    above = row.flagged_if == "above"
    value, threshold = (row.value, row.threshold) if above else (row.threshold, row.value)
    times = value / threshold if threshold > 0 else (_MOST if value > 0 else _LEAST)
    return min(max(times, _LEAST), _MOST)


def _times(times: float) -> str:
    """The ends of the scale stand for all beyond them."""
    return {_LEAST: f"≤ {_LEAST:g}", _MOST: f"≥ {_MOST:g}"}.get(times, f"{times:g}")
