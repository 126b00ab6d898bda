"""What the site tells of the code, as Markdown: the methods of a room, its public names, commands, recipes, the zoo.

Nothing here is a list to keep: methods are found by walking the rooms, names are those of `__all__`, commands those of
the command line.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from cyclopts import App

from corank.cli.commands import app
from corank.discover import methods_of
from corank.experiment.printed import read_printed
from corank.experiment.recipe import find_recipes
from corank.zoo import data_names, input_shape, network_names

TOP = "corank"
HALL = (("corank.errors", "InputError"), ("corank.result", "Result"), ("corank.discover", "methods_of"))
ROOMS = ("linalg", "network", "train", "measure", "compress", "attack", "defend", "ode", "zoo", "report", "experiment")
PACKAGES = (TOP, *(f"{TOP}.{room}" for room in ROOMS))
THESIS = "Daulbaev"  # whose thesis is often named without its year
SEE_THE_MODULE = "See the module"

_NAMES = r"[A-Z][\w'-]+(?:,? et al\.|(?:, [A-Z][\w-]+)*,? (?:&|and) [A-Z][\w-]+)?"
_CITATION = re.compile(rf"(?P<who>Daulbaev(?:'s thesis|(?=, \"))|{_NAMES}),? ?\(?(?P<year>(?:19|20)\d\d)?\b\)?")
_PART = (
    r"(?:chapters?|sections?|secs?\.|appendix|[aA]pp\.|Algorithms?|Alg\.|eqs?\.|equation|Lemma|thm\.|Tables?|Figs?\.|"
    r"Figures?)"
)
_NUMBER = r"(?:\(\d+(?:\.\d+)*\)|\d+(?:\.\d+)*[a-z]?\b|[A-Z](?:\.\d+)*\b)"
_PLACE = re.compile(rf"{_PART} {_NUMBER}(?:(?: and |, | to )(?:{_PART} )?{_NUMBER})*")
_END = re.compile(r";|(?<!\d)\)|(?<=[a-z]{4})\. ")  # of what is said of one paper


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, whose rows become paragraphs on a narrow screen."""
    lines = [head, ["---"] * len(head), *rows]
    return "{.stacked}\n" + "\n".join(
        "| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines
    )


