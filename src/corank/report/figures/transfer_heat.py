"""What the universal perturbation of each network does to every other, as a square of shares."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.patches import Rectangle

from corank.attack.transfer import TransferMatrix
from corank.report.figures.figure import CHARACTER, FONT_SIZE, SMALL, Canvas, Figure, draw_figure
from corank.report.figures.labels import distinct
from corank.report.format import percent
from corank.report.palette import ACCENT, INK, MUTED

_ROW, _ABOVE, _WIDEST = 44, 64, 120  # pixels


def transfer_heat(result: TransferMatrix) -> Figure:
    """The figure `transfer`."""
    height = _ABOVE + _ROW * len(result.networks) + 8
    samples = result.transfers[0].samples
    return draw_figure(
        "transfer",
        lambda canvas: _draw(canvas, result),
        alt=f"Share of images fooled of {len(result.networks)} networks by the perturbations of each of them",
        caption=(
            f"How many of {samples:,} images each network puts into another class once the perturbation that was "
            "found on a network is added. Rows: the network that is attacked. Columns: the one that the perturbation "
            "was found on. What transfers needs no access to the network that it fools."
        ),
        height=height,
        narrow_height=height,
    )


def _draw(canvas: Canvas, result: TransferMatrix) -> None:
    names = distinct(result.networks, 12 if canvas.narrow else 26)
    left = 12 + CHARACTER * max(map(len, names))
    width = min(_WIDEST, (canvas.width - left) / len(names))
    heads = distinct(result.networks, max(3, int(width / CHARACTER) - 1))
    _text(canvas, "attacked", 0, _ABOVE - 16, MUTED.light, "left")
    _text(canvas, "found on", left, 14, MUTED.light, "left")
    shares = result.fooled.tolist()
    for place, (name, row) in enumerate(zip(names, shares, strict=True)):
        top = _ABOVE + _ROW * place
        _text(canvas, name, 0, top + _ROW / 2, INK.light, "left")
        _text(canvas, heads[place], left + width * (place + 0.5), _ABOVE - 16, INK.light, "center")
        _cells(canvas, row, left, top, width)


def _cells(canvas: Canvas, shares: Sequence[float], left: float, top: float, width: float) -> None:
    """A row of rectangles, the darker the more are fooled, each with its share."""
    for place, share in enumerate(shares):
        corner = (left + width * place + 1, canvas.height - top - _ROW + 1)
        cell = Rectangle(corner, width - 2, _ROW - 2, facecolor=ACCENT.light, alpha=0.08 + 0.42 * share, linewidth=0)
        cell.set_transform(None)
        canvas.drawing.add_artist(cell)
        _text(canvas, percent(share), left + width * (place + 0.5), top + _ROW / 2, INK.light, "center", SMALL)


def _text(canvas: Canvas, text: str, x: float, y: float, colour: str, side: str, size: float = FONT_SIZE) -> None:
    canvas.drawing.text(
        x / canvas.width, 1 - y / canvas.height, text, color=colour, size=size, ha=side, va="center_baseline"
    )
