"""Storage, multiply-adds and latency of the original network and its cuts, as shares of the original's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from corank.errors import InputError
from corank.report.figures.figure import CHARACTER, FONT_SIZE, SMALL, Canvas, Figure, draw_figure
from corank.report.figures.labels import distinct
from corank.report.figures.tradeoff import Tradeoff
from corank.report.format import compact, milliseconds, percent, storage
from corank.report.palette import ACCENT, INK, MUTED

Cost = tuple[str, Callable[[Tradeoff], float | None], Callable[[float], str]]
_COSTS: tuple[Cost, ...] = (
    ("storage", lambda row: row.storage_bytes, storage),
    ("multiply-adds", lambda row: row.multiply_adds, compact),
    ("latency", lambda row: row.latency_ms, milliseconds),
)
_ROW = 26
_HEAD = 34
_VALUE = 112  # pixels for a value and its share beside the longest bar


def cost_bars(rows: Sequence[Tradeoff], baseline: Tradeoff) -> Figure:
    """The figure `cost-bars`.

    Args:
        rows: the smaller networks.
        baseline: the original one, whose costs are the whole bars.

    Raises:
        InputError: no smaller network.
    """
    if not rows:
        raise InputError("the figure needs at least one smaller network, got 0")
    panel = _HEAD + _ROW * (len(rows) + 1)
    return draw_figure(
        "cost-bars",
        lambda canvas: _draw(canvas, [baseline, *rows]),
        alt=f"Storage, multiply-adds and latency of the original network and {len(rows)} smaller ones",
        caption=(
            "What is left of each cost, as a share of the original network's: what it takes to store, the "
            "multiply-adds of one sample, and the measured time of one forward pass. Shorter is better."
        ),
        height=panel + 8,
        narrow_height=len(_COSTS) * panel + 8,
    )


def _draw(canvas: Canvas, networks: Sequence[Tradeoff]) -> None:
    names = distinct([row.name for row in networks], 20 if canvas.narrow else 26)
    margin = 10 + CHARACTER * max(len(name) for name in names)
    panel = _HEAD + _ROW * len(networks)
    width = (canvas.width - margin) / (1 if canvas.narrow else len(_COSTS))
    for place, cost in enumerate(_COSTS):
        left, top = (margin, panel * place) if canvas.narrow else (margin + width * place, 0)
        named = names if canvas.narrow or place == 0 else []
        _panel(canvas, networks, cost, named, left=left, width=width, top=top)


def _panel(
    canvas: Canvas, networks: Sequence[Tradeoff], cost: Cost, names: list[str], *, left: float, width: float, top: float
) -> None:
    """One cost: a bar for each network, with its value and its share beside it."""
    title, value_of, show = cost
    height = _ROW * len(networks)
    axes = canvas.axes(
        left=left, right=canvas.width - left - width, top=top + _HEAD, bottom=canvas.height - top - _HEAD - height
    )
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    values = [value_of(row) for row in networks]
    whole = values[0]
    lengths = [value / whole if value is not None and whole else 0.0 for value in values]
    axes.set_xlim(0, max([1.0, *lengths]) * width / (width - _VALUE))
    axes.set_ylim(len(networks) - 0.5, -0.5)
    axes.set_xticks([])
    axes.set_yticks(range(len(networks)) if names else [], names)
    axes.text(0, -0.68, title, size=FONT_SIZE, color=INK.light, weight="bold", va="bottom")
    for place, (value, length) in enumerate(zip(values, lengths, strict=True)):
        axes.barh(place, length, height=0.62, color=(ACCENT if place else MUTED).light, linewidth=0)
        text = "not measured" if value is None else show(value)
        if length and place:
            text += f" ({percent(length, 0)})"
        axes.annotate(
            text, (length, place), xytext=(5, 0), textcoords="offset points", size=SMALL, va="center_baseline",
            color=MUTED.light if value is None else INK.light,
        )  # fmt: skip
