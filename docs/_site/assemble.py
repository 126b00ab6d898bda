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
from os.path import relpath
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import from_code

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
OUTSIDE = {
    "README.md": "project/readme.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
}
# The site's contents: under each page of the left column the captions with the pages, as Sphinx writes them.
CONTENTS = {
    "index.md": {
        "Begin": (
            "What it is <project/readme>", "A first study <tutorials/first-study>",
            "A smaller network <tutorials/smaller-network>", "How robust? <tutorials/how-robust>",
            "Why fragile? <tutorials/why-fragile>", "Neural ODEs <tutorials/neural-odes>", "examples/index",
        ),
        "Coming from": ("*/torchdiffeq", "*/torch-pruning", "*/foolbox"),
        "The parts": tuple(f"rooms/{room}" for room in (*from_code.ROOMS, "command-line")),
        "Add your own": ("how-to/*",),
        "Look up": ("Commands <commands/index>", "Python <reference/index>", "Literature <bibliography>"),
        "Results": ("Numbers <numbers>", "The papers' tables <results/README>"),
        "The project": ("Contributing <project/contributing>", "Changes <project/changelog>"),
    },
    "results/README.md": {"": ("*",)},
    "examples/index.md": {"": ("*",)},
    "commands/index.md": {"": ("*",)},
    "reference/index.md": {"": ("*",)},
}  # fmt: skip
EXAMPLES = "One idea each, to be read from top to bottom; all run on data that are installed with the package, in under a minute."
REFERENCE = "Every public name with its options, what it returns, what it refuses, and an example that runs."
COMMANDS = "Every option is also told by `--help`. What every command takes: [the command line](../rooms/command-line.md)."
LINK = re.compile(r"(\[(?:[^\[\]]|\[[^\]]*\])*\])\(([^)\s]+)\)")
MADE = re.compile(r"<!-- made from the code: (.*?) -->")


def assemble(out: Path) -> list[Path]:
    """Write the sources of the site into a folder, which is emptied.

    Returns:
        Its pages.
    """
    shutil.rmtree(out, ignore_errors=True)
    for file in sorted(DOCS.rglob("*")):
        if file.is_file() and "_site" not in file.parts and file.suffix != ".md":
            _write(out / file.relative_to(DOCS), file.read_bytes())
    for file, place in places().items():
        if file.suffix == ".md":
            _write(out / place, on_site(file, place).encode())
        elif file.suffix == ".py":
            _write(out / place, example_page(file).encode())
    made = {
        "examples/index.md": f"# Examples\n\n{EXAMPLES}\n\n{gallery()}\n",
        "reference/index.md": f"# Python\n\n{REFERENCE}\n\n{from_code.rooms()}\n",
        "commands/index.md": f"# Commands\n\n{COMMANDS}\n\n{from_code.commands()}\n",
        **{f"reference/{room.rpartition('.')[2]}.md": from_code.reference(room) for room in from_code.PACKAGES},
        **{f"commands/{name}.md": text for name, text in from_code.command_pages().items()},
    }
    for place, text in made.items():
        _write(out / place, text.encode())
    for place, parts in CONTENTS.items():
        with (out / place).open("a") as page:
            page.writelines(_contents(caption, entries) for caption, entries in parts.items())
    return sorted(out.rglob("*.md"))


def places() -> dict[Path, str]:
    """Where the site has the pages that files of the repository become."""
    pages = {file: str(file.relative_to(DOCS)) for file in sorted(DOCS.rglob("*.md")) if "_site" not in file.parts}
    programs = {file: f"examples/{file.stem}.md" for file in sorted((ROOT / "examples").glob("*.py"))}
    return pages | programs | {ROOT / name: place for name, place in OUTSIDE.items()}


def on_site(file: Path, place: str) -> str:
    """A page with the site's links and what is made from the code."""
    text = file.read_text()
    if place == "bibliography.md":
        text = re.sub(r"^- \*\*(.*?)\*\*", _anchored, text, flags=re.M)
    text = MADE.sub(lambda found: from_code.made(*found[1].split()), text)
    return LINK.sub(lambda found: _link(found[1], found[2], file, place), text)


def _anchored(found: re.Match[str]) -> str:
    return f"- [{found[1]}]{{#{from_code.anchor(found[1])}}}"


def _link(text: str, target: str, file: Path, place: str) -> str:
    """A link as it must be on the site; one to a file that has no page there is its text alone."""
    path, _, part = target.partition("#")
    if not path or re.match(r"\w+:", path):
        return f"{text}({target})"
    found = (file.parent / path).resolve()
    known = places()
    if found == ROOT / "examples":
        there = "examples/index.md"
    elif (found / "README.md") in known:
        there = known[found / "README.md"]
    elif found in known:
        there = known[found]
    elif found.is_relative_to(DOCS) and found.is_file():
        there = str(found.relative_to(DOCS))
    else:
        return text[1:-1]
    return f"{text}({relpath(there, Path(place).parent)}{'#' * bool(part)}{part})"


def example_page(file: Path) -> str:
    """An example with its own words above it."""
    title, _, rest = (ast.get_docstring(ast.parse(file.read_text())) or "").partition("\n\n")
    idea = title.rstrip(".")
    words = re.sub(r"^    (python .*)$", r"```sh\n\1\n```", rest, flags=re.M)
    code = file.read_text().split('"""\n\n', 1)[1]
    return f"# {_title(file)}\n\n{idea}.\n\n{words}\n\n```python\n{code}```\n"


def gallery() -> str:
    """All examples, with the first sentence of each."""
    rows = []
    for file in sorted((ROOT / "examples").glob("*.py")):
        told = from_code.first_sentence(ast.get_docstring(ast.parse(file.read_text())) or "")
        rows.append((f"[{_title(file)}]({file.stem}.md)", told))
    return from_code.table(("program", "idea"), rows)


def _title(file: Path) -> str:
    return file.stem.replace("_", " ").capitalize()


def _contents(caption: str, entries: tuple[str, ...]) -> str:
    caption = f":caption: {caption}\n" if caption else ""
    return "\n```{toctree}\n:hidden:\n:glob:\n" + caption + "\n" + "\n".join(entries) + "\n```\n"


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


if __name__ == "__main__":
    assemble(Path(sys.argv[1]))
