"""The course of a training: loss and accuracy, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from corank.report.figures.depth import count_axis
from corank.report.figures.figure import CHARACTER, FONT_SIZE, SMALL, Canvas, Figure, draw_figure
from corank.report.format import SPACE, axis_number, number, percent
from corank.report.palette import ACCENT, INK
from corank.train import History

Curve = tuple[str, list[float], Callable[[float], str]]
"""What it shows, a value an epoch, and how a value is written."""
ACCURACY, VALIDATION = "accuracy", "validation accuracy"

_MARKED_AT_MOST = 30  # epochs; the points of longer trainings are the line
_LOGARITHMIC_FROM = 10.0  # the largest loss by the smallest
_LEFT, _TOP, _BOTTOM = 62, 34, 50  # pixels
_PANEL = 260


def training_curve(history: History, name: str = "training-curve", what: str = "training") -> Figure:
    """The figure of a training.

    Args:
        history: one row an epoch at least.
        name: of the figure; trainings that share a page need different ones.
        what: which training it is.
    """
    curves = _curves(history)
    epochs = f"{len(history.rows)} epoch{'s' * (len(history.rows) != 1)}"
    ends = ", ".join(f"{title} {show(values[-1])}" for title, values, show in curves)
    return draw_figure(
        name,
        lambda canvas: _draw(canvas, [row.epoch for row in history.rows], curves),
        alt=f"The {what}, {epochs}, at the end: {ends}",
        caption=f"The {what}: {_explained([title for title, _, _ in curves])}",
        height=_PANEL,
        narrow_height=_PANEL * len(curves),
    )


def _curves(history: History) -> list[Curve]:
    """The loss, and the accuracies of which anything is known."""
    losses: Curve = ("loss", [row.loss for row in history.rows], number)
    shares = {
        ACCURACY: [row.accuracy for row in history.rows],
        VALIDATION: [row.validation_accuracy for row in history.rows],
    }
    known = {title: values for title, values in shares.items() if any(value is not None for value in values)}
    return [losses] + [
        (title, [math.nan if value is None else value for value in values], percent) for title, values in known.items()
    ]


def _explained(titles: Sequence[str]) -> str:
    share = " and the share of samples that the network got right" if ACCURACY in titles else ""
    others = (
        "The validation accuracy is that after each epoch, on samples that it is not trained on."
        if VALIDATION in titles
        else "How the network does on other samples is not seen here."
    )
    return f"the mean loss of each epoch{share}, on the training samples and while the network changes. {others}"


def _draw(canvas: Canvas, epochs: Sequence[int], curves: Sequence[Curve]) -> None:
    """The curves side by side, on a phone one below the other."""
    width = canvas.width if canvas.narrow else canvas.width / len(curves)
    for place, curve in enumerate(curves):
        left, top = (0.0, _PANEL * place) if canvas.narrow else (width * place, 0)
        _panel(canvas, epochs, curve, left=left, width=width, top=top)


def _panel(canvas: Canvas, epochs: Sequence[int], curve: Curve, *, left: float, width: float, top: float) -> None:
    """One curve with its last value written beside it."""
    title, values, show = curve
    last = show(values[-1])
    right = 16 + CHARACTER * len(last)
    axes = canvas.axes(
        left=left + _LEFT, right=canvas.width - left - width + right, top=top + _TOP,
        bottom=canvas.height - top - _PANEL + _BOTTOM, x="epoch",
    )  # fmt: skip
    axes.annotate(
        title, (0, 1), xycoords="axes fraction", xytext=(-_LEFT, 28), textcoords="offset points", size=FONT_SIZE,
        color=INK.light, ha="left", va="top",
    )  # fmt: skip
    marker = "o" if len(epochs) <= _MARKED_AT_MOST else ""
    axes.plot(epochs, values, color=ACCENT.light, linewidth=1.6, marker=marker, markersize=4)
    count_axis(canvas, axes, epochs[-1])
    _scale(axes, [value for value in values if math.isfinite(value)], is_share=title in (ACCURACY, VALIDATION))
    if math.isfinite(values[-1]):
        axes.annotate(
            last, (epochs[-1], values[-1]), xytext=(8, 0), textcoords="offset points", size=SMALL,
            va="center_baseline", color=INK.light,
        )  # fmt: skip


def _scale(axes: Axes, values: Sequence[float], *, is_share: bool) -> None:
    """Shares in per cent and none above the whole; losses that fall far on a logarithmic axis."""
    axes.margins(y=0.08)
    if is_share:
        bottom, top = axes.get_ylim()
        ticks = MaxNLocator(nbins=5).tick_values(bottom, top)
        axes.set_yticks([tick for tick in ticks if bottom <= tick <= min(top, 1)])
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{round(100 * share, 6):g}{SPACE}%"))
        return
    low, high = min(values, default=0.0), max(values, default=1.0)
    if low > 0 and high > _LOGARITHMIC_FROM * low:
        axes.set_yscale("log")
        few = high < 300 * low
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,), numticks=6))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda loss, _: axis_number(loss)))
