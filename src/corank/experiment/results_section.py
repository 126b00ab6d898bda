"""One recipe on a page: its numbers beside the printed ones, what differs and why, and where ours come from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any, TypeVar

from corank.experiment.comparison import Compared, Said, State, differing
from corank.experiment.printed import Number, Printed, Quoted, Tolerance
from corank.experiment.recipe import Axes, Column, Recipe
from corank.experiment.reproducing import command_line
from corank.experiment.reproduction_tables import as_printed, cell_words, cells_words, decimals, number_words
from corank.report.format import number as number_text

T = TypeVar("T")
ACROSS = 4  # cells beside one another, so that a table fits a narrow page
PRESETS_IN_WORDS = {
    "smoke": "in seconds and offline",
    "quick": "what a small machine can give",
    "paper": "as the paper had it",
}
MANY = {"reproduced": "reproduced", "differs": "differ", "not run": "not run"}  # verdicts on several numbers
CLAIMS = {True: "true", False: "not true", None: "not enough cells"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One cell of the table in the paper.

    Attributes:
        axes: which.
        values: of each column, one a seed.
        numbers: the printed ones by column.
        seeds: of the table; cells with another number of them say so.
    """

    axes: Axes
    values: Mapping[str, Sequence[float]]
    numbers: Mapping[str, Compared]
    seeds: int

    @property
    def is_run(self) -> bool:
        """Whether any of its numbers was computed."""
        return any(self.values.values())

    def text(self, column: str) -> str:
        """Ours, and the printed number in parentheses."""
        values, beside = self.values[column], self.numbers.get(column)
        printed = None if beside is None else beside.printed
        if not values:
            return f"– ({printed})" if printed else ""
        here = as_printed(fmean(values), printed, more=_more_digits(beside))
        if len(values) > 1 and (spread := stdev(values)):
            here += f" ± {spread:.2g}"
        if len(values) != self.seeds:
            here += f", n = {len(values)}"
        if beside is None:
            return here
        return f"{here} ({printed})" + (" ✗" if beside.verdict == "differs" else "")


def section(recipe: Recipe, state: State, others: Sequence[State], printed: Printed) -> list[str]:
    """The paragraphs about a recipe.

    Args:
        recipe: which.
        state: of the preset that is shown.
        others: of presets that have cells too.
        printed: what its TOML says.
    """
    cases = _cases(recipe, state)
    run, lacking = [case for case in cases if case.is_run], [case for case in cases if not case.is_run]
    return [
        f"## {state.place}",
        f"{recipe.table.title}.",
        _told(state, others),
        *(_tables(recipe.table.columns, run) if run else []),
        _not_run(lacking) if run and lacking else "",
        *_quoted(recipe.table.columns, printed.quoted),
        *_in_place(recipe, state),
        *_listed("What differs", _differing(state)),
        *_listed("Otherwise than in the paper", state.circumstances),
        *_listed("The paper says", (f"“{claim.quote}”: {claim_words(claim, state)}." for claim in state.claims)),
        *_listed("How near is reproduced", _tolerances(printed, state)),
        *_listed("Where ours come from", _provenance(state)),
    ]


def claim_words(claim: Said, state: State) -> str:
    """Whether a claim holds, and of which networks."""
    where = "" if claim.holds is None else " here" if state.own else " of what stands in for it here"
    return CLAIMS[claim.holds] + where


def stands_in(state: State) -> bool:
    """Whether a page shows cells that stand in for the paper's; the few of the smallest preset tell nobody anything."""
    return bool(state.in_place) and state.preset != "smoke"


def verdict_words(verdicts: Iterable[str]) -> str:
    """How many verdicts of each kind, in words.

    Example:
        >>> verdict_words(["differs", "reproduced", "reproduced"]), verdict_words([]), verdict_words(["reproduced"] * 2)
        ('2 reproduced, 1 differs', 'none', 'all 2 reproduced')
    """
    found = Counter(verdicts)
    if len(found) == 1 and (total := found["reproduced"]) > 1:
        return f"all {total} reproduced"
    words = (f"{found[one]} {many if found[one] > 1 else one}" for one, many in MANY.items() if found[one])
    return ", ".join(words) or "none"


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    r"""A table in Markdown.

    Example:
        >>> print(markdown_table(("layer", "loss"), [("5", "a|b")]))
        | layer | loss |
        | --- | --- |
        | 5 | a\|b |
    """
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(text.replace("|", "\\|") for text in line) + " |" for line in lines)


