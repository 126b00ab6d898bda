"""What attacks found as tables, the same on the page and in the terminal; made from what their JSON files hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corank.attack.audit import Row
from corank.report import Column, Table
from corank.report.format import number, percent

SPLITS = {"train": "training", "heldout": "held out"}


def universal_table(result: Mapping[str, Any]) -> Table:
    """A row for the images that a universal perturbation was found on, and one for others."""
    columns = (
        Column("images"),
        Column("how many"),
        Column("fooled", note="share of all whose class changes", show=percent),
        Column("fooled of right", note="share of those classified rightly whose class changes", show=percent),
        Column("errors", note="share classified wrongly with the perturbation", show=percent),
        Column("errors before", note="share classified wrongly without it", show=percent),
    )
    names = ("images", "fooling_ratio", "fooling_ratio_of_right", "error_rate", "error_rate_before")
    rows = tuple((title, *(result[name][split] for name in names)) for split, title in SPLITS.items())
    return Table(columns, rows, f"What one vector does: {vector_in_words(result)}.")


def vector_in_words(result: Mapping[str, Any]) -> str:
    """The length of a universal perturbation and where it is added."""
    return f"{result['norm']} length {result['radius']:g} {space_in_words(result)}"


def space_in_words(result: Mapping[str, Any]) -> str:
    """Where a network is attacked, as a result says it."""
    clipped = "not clipped" if result["bounds"] is None else "clipped to {:.4g} to {:.4g}".format(*result["bounds"])
    return f"in {result['space']} space, {clipped}"


def accuracy_title(result: Mapping[str, Any]) -> str:
    """What accuracy under attack may be called: the word robust is for what an audit has not flagged."""
    return "robust accuracy" if result["verdict"] == "passed" else "accuracy under attack"


def evaluation_table(result: Mapping[str, Any]) -> Table:
    """A row an attack, a column a radius; the worst case of each image last."""
    rows = result["robust_accuracy"]
    names = [name for name in dict.fromkeys(row["attack"] for row in rows) if name != "clean"]
    found = {(row["attack"], row["radius"]): row["accuracy"] for row in rows}
    columns = (
        Column("attack"),
        *(Column(f"radius {radius:g}", show=percent) for radius in result["radii"]),
        Column("seconds"),
    )
    seconds = {name: _seconds([row for row in rows if row["attack"] == name]) for name in names}
    body = tuple((name, *(found.get((name, radius)) for radius in result["radii"]), seconds[name]) for name in names)
    clean = ("none", *(result["accuracy"] for _ in result["radii"]), None)
    caption = f"{accuracy_title(result).capitalize()}, {result['norm']} radii {space_in_words(result)}."
    return Table(columns, (clean, *body), caption)


def _seconds(rows: Sequence[Mapping[str, Any]]) -> float:
    """Of an attack: rows of one that runs once for all radii have it all, each."""
    times = [float(row["seconds"]) for row in rows]
    return times[0] if len(set(times)) == 1 else sum(times)


def audit_table(rows: Sequence[Row]) -> Table:
    """A row a test."""
    columns = (
        Column("test"),
        Column("verdict"),
        Column("value"),
        Column("should be", note="or the test is flagged, unless so few images may differ so by chance"),
        Column("what is measured", note="a gain is the share of images that only this breaks"),
    )
    body = tuple((f"{row.number} {row.test}", row.verdict, row.value, _allowed(row), row.measure) for row in rows)
    return Table(columns, body, "Twenty tests of whether the attacks were strong enough.")


def _allowed(row: Row) -> str | None:
    """On which side of its threshold the value of a test lies where nothing is suspicious."""
    if row.threshold is None:
        return None
    return f"{'at least' if row.flagged_if == 'below' else 'at most'} {number(row.threshold)}"


def transfer_table(result: Mapping[str, Any]) -> Table:
    """A row a network that is attacked, a column a network that the perturbation was found on."""
    names, found = result["networks"], {(row["attacked"], row["source"]): row for row in result["matrix"]}
    columns = (Column("attacked"), *(Column(f"from {name}", show=percent) for name in names))
    body = tuple((name, *(found[name, source]["fooling_ratio"] for source in names)) for name in names)
    return Table(columns, body, f"Share of held-out images fooled: {vector_in_words(result)}.")
