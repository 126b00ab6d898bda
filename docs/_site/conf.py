"""How Sphinx makes the site of the sources that `assemble.py` writes."""

from __future__ import annotations

import inspect
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from docutils import nodes
from from_code import ROOMS, SEE_THE_MODULE, module_text
from sphinx.application import Sphinx
from sphinx.util.nodes import make_refnode

import corank

project = "corank"
author = "The corank authors"
version = release = corank.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["attrs_inline", "attrs_block"]
myst_heading_anchors = 4
myst_links_external_new_tab = False
suppress_warnings = ["myst.header"]

html_theme = "furo"
html_title = "corank"
html_static_path = [str(Path(__file__).parent / "static")]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False
html_theme_options = {"top_of_page_buttons": []}
pygments_style = "friendly"

default_role = "py:obj"  # a name in backticks is a link where it is one of ours, and code where not
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
maximum_signature_line_length = 80
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Attributes", "params_style")]
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"

_PUBLIC = {
    (found.__module__, found.__qualname__): f"corank.{room}.{name}"
    for room in ROOMS
    for package in [import_module(f"corank.{room}")]
    for name in package.__all__
    for found in [getattr(package, name)]
    if inspect.isclass(found) or inspect.isroutine(found)
}


def _by_public_name(app: Sphinx, env: Any, node: Any, content: nodes.TextElement) -> nodes.Node | None:
    """A name that is given by where it is written, or alone, is found where it is public; what is not ours is code."""
    if node.get("refdomain") != "py":
        return None
    module, _, name = node["reftarget"].rpartition(".")
    alone = [public for (_, known), public in _PUBLIC.items() if known == node["reftarget"]]
    found = _PUBLIC.get((module, name)) or (alone[0] if len(alone) == 1 else None)
    entry = env.get_domain("py").objects.get(found)
    if entry is None:
        return None if node.get("refexplicit") else content
    return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, content, found)


def _with_module(app: Sphinx, what: str, name: str, found: Any, options: Any, lines: list[str]) -> None:
    """A class that refers to its module has the module's words."""
    if what == "class" and lines and lines[0].startswith(SEE_THE_MODULE):
        rest = lines[0].removeprefix(SEE_THE_MODULE).lstrip(".;, ")
        lines[:1] = [*module_text(found).splitlines(), "", rest[:1].upper() + rest[1:]]


def _plain(app: Sphinx, what: str, name: str, found: Any, options: Any, lines: list[str]) -> None:
    """Docstrings are plain text with code in backticks: bars and stars elsewhere are no markup, but for bullets."""
    in_program = False
    for number, line in enumerate(lines):
        in_program = bool(line.strip()) and (in_program or line.lstrip().startswith(">>>"))
        if not in_program:
            bullet = re.match(r"( *\* )?", line).group()
            parts = line[len(bullet) :].split("`")
            parts[::2] = [re.sub(r"[|*]", r"\\\g<0>", part) for part in parts[::2]]
            lines[number] = bullet + "`".join(parts)


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", _with_module, priority=400)  # before napoleon
    app.connect("autodoc-process-docstring", _plain, priority=450)
    app.connect("missing-reference", _by_public_name)