def _more_digits(number: Compared | None) -> int:
    """How many digits more than the printed ones it takes to see whether a number is near enough."""
    if number is None or number.is_counted or not number.allowed:
        return 0
    return max(0, math.ceil(-math.log10(number.allowed)) - decimals(number.printed))


def _cases(recipe: Recipe, state: State) -> list[Case]:
    """The cells that were printed, and others of the preset, in the order of the table."""
    cells = [cell.axes for preset in ("paper", state.preset) for cell in recipe.cells(preset) if not cell.stands_in]
    return [
        Case(
            axes=axes,
            values={column.name: _values(state.own, axes, column.name) for column in recipe.table.columns},
            numbers={number.column: number for number in state.numbers if number.axes == axes},
            seeds=len({row["seed"] for row in state.own}),
        )
        for axes in _distinct(cells)
    ]


def _values(rows: Sequence[Mapping[str, Any]], axes: Axes, column: str) -> list[float]:
    found = (row["values"][column] for row in rows if row["axes"] == axes)
    return [value for value in found if value is not None]


def _in_place(recipe: Recipe, state: State) -> Iterator[str]:
    """The cells that stand in for the paper's, which no printed number is about, and how they were computed."""
    rows = state.in_place
    if not stands_in(state):
        if rows:
            yield f"Also in the store, of small cases that no printed number is about: {_count(len(rows), 'cell')}."
        return
    seeds = len({row["seed"] for row in rows})
    cases = [
        Case(
            axes=axes,
            values={column.name: _values(rows, axes, column.name) for column in recipe.table.columns},
            numbers={},
            seeds=seeds,
        )
        for axes in _distinct(row["axes"] for row in rows)
    ]
    yield "**What stands in for it here**; no printed number is about these networks and data:"
    yield from _tables(recipe.table.columns, cases)
    published = recipe.cells("paper")[0].options
    computed = [cell.options for cell in recipe.cells(state.preset) if cell.stands_in]
    told = [told for options in _distinct(computed) for told in differing(options, published)]
    yield from _listed("How it was computed", dict.fromkeys([*told, *state.differs]))


def _told(state: State, others: Sequence[State]) -> str:
    """What was run, by which command, and what became of the printed numbers."""
    numbers = _count(len(state.numbers), "printed number")
    if not state.own:
        missing = f"Not run ({numbers if state.numbers else 'no number is printed'})."
        whole = f"`{command_line(state.recipe, 'paper', 1)}` computes it."
        instead = f"Preset *{state.preset}*, {PRESETS_IN_WORDS[state.preset]}: `{_command(state)}`."
        return " ".join([missing, whole, *([instead] if stands_in(state) else [])])
    counted = verdict_words(number.verdict for number in state.numbers)
    told = [
        f"Preset *{state.preset}*, {PRESETS_IN_WORDS[state.preset]}: `{_command(state)}`.",
        f"Of {numbers}: {counted}." if state.numbers else "No number is printed.",
    ]
    told += [
        f"Also in the store: *{other.preset}*, {verdict_words(number.verdict for number in other.numbers)}."
        for other in others
        if other.numbers
    ]
    return " ".join(told)


def _command(state: State) -> str:
    return command_line(state.recipe, state.preset, max((row["seed"] for row in state.rows), default=0) + 1)


def _tables(columns: Sequence[Column], cases: Sequence[Case]) -> Iterator[str]:
    """The cases as rows; where there are more numbers than cases, as columns, some at a time."""
    shown = [
        column for column in columns if any(case.values[column.name] or column.name in case.numbers for case in cases)
    ]
    heads = ["", *(number_words(column.name, column.unit) for column in shown)]
    rows = [[cell_words(case.axes), *(case.text(column.name) for column in shown)] for case in cases]
    if any(case.numbers for case in cases):
        heads.append("verdict")
        for row, case in zip(rows, cases, strict=True):
            row.append(verdict_words(number.verdict for number in case.numbers.values()))
    if len(rows) >= len(shown):
        yield markdown_table(heads, rows)
        return
    for place in range(0, len(rows), ACROSS):
        names, *lines = zip(heads, *rows[place : place + ACROSS], strict=True)
        yield markdown_table(names, lines)


