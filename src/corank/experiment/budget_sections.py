"""What the page of a network within a budget tells of the search: what was asked for, every candidate, the choice."""

from __future__ import annotations

from typing import Any

from corank.compress.budget import QUANTITIES, Target
from corank.compress.budgeted import Budgeted
from corank.compress.race.candidate import Candidate
from corank.experiment.particulars import Particulars
from corank.experiment.words import counted, sentence, sizes
from corank.report import Column, Missing, Section, Table, figures_of
from corank.report.format import MINUS, SPACE, compact, milliseconds, number, percent, storage

UNTRIED = Missing("only the best few had a short trial training")
VERDICTS = (
    "over: of the budget; front: no other takes less and is more accurate (after its trial, where it had one); beaten: "
    "one does"
)


def budget_particulars(small: Budgeted) -> Particulars:
    """Whether the request is met, the candidates, and how near each method came where it is not."""
    figures = figures_of(small)
    sections = [
        Section(
            "The search within the budget",
            text=(*_request_in_words(small), sentence(small.reason), _effort_in_words(small)),
            tables=(candidates_table(small), *(() if small.meets else (nearest_table(small),))),
            figures=(figures["candidates"],),
        )
    ]
    if "fine-tuning" in figures:
        sections.append(Section("The training", figures=(figures["fine-tuning"],)))
    return Particulars(summary=_request_in_words(small), sections=tuple(sections))


def amount(target: Target, value: float) -> str:
    r"""An amount of a target's quantity with its unit.

    Example:
        >>> amount(Target.parsed("params=10x"), 31_200.0), amount(Target.parsed("storage-mb=5"), 4.56)
        ('31.2\xa0k parameters', '4.56\xa0MB')
    """
    if target.quantity in ("macs", "params"):
        return f"{compact(value)} {QUANTITIES[target.quantity]}"
    return f"{number(value)}{SPACE}MB" if target.quantity == "storage-mb" else milliseconds(value)


def points_lost(lost: float) -> str:
    """Percentage points of accuracy.

    Example:
        >>> points_lost(2.04), points_lost(-0.3)
        ('2.0', '−0.3')
    """
    return f"{lost:.1f}".replace("-", MINUS)


def candidates_table(small: Budgeted) -> Table:
    """A row a candidate, the best within the budget first: what it would cost, how well it works, what became of it."""
    columns = [
        Column("candidate"),
        Column("verdict", note=VERDICTS),
        Column("multiply-adds", note="of one sample", show=compact),
        Column("storage", note="a MB is 2^20 bytes", show=storage),
        Column("latency", note="median of one sample", show=milliseconds),
        Column("accuracy", note="on the samples that judge, before any training", show=percent),
        Column("after trial", note="the same after a short training", show=percent),
        Column("sizes", note="directions of an ASNet or of a RON's layers, or widths that pruning leaves"),
    ]
    ordered = sorted(small.candidates, key=lambda row: (not row.fits, -row.judged))
    rows = [_candidate(small, row) for row in ordered]
    unknown = [
        place
        for place, column in enumerate(columns)
        if column.title in ("latency", "after trial") and all(row[place] in (None, UNTRIED) for row in rows)
    ]
    shown = [place for place in range(len(columns)) if place not in unknown]
    return Table(
        tuple(columns[place] for place in shown),
        tuple(tuple(row[place] for place in shown) for row in rows),
        f"All {len(rows)} candidates.",
    )


def nearest_table(small: Budgeted) -> Table:
    """A row a method: the candidate that is nearest to what was asked for."""
    columns = [Column("candidate")]
    if small.target is not None:
        columns.append(Column("of the budget", note="what it takes, as a share of the limit", show=percent))
    columns += [
        Column("accuracy", note="after its trial, where it had one", show=percent),
        Column("points lost", note="against the original on the same samples", show=points_lost),
    ]
    rows = []
    for method in dict.fromkeys(row.method for row in small.candidates):
        row = _nearest([one for one in small.candidates if one.method == method])
        share = [] if small.limit is None else [row.reached / small.limit]
        rows.append((row.name, *share, row.judged, 100 * (small.accuracy_original - row.judged)))
    return Table(tuple(columns), tuple(rows), "How near each method came.")


def _nearest(rows: list[Candidate]) -> Candidate:
    """The most accurate within the budget, or else the one that exceeds it least."""
    within = [row for row in rows if row.fits]
    return max(within, key=lambda row: row.judged) if within else min(rows, key=lambda row: row.reached)


def _candidate(small: Budgeted, row: Candidate) -> tuple[Any, ...]:
    return (
        row.name, _verdict(small, row), row.cost.multiply_adds, row.cost.storage_bytes, row.latency_ms, row.accuracy,
        UNTRIED if row.trial_accuracy is None else row.trial_accuracy, sizes(row.sizes),
    )  # fmt: skip


def _verdict(small: Budgeted, row: Candidate) -> str:
    if row == small.chosen:
        return "chosen"
    if not row.fits:
        return "over"
    return "front" if row in small.front else "beaten"


def _request_in_words(small: Budgeted) -> tuple[str, ...]:
    """What was asked for and what was reached."""
    asked, reached = [], ""
    if small.target is not None:
        assert small.limit is not None
        assert small.reached is not None
        asked.append(f"at most {amount(small.target, small.limit)} ({small.target})")
        reached = f" The network has {amount(small.target, small.reached)}."
    if small.max_drop is not None:
        asked.append(f"a loss of no more than {counted(small.max_drop, 'point')} of accuracy")
    met = "This is met." if small.meets else "This is not met."
    return (f"Asked for was {' and '.join(asked)}. {met}{reached}",)


def _effort_in_words(small: Budgeted) -> str:
    methods = len({row.method for row in small.candidates})
    return (
        f"{counted(len(small.candidates), 'candidate')} of {counted(methods, 'method')} were judged on "
        f"{small.samples_judging:,} samples, where the original is right on {percent(small.accuracy_original)}. "
        f"Measuring took {number(small.measure_seconds)} seconds, the search {number(small.search_seconds)}, making "
        f"and judging what it found {number(small.judge_seconds)}."
    )