def first_sentence(text: str) -> str:
    """The first sentence of a docstring, on one line, with Python's backticks."""
    paragraph = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=\.) (?=[A-Z`*(])", paragraph)[0].rstrip(".")


def idea(method: type) -> str:
    """What a method does, in a sentence: its own, or that of its file."""
    own = inspect.getdoc(method) or ""
    return first_sentence(module_text(method) if own.startswith(SEE_THE_MODULE) else own)


def module_text(method: type) -> str:
    """The docstring of the file that a class stands in."""
    return inspect.getdoc(import_module(method.__module__)) or ""


def link(found: Any, text: str) -> str:
    """A link to a name's place in the reference."""
    kind = "class" if inspect.isclass(found) else "func"
    return f"{{py:{kind}}}`{text} <{public_path(found)}>`"


def public_path(found: Any) -> str:
    """By which path a class or function is public: that of its room."""
    room = found.__module__.split(".")[1]
    return f"corank.{room}.{found.__name__}"


def methods(room: str, base: str) -> str:
    """The methods of a room: name, idea, source."""
    package = import_module(room)
    found = methods_of(package, getattr(package, base))
    rows = [(link(method, name), _uncited(idea(method)), sources_of(method)) for name, method in found.items()]
    return table(("name", "what it does", "after"), rows)


def _uncited(text: str) -> str:
    """Without the papers in parentheses, which stand in a column of their own."""
    return re.sub(r" \([^()]*(?:\d{4}|thesis)[^()]*\)", "", text)


def sources_of(method: type) -> str:
    """The papers that a method's file names, with the places in them."""
    text = " ".join(f"{module_text(method)}\n\n{(inspect.getdoc(method) or '').split('Example:')[0]}".split())
    told: dict[str, str] = {}
    for name, rest in citations(text):
        place = _PLACE.search(_END.split(rest, maxsplit=1)[0])
        told[name] = told.get(name) or (f", {place[0]}" if place else "")
    return "; ".join(f"[{name}](#{anchor(name)}){where}" for name, where in told.items())


def citations(text: str) -> Iterator[tuple[str, str]]:
    """The papers named in a text as `Author and Author 2020`, each with the words that follow."""
    found = [one for one in _CITATION.finditer(text) if one["year"] or one["who"].startswith(THESIS)]
    ends = [*(one.start() for one in found[1:]), len(text)]
    for one, end in zip(found, ends, strict=False):
        name = f"{one['who'].removesuffix(chr(39) + 's')} {one['year']}" if one["year"] else f"{THESIS} 2023"
        yield name, text[one.end() if one["year"] else one.end("who") : end]


def anchor(name: str) -> str:
    """The place of a paper on the page of the literature: its first author and its year."""
    first, *_, last = re.findall(r"[\w-]+", name)
    return f"ref-{first}-{last}".lower()


def public_names(room: str) -> list[str]:
    """What a room offers."""
    return sorted(import_module(room).__all__, key=str.lower)


def reference(room: str) -> str:
    """The page of a room's public names: a table of all, then each with its docstring."""
    package = import_module(room)
    rows, entries = [], []
    for name in public_names(room):
        found = getattr(package, name)
        is_linked = inspect.isclass(found) or inspect.isroutine(found)
        told = inspect.getdoc(found) or "" if is_linked else _said_of_data(package, name) or f"`{found!r}`"
        sentence = idea(found) if inspect.isclass(found) else first_sentence(told)
        rows.append((link(found, name) if is_linked else f"`{name}`", sentence))
        if room != TOP:  # its names are those of rooms, where they are described
            entries.append(_entry(room, name, found, told))
    entries += [_entry(module, name, getattr(import_module(module), name), "") for module, name in HALL if room == TOP]
    head = f"# {room}\n\n{inspect.getdoc(package)}\n\n{table(('name', 'what it is'), rows)}\n"
    return head + "\n```{eval-rst}\n" + "\n".join(entries) + "\n```\n"


def names(room: str) -> str:
    """Where a room's public names are described."""
    page = f"[corank.{room}](../reference/{room}.md)"
    return f"## In Python\n\nEvery public name, with options, results and an example: {page}."


def _entry(room: str, name: str, found: object, told: str) -> str:
    """How Sphinx is asked for a name's documentation."""
    if inspect.isclass(found):
        return f".. autoclass:: {room}.{name}\n   :members:\n   :show-inheritance:\n"
    if inspect.isroutine(found):
        return f".. autofunction:: {room}.{name}\n"
    value = f"{found!r}" if isinstance(found, str | tuple) else ""
    return f".. py:data:: {room}.{name}\n" + f"   :value: {value}\n" * bool(value) + f"\n   {' '.join(told.split())}\n"


def _said_of_data(package: ModuleType, name: str) -> str:
    """The text below the line that gives a constant or a type its value."""
    (folder,) = package.__path__
    for file in sorted(Path(folder).rglob("*.py")):
        if told := re.search(rf'^{name}(?:: [^=]+)? = .*\n"""(.*?)"""', file.read_text(), flags=re.M | re.S):
            return told[1]
    return ""


@cache
def command_pages() -> dict[str, str]:
    """A page for each command, by its name, with every option."""
    with _told(app):
        text = app.generate_docs(output_format="markdown")
    text = text.replace("```console", "```sh").replace("*[default: *]*", "*[default:* `*`*]*")
    _, *parts = re.split(r"^## corank ([\w-]+)$", text, flags=re.M)
    return {
        name: f"# corank {name}\n" + re.sub(r"^#(#+ corank)", r"\1", text, flags=re.M)
        for name, text in zip(parts[::2], parts[1::2], strict=True)
    }


@contextmanager
def _told(command: App) -> Iterator[None]:
    """Meanwhile its own commands say what they inherit; its documentation would miss it, the parser does not."""
    with ExitStack() as stack:
        for own in [command[name] for name in command if not name.startswith("-")]:
            stack.callback(setattr, own, "default_parameter", own.default_parameter)
            own.default_parameter = command.default_parameter
            stack.enter_context(_told(own))
        yield


def commands() -> str:
    """All commands with what they are for."""
    rows = [
        (f"[corank {name}](../commands/{name}.md)", first_sentence(app[name].help)) for name in sorted(command_pages())
    ]
    return table(("command", "what it is for"), rows)


def rooms() -> str:
    """All rooms with what they are for, and the names that stand above them."""
    rows = [
        (f"[{room}]({room.rpartition('.')[2]}.md)", first_sentence(inspect.getdoc(import_module(room)) or ""))
        for room in PACKAGES
    ]
    return table(("package", "what it is for"), rows)


def recipes() -> str:
    """What can be computed of the papers, paper by paper."""
    papers: dict[str, list[tuple[str, ...]]] = {}
    for name, recipe in find_recipes().items():
        printed = read_printed(recipe.printed)
        papers.setdefault(printed.paper, []).append((f"`{name}`", recipe.table.title, printed.place))
    parts = [f"### {paper}\n\n{table(('recipe', 'what', 'printed in'), rows)}" for paper, rows in papers.items()]
    return "\n\n".join(parts)


def zoo_networks() -> str:
    """The networks of the zoo with the images that they are made for."""
    rows = [(f"`{name}`", " × ".join(map(str, input_shape(name)))) for name in network_names()]
    return table(("network", "made for images of"), rows)


def zoo_data() -> str:
    """The names of data that are known."""
    return ", ".join(f"`{name}`" for name in data_names())


def made(what: str, *words: str) -> str:
    """What a page's comment `<!-- made from the code: what words -->` stands for."""
    makers: dict[str, Callable[..., str]] = {
        "methods": methods,
        "names": names,
        "commands": commands,
        "recipes": recipes,
        "zoo-networks": zoo_networks,
        "zoo-data": zoo_data,
    }
    return makers[what](*words)