def _not_run(cases: Sequence[Case]) -> str:
    numbers = _count(sum(len(case.numbers) for case in cases), "printed number")
    return f"Not run, with {numbers}: {cells_words([case.axes for case in cases])}."


def _quoted(columns: Sequence[Column], quoted: Sequence[Quoted]) -> list[str]:
    """What the paper prints of others' methods."""
    shown = [column for column in columns if any(column.name in other.numbers for other in quoted)]
    heads = ["", *(number_words(column.name, column.unit) for column in shown)]
    rows = [[other.name, *(other.numbers.get(column.name, "") for column in shown)] for other in quoted]
    return ["Printed there of other methods, which are not computed here:", markdown_table(heads, rows)] if rows else []


def _differing(state: State) -> Iterator[str]:
    """What differs, the numbers of one column, one direction and one explanation together."""
    groups: dict[tuple[str, str, str], list[Axes]] = {}
    for number in state.numbers:
        if number.verdict == "differs":
            title = number_words(number.column, number.unit)
            direction = "" if number.is_counted or not number.direction else f" is {number.direction} than printed"
            groups.setdefault((title, direction, number.note), []).append(number.axes)
    for (title, direction, note), cells in groups.items():
        yield f"{title}{direction}: {cells_words(cells)}" + (f"; {note}." if note else ".")


def _tolerances(printed: Printed, state: State) -> Iterator[str]:
    """Each tolerance with the numbers that it holds for and its reason."""
    units = {number.column: number.unit for number in state.numbers}
    groups: dict[Tolerance, list[Number]] = {}
    for number in printed.numbers:
        groups.setdefault(number.tolerance, []).append(number)
    everywhere = _distinct(number.axes for number in printed.numbers)
    for tolerance, about in groups.items():
        cells = _distinct(number.axes for number in about)
        columns = _distinct(number.column for number in about)
        others = _distinct(n.column for n in printed.numbers if n.axes in cells and n.column not in columns)
        is_short = 0 < len(others) < len(columns) - 1
        named = ", ".join(number_words(column, units[column]) for column in (others if is_short else columns))
        where = "" if cells == everywhere else f" for {cells_words(cells)}"
        yield f"{'all but ' * is_short}{named}{where}: {tolerance.words}, since {tolerance.reason}."


def _provenance(state: State) -> Iterator[str]:
    """Machines and versions with the number of cells from each, then dates and time."""
    rows = state.rows if stands_in(state) else state.own
    if not rows:
        return
    where = Counter(_circumstances(row["provenance"]) for row in rows)
    for told, cells in where.items():
        yield f"{told}" + (f" ({cells} cells)" if len(where) > 1 else "")
    days = sorted({row["provenance"]["started"][:10] for row in rows})
    seeds = sorted({row["seed"] for row in rows})
    seconds = sum(row["provenance"]["seconds"] for row in rows)
    yield (
        f"{_count(len(rows), 'cell')} on {' to '.join(dict.fromkeys([days[0], days[-1]]))} (UTC), "
        f"{number_text(seconds)} s together; seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
    )


def _circumstances(provenance: Mapping[str, Any]) -> str:
    machine = provenance["machine"]
    system = f"{machine['system']} on {machine['architecture']} with {_count(machine['cores'], 'core')}"
    versions = ", ".join(f"{name} {version}" for name, version in provenance["versions"].items())
    return f"{machine['device']}, {system}, {_count(provenance['threads'], 'thread')}; {versions}"


def _distinct(found: Iterable[T]) -> list[T]:
    """Each once, in order; axes cannot be hashed."""
    kept: list[T] = []
    for one in found:
        kept += [one] if one not in kept else []
    return kept


def _count(count: int, of: str) -> str:
    return f"{count} {of}" + "s" * (count != 1)


def _listed(title: str, lines: Iterable[str]) -> list[str]:
    found = [f"- {line}" for line in lines]
    return [f"**{title}**", "\n".join(found)] if found else []
