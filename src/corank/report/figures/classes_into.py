"""Where a universal perturbation drives its inputs: mostly into one class or a few."""

from __future__ import annotations

from collections.abc import Sequence

from corank.attack.universal import Universal
from corank.report.figures.figure import SMALL, Canvas, Figure, draw_figure
from corank.report.figures.rows import row_axes, row_height, rows_height, shares_axis
from corank.report.format import percent
from corank.report.palette import ACCENT, INK, MUTED

_MOST = 12  # classes with a row of their own
_ROOM = 64  # pixels for a share beside its bar


def classes_into(result: Universal, names: Sequence[str] = ()) -> Figure:
    """The figure `classes-into`.

    Args:
        result: of which the held-out images are shown, or the training images where there are none.
        names: of the network's outputs; numbers where there are none.
    """
    shares = result.train if result.heldout is None else result.heldout
    which = "training" if result.heldout is None else "held-out"
    bars = _bars(shares.into, names)
    top, most = bars[0]
    height = rows_height(len(bars), legend_lines=0)
    return draw_figure(
        "classes-into",
        lambda canvas: _draw(canvas, bars, shares.samples),
        alt=f"Classes that {shares.samples:,} perturbed images are put into, most of them, {most:,}, into {top}",
        caption=(
            f"The classes that the network puts the {shares.samples:,} {which} images into once the perturbation is "
            "added to them, from the most frequent down. One that changes the class of many images drives most of "
            "them into the same few classes."
        ),
        height=height,
        narrow_height=height,
    )


def _bars(into: Sequence[int], names: Sequence[str]) -> list[tuple[str, int]]:
    """Names and counts from the most frequent class down; those beyond the first few together."""
    known = names or [str(label) for label in range(len(into))]
    ordered = sorted(zip(known, into, strict=True), key=lambda bar: -bar[1])
    if len(ordered) <= _MOST:
        return ordered
    rest = ordered[_MOST - 1 :]
    return [*ordered[: _MOST - 1], (f"{len(rest):,} others", sum(count for _, count in rest))]


def _draw(canvas: Canvas, bars: Sequence[tuple[str, int]], samples: int) -> None:
    axes = row_axes(canvas, [name for name, _ in bars], x="share of the images", right=_ROOM, legend_lines=0)
    shares_axis(canvas, axes, max(count / samples for _, count in bars))
    for place, (_, count) in enumerate(bars):
        axes.barh(place, count / samples, height=0.62, color=(MUTED if place else ACCENT).light, linewidth=0)
        axes.annotate(
            percent(count / samples), (count / samples, place), xytext=(5, 0), textcoords="offset points", size=SMALL,
            va="center_baseline", color=INK.light, annotation_clip=False,
        )  # fmt: skip
    assert row_height(len(bars)) > SMALL, "a bar has a line of type beside it"
