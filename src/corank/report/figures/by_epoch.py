"""A network followed over its training: accuracies, ranks and sparsity of its weights, what its layers hold.

Langenberg et al. 2019, On the Effect of Low-Rank Weights on Adversarial Robustness of Neural Networks, Fig. 2 to 5; the
share of activations in few directions is that of Sanyal et al. 2020, Robustness via Deep Low-Rank Representations,
Fig. 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.ticker import FuncFormatter, MaxNLocator

from corank.defend.watching import DIRECTIONS, Watched, WatchedEpoch
from corank.report.figures.depth import count_axis, name_lines, right_margin
from corank.report.figures.figure import Canvas, Figure, draw_figure
from corank.report.figures.panels import share_heights
from corank.report.format import axis_number, percent
from corank.report.palette import depth_colours

_HEIGHT = 300
_MARKED_AT_MOST = 30  # epochs; the points of longer trainings are the line
_FEW = 5  # directions whose share is followed, or the widest count that every layer has


@dataclass(frozen=True)
class Line:
    """Something followed over the epochs.

    Attributes:
        name: at its end.
        values: one an epoch.
        upper: the other end of a band, where the values are its lower end; empty for a line.
    """

    name: str
    values: tuple[float, ...]
    upper: tuple[float, ...] = ()


def by_epoch(result: Watched) -> list[Figure]:
    """The figures of a watched training: accuracies, and of the rest what was looked at."""
    rows = result.rows
    figures = [_accuracies(result)]
    if rows[-1].weights:
        figures += [
            _weights(rows, "effective-rank", "effective rank", lambda one: one.effective_rank,
                     "the sum of its singular values over its Frobenius norm, which is the lower the fewer directions "
                     "the layer uses"),
            _weights(rows, "effective-sparsity", "effective sparsity", lambda one: one.effective_sparsity,
                     "the sum of its absolute entries over its Frobenius norm, which is the lower the fewer weights "
                     "matter"),
            _weights(rows, "stable-rank", "stable rank", lambda one: one.stable_rank,
                     "its squared Frobenius norm over its squared largest singular value"),
        ]  # fmt: skip
    if rows[-1].information:
        figures.append(_information(rows))
    if rows[-1].variance_ratios:
        figures.append(_ratios(rows))
    return figures


def _accuracies(result: Watched) -> Figure:
    rows = result.rows
    last = rows[-1]
    lines = [
        Line("as they are", tuple(row.clean_accuracy for row in rows)),
        Line("attacked", tuple(row.robust_accuracy for row in rows)),
    ]
    return _figure(
        "accuracy-by-epoch", rows, lines, title="accuracy", is_share=True,
        alt=f"Accuracy by epoch, at the end {percent(last.clean_accuracy)}, attacked {percent(last.robust_accuracy)}",
        caption=(
            f"The share of {result.images:,} validation samples that are classified rightly before the training and "
            f"after each epoch: as they are, and under {result.steps} steps of projected gradient descent within "
            f"{result.norm} radius {axis_number(result.radius)}. One attack alone proves nothing: what "
            "withstands it may fall to another."
        ),
    )  # fmt: skip


def _weights(
    rows: Sequence[WatchedEpoch], name: str, title: str, value_of: Callable[..., float], meaning: str
) -> Figure:
    layers = [one.layer for one in rows[-1].weights]
    lines = [
        Line(layer, tuple(value_of(row.weights[place]) for row in rows)) for place, layer in enumerate(layers)
    ]  # fmt: skip
    return _figure(
        f"{name}-by-epoch", rows, lines, title=title,
        alt=f"{title.capitalize()} of {len(layers)} weight matrices by epoch",
        caption=f"The {title} of every weight matrix before the training and after each epoch: {meaning}.",
    )  # fmt: skip


def _information(rows: Sequence[WatchedEpoch]) -> Figure:
    layers = [one.layer for one in rows[-1].information]
    lines = [
        Line(
            layer,
            tuple(row.information[place].input_low for row in rows),
            tuple(row.information[place].input_high for row in rows),
        )
        for place, layer in enumerate(layers)
    ]
    return _figure(
        "information-by-epoch", rows, lines, title="nats",
        alt=f"Bounds of the information about the input in {len(layers)} layers by epoch",
        caption=(
            "Between which bounds the mutual information of each hidden layer and the input lies, with Gaussian noise "
            "of variance 0.1 on every feature. No bound passes the logarithm of the number of samples."
        ),
    )  # fmt: skip


def _ratios(rows: Sequence[WatchedEpoch]) -> Figure:
    place = min(DIRECTIONS.index(_FEW), *(len(one.shares) - 1 for row in rows for one in row.variance_ratios))
    layers = [one.layer for one in rows[-1].variance_ratios]
    lines = [
        Line(layer, tuple(row.variance_ratios[number].shares[place] for row in rows))
        for number, layer in enumerate(layers)
    ]
    few = DIRECTIONS[place]
    many = "direction" if few == 1 else f"{few} directions"
    return _figure(
        "variance-ratio-by-epoch", rows, lines, title="variance ratio", is_share=True,
        alt=f"Share of the activations' energy in the first {many} of {len(layers)} layers by epoch",
        caption=f"The share of the energy of each hidden layer's activations that the first {many} carry.",
    )  # fmt: skip


def _figure(
    name: str,
    rows: Sequence[WatchedEpoch],
    lines: Sequence[Line],
    *,
    title: str,
    alt: str,
    caption: str,
    is_share: bool = False,
) -> Figure:
    epochs = [row.epoch for row in rows]
    return draw_figure(
        name, lambda canvas: _draw(canvas, epochs, lines, title, is_share=is_share), alt=alt, caption=caption,
        height=_HEIGHT, narrow_height=_HEIGHT,
    )  # fmt: skip


def _draw(canvas: Canvas, epochs: Sequence[int], lines: Sequence[Line], title: str, *, is_share: bool) -> None:
    names = [line.name for line in lines]
    axes = canvas.axes(left=62, right=right_margin(canvas, names), top=34, bottom=50, title=title, x="epoch")
    marker = "o" if len(epochs) <= _MARKED_AT_MOST else ""
    ends: list[tuple[float, float] | None] = []
    for line, colour in zip(lines, depth_colours(len(lines)), strict=True):
        axes.plot(epochs, line.values, color=colour.light, linewidth=1.6, marker=marker, markersize=4, clip_on=False)
        if line.upper:
            axes.fill_between(epochs, line.values, line.upper, color=colour.light, alpha=0.18, linewidth=0)
            axes.plot(epochs, line.upper, color=colour.light, linewidth=1.6)
        ends.append((float(epochs[-1]), float(line.values[-1])))
    count_axis(canvas, axes, max(1, epochs[-1]))
    axes.set_xlim(min(epochs[0], epochs[-1] - 1), max(1, epochs[-1]))
    if epochs[0] == 0:
        axes.set_xticks([0, *axes.get_xticks()])
    if is_share:
        share_heights(axes, 1.03)
    else:
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: axis_number(value)))
    name_lines(canvas, axes, names, ends)
