"""The site's sources: the repository's own Markdown, with what is told from the code put in.

    python docs/_site/assemble.py out/docs/source

Pages are written to be read in the repository, where their links lead to files. Here every link is turned to the page
that the file has on the site. A comment `<!-- made from the code: ... -->` is replaced by what it names, see
`from_code.made`; examples, commands and the names of each room have pages of their own.
"""

from __future__ import annotations

import ast
import re
import shutil
import sys
from functools import cache
from os.path import relpath
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import from_code

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PROGRAMS = sorted((ROOT / "examples").glob("*.py"))
OUTSIDE = {
    "README.md": "project/readme.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
}
# The site's contents: under each page its parts in the left column, by caption, as Sphinx writes them.
CONTENTS: dict[str, dict[str, tuple[str, ...]]] = {
    "index.md": {
        "Begin": (
            "What it is <project/readme>", "A first study <tutorials/first-study>",
            "A smaller network <tutorials/smaller-network>", "How robust? <tutorials/how-robust>",
            "Why fragile? <tutorials/why-fragile>", "Neural ODEs <tutorials/neural-odes>", "examples/index",
        ),
        "Coming from": ("Torch-Pruning <coming-from/torch-pruning>", "foolbox <coming-from/foolbox>",
                        "torchdiffeq <coming-from/torchdiffeq>"),
        "The parts": (*(f"{room} <rooms/{room}>" for room in from_code.ROOMS), "The command line <rooms/command-line>"),
        "Look up": ("Commands <commands/index>", "Python <reference/index>", "Literature <bibliography>"),
        "Results": ("Numbers <numbers>", "The papers' tables <results/README>"),
        "The project": ("Contributing <project/contributing>", "Add your own <how-to/README>",
                        "Changes <project/changelog>"),
    },
    "results/README.md": {"": ("*",)},
    "how-to/README.md": {"": ("*",)},
    "examples/index.md": {"": ("*",)},
    "commands/index.md": {"": ("*",)},
    "reference/index.md": {"": ("*",)},
}  # fmt: skip
EXAMPLES = """\
One idea each, to be read from top to bottom; all run on data that are installed with the package, in under a minute,
and the tests run them."""
REFERENCE = """\
Every public name with its options, what it returns, what it refuses, and an example that runs."""
COMMANDS = """\
Every option is also told by `--help`. What all of them take: [the command line](../rooms/command-line.md)."""
LINK = re.compile(  # or what is no link, as it is code
    r"^```.*?^```|`[^`\n]+`|(?P<text>\[(?:[^\[\]]|\[[^\]]*\])*\])\((?P<target>[^)\s]+)\)", flags=re.M | re.S
)
MADE = re.compile(r"^<!-- made from the code: (.*) -->$", flags=re.M)


def assemble(out: Path) -> None:
    """Write the site's sources into a folder, which is emptied."""
    shutil.rmtree(out, ignore_errors=True)
    for place, content in (pictures() | sources()).items():
        (out / place).parent.mkdir(parents=True, exist_ok=True)
        (out / place).write_bytes(content)


def pictures() -> dict[str, bytes]:
    """What the pages show, by place on the site."""
    return {
        str(file.relative_to(DOCS)): file.read_bytes()
        for ending in ("svg", "png")
        for file in DOCS.rglob(f"*.{ending}")
    }


def sources() -> dict[str, bytes]:
    """All pages by place on the site."""
    pages = {place: on_site(file, place) for file, place in places().items() if file.suffix == ".md"}
    pages |= {place: example_page(file) for file, place in places().items() if file.suffix == ".py"}
    pages |= {f"reference/{room.rpartition('.')[2]}.md": from_code.reference(room) for room in from_code.PACKAGES}
    pages |= {f"commands/{name}.md": text for name, text in from_code.command_pages().items()}
    pages["examples/index.md"] = f"# Examples\n\n{EXAMPLES}\n\n{gallery()}\n"
    pages["reference/index.md"] = f"# Python\n\n{REFERENCE}\n\n{from_code.rooms()}\n"
    pages["commands/index.md"] = f"# Commands\n\n{COMMANDS}\n\n{from_code.commands()}\n"
    for place, parts in CONTENTS.items():
        pages[place] += "".join(_contents(caption, entries) for caption, entries in parts.items())
    return {place: text.encode() for place, text in pages.items()}


@cache
def places() -> dict[Path, str]:
    """Where the site has the pages that files of the repository become."""
    pages = {file: str(file.relative_to(DOCS)) for file in sorted(DOCS.rglob("*.md"))}
    programs = {file: f"examples/{file.stem}.md" for file in PROGRAMS}
    return pages | programs | {ROOT / name: place for name, place in OUTSIDE.items()}


def on_site(file: Path, place: str) -> str:
    """A page with the site's links and what is made from the code."""
    text = LINK.sub(lambda found: _link(found, file, place), file.read_text())
    text = MADE.sub(lambda found: from_code.made(*found[1].split()), text)
    return _anchored(text) if place == "bibliography.md" else text


def _anchored(text: str) -> str:
    """Papers in bold become places that links lead to, the first of each author and year."""
    known: set[str] = set()

    def place(found: re.Match[str]) -> str:
        anchor = from_code.anchor(found[1])
        is_first = anchor not in known
        known.add(anchor)
        return f"- [**{found[1]}**]{{#{anchor}}}" if is_first else found[0]

    return re.sub(r"^- \*\*(.*?)\*\*", place, text, flags=re.M)


def _link(link: re.Match[str], file: Path, place: str) -> str:
    """A link as it must be on the site; one to a file that has no page there is its text alone."""
    path, _, part = (link["target"] or "").partition("#")
    if not path or re.match(r"\w+:", path):
        return link[0]
    found = (file.parent / path).resolve()
    if found == ROOT / "examples":
        there = "examples/index.md"
    elif page := places().get(found) or places().get(found / "README.md"):
        there = page
    elif found.is_relative_to(DOCS) and found.is_file():
        there = str(found.relative_to(DOCS))
    else:
        return link["text"][1:-1]
    return f"{link['text']}({relpath(there, Path(place).parent)}{'#' * bool(part)}{part})"


def example_page(file: Path) -> str:
    """An example with its own words above it."""
    told, code = _words(file), file.read_text().split('"""\n\n', 1)[1]
    title, _, rest = told.partition("\n\n")
    rest = re.sub(r"^    (python .*)$", r"```sh\n\1\n```", rest, flags=re.M)
    return f"# {_title(file)}\n\n{title}\n\n{rest}\n\n```python\n{code}```\n"


def gallery() -> str:
    """All examples, with the first sentence of each."""
    rows = [(f"[{_title(file)}]({file.stem}.md)", from_code.first_sentence(_words(file))) for file in PROGRAMS]
    return from_code.table(("program", "idea"), rows)


def _words(file: Path) -> str:
    return ast.get_docstring(ast.parse(file.read_text())) or ""


def _title(file: Path) -> str:
    return file.stem.replace("_", " ").capitalize()


def _contents(caption: str, entries: tuple[str, ...]) -> str:
    caption = f":caption: {caption}\n" if caption else ""
    return "\n```{toctree}\n:hidden:\n:glob:\n" + caption + "\n" + "\n".join(entries) + "\n```\n"


if __name__ == "__main__":
    assemble(Path(sys.argv[1]))
