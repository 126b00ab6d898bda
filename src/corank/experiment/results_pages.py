"""What was computed beside what was printed, as pages for a reader: a front page, and a page a paper.

They are made from a store alone, and the same store gives the same bytes, so that no number in them is set by hand.
Of each recipe they show the preset nearest to the paper that has cells. What stands in for the paper's networks and
data is shown by itself, and the cases of the smallest preset are only counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

from corank.errors import InputError
from corank.experiment.comparison import State, state_of
from corank.experiment.printed import read_printed
from corank.experiment.recipe import PRESETS, Recipe
from corank.experiment.results_section import claim_words, markdown_table, section, stands_in, verdict_words
from corank.experiment.store import Store

FRONT = "README.md"
TELLING = 10  # lines in front
VERDICTS = ("reproduced", "differs", "not run")
MADE = "<!-- made by `corank reproduce pages` from a store of results: what is edited here is lost -->"
LEGEND = """\
A number stands as *ours (printed)*, with the digits that were printed; ✗ marks one that differs by more than the
tolerance, – one that was not run. With several seeds ours is mean ± standard deviation, and the mean is compared. The
tolerances and their reasons were set before the first run. *Better* and *worse* say on which side of the printed
number ours lies. *Others* are networks or data that stand in for the paper's where those cannot be had: they are
shown, and no printed number is compared with them. Commands find data under `CORANK_DATA` and trained teachers under
`CORANK_WEIGHTS`."""


def write_pages(recipes: Mapping[str, Recipe], store: Store, folder: Path) -> tuple[Path, ...]:
    """Write the pages of a store into a folder; pages there that are written by hand are left, and named in front.

    Args:
        recipes: by name.
        store: what was computed.
        folder: where to; it is made.

    Returns:
        What was written.

    Raises:
        InputError: the folder cannot be written to, or would lose a page that is not one of these.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out must be a folder, {str(folder)!r} is a file: name another")
    if (folder / "description.json").is_file():
        raise InputError(f"--out {str(folder)!r} is a run folder, not one for pages: name another")
    others = {file.name: file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.md"))}
    by_hand = {name: text for name, text in others.items() if MADE not in text}
    made = pages(recipes, store, by_hand)
    if lost := sorted(made.keys() & by_hand.keys()):
        raise InputError(
            f"{str(folder / lost[0])!r} was not made by this command and would be lost: name another --out"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in made.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"{str(folder)!r} cannot be written to ({reason}): name another --out") from error
    return tuple(folder / name for name in made)


def pages(recipes: Mapping[str, Recipe], store: Store, by_hand: Mapping[str, str] = {}) -> dict[str, str]:
    """The front page and the pages of the papers, by the names of their files.

    Args:
        recipes: by name.
        store: what was computed.
        by_hand: pages that stand beside them, which the front page links by their headings.
    """
    papers: dict[str, list[tuple[Recipe, list[State]]]] = {}
    for name, recipe in recipes.items():
        papers.setdefault(name.partition("/")[0], []).append((recipe, _states(recipe, store)))
    front = _front({paper: [states[0] for _, states in shown] for paper, shown in papers.items()}, by_hand)
    return {FRONT: front} | {f"{paper}.md": _paper(shown) for paper, shown in papers.items()}


def _states(recipe: Recipe, store: Store) -> list[State]:
    """Of the presets that have cells of the paper, nearest to the paper first.

    Where none has, the one whose cells stand in for them, or else the paper's own.
    """
    states = [state_of(recipe, preset, store) for preset in reversed(PRESETS)]
    own = [state for state in states if state.own]
    return own or [state for state in states if stands_in(state)][:1] or states[:1]


def _front(papers: Mapping[str, Sequence[State]], by_hand: Mapping[str, str]) -> str:
    every = [state for states in papers.values() for state in states]
    parts = ["# Printed numbers beside ours", MADE, f"**{_counted(every)}**", *_telling(papers), LEGEND]
    for paper, states in papers.items():
        rows = [
            (
                f"[{state.place}]({paper}.md#{_anchor(state.place)})",
                state.preset if state.own else f"{state.preset}, others" if stands_in(state) else "–",
                *(str(state.count(verdict)) if state.numbers else "–" for verdict in VERDICTS),
            )
            for state in states
        ]
        parts += [
            f"## [{states[0].paper}]({paper}.md)",
            _counted(states),
            markdown_table(("printed in", "preset", *VERDICTS), rows),
        ]
    if by_hand:
        links = [f"- [{_title(text, name)}]({name})" for name, text in by_hand.items()]
        parts += ["## Written by hand", "\n".join(links)]
    return _joined(parts)


def _telling(papers: Mapping[str, Sequence[State]]) -> list[str]:
    """What the papers say and whether it is true: of each paper in turn, what it is about first."""
    lines: dict[bool, list[list[str]]] = {True: [], False: []}
    for paper, states in papers.items():
        told = [(claim, state) for state in states for claim in state.claims]
        told.sort(key=lambda one: not one[0].is_main)
        for verdict, columns in lines.items():
            columns.append([
                f"- [{state.place}]({paper}.md#{_anchor(state.place)}), {state.title[0].lower()}{state.title[1:]}: "
                f"“{claim.quote}”: **{claim_words(claim, state)}**."
                for claim, state in told if claim.holds is verdict
            ])  # fmt: skip
    taken = {verdict: _in_turn(columns) for verdict, columns in lines.items()}
    least = min(TELLING // 2, *map(len, taken.values()))
    chosen = [*taken[True][: TELLING - least], *taken[False][: TELLING - least]]
    return ["## What holds and what does not", "\n".join(chosen)] if chosen else []


def _in_turn(columns: Sequence[Sequence[str]]) -> list[str]:
    """The first of each, then the second of each."""
    return [one for row in zip_longest(*columns) for one in row if one is not None]


def _paper(shown: Sequence[tuple[Recipe, Sequence[State]]]) -> str:
    states = [first for _, (first, *_) in shown]
    parts = [f"# {states[0].paper}", MADE, f"{_counted(states)} [All papers]({FRONT})", LEGEND]
    for recipe, (first, *others) in shown:
        parts += section(recipe, first, others, read_printed(recipe.printed))
    return _joined(parts)


def _counted(states: Sequence[State]) -> str:
    """How many printed numbers there are, and what became of them."""
    verdicts = [number.verdict for state in states for number in state.numbers]
    return f"Of {len(verdicts)} printed numbers: {verdict_words(verdicts)}."


def _anchor(title: str) -> str:
    """What a link to a heading is called on GitHub.

    Example:
        >>> _anchor("Figure 5 (a), pp. 16-17")
        'figure-5-a-pp-16-17'
    """
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _title(text: str, name: str) -> str:
    """The first heading of a page; its name where it has none."""
    return next((line.lstrip("# ") for line in text.splitlines() if line.startswith("#")), name)


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"
