from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from corank.errors import InputError
from corank.report import (
    Column,
    Figure,
    Missing,
    Page,
    Section,
    Table,
    Tradeoff,
    cost_against_accuracy,
    cost_bars,
    figures_of,
    render,
    write_page,
)
from tests.chromium import OpenedPage
from tests.report.conftest import make

HOSTILE = "</title></style><script>document.title='x'</script><img src=x onerror=alert(1)> \" ' {{ 7 * 7 }} &amp;"
LOADING = {"src", "srcset", "poster", "data", "action", "formaction", "background"}


class Outline(HTMLParser):
    """Counts of elements, and every attribute of every element."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, name: str, tag: str | None = None) -> list[str]:
        return [value for of, attribute, value in self.attributes if attribute == name and of == (tag or of)]


@pytest.fixture(scope="module")
def page() -> Page:
    base = Tradeoff(name="original", accuracy=0.99, multiply_adds=4_000, storage_bytes=8_000, latency_ms=2.0)
    cut = Tradeoff(name="cut", accuracy=0.98, accuracy_untuned=0.9, multiply_adds=1_000, storage_bytes=6_000)
    columns = (Column("layer"), Column("width", "how many features"), *(Column(f"more {n}") for n in range(9)))
    rows = tuple((f"features.{n}", 2048, Missing("not run"), *([1.25] * 8)) for n in range(4))
    table = Table(columns, rows, "Every layer")
    return Page(
        "What a network uses",
        "A study",
        ("A few directions matter.", "A cut is cheap."),
        (("accuracy", 0.99), ("layers", 4)),
        (
            Section("Layers", ("Text.",), (table, table), tuple(figures_of(make()).values())),
            Section("Costs", figures=(cost_against_accuracy([cut], base), cost_bars([cut], base))),
        ),
        {"seed": 0, "data": "digits", "device": None},
    )


@pytest.fixture(scope="module")
def index(page: Page, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(page, tmp_path_factory.mktemp("page") / "new" / "folder")


def test_the_page_has_one_main_heading_a_language_and_a_title(page: Page) -> None:
    outline = Outline(render(page))
    assert [outline.tags[tag] for tag in ("h1", "main", "title", "figure", "caption")] == [1, 1, 1, 5, 2]
    assert outline.all("lang", "html") == ["en"]
    assert "width=device-width, initial-scale=1" in outline.all("content", "meta")
    assert outline.tags["figcaption"] == 5
    assert outline.tags["svg"] == 2 * 5 == len(outline.all("aria-label", "svg")) == outline.all("role").count("img")


def test_ids_are_unique_and_every_link_stays_on_the_page(page: Page) -> None:
    outline = Outline(render(page))
    ids = outline.all("id")
    assert len(set(ids)) == len(ids)
    links = [link for link in outline.all("href") if not link.startswith("data:")]
    assert links
    assert all(link[0] == "#" and link[1:] in ids for link in links)
    assert set(outline.all("aria-labelledby")) <= set(ids)


def test_nothing_is_asked_for_from_anywhere(page: Page) -> None:
    html = render(page)
    outline = Outline(html)
    assert not LOADING & {name for _, name, _ in outline.attributes}
    assert not {"script", "iframe", "object", "embed", "img"} & set(outline.tags)
    assert "//" not in html.replace("http://www.w3.org/2000/svg", "").replace("http%3A//www.w3.org/2000/svg", "")
    assert "@import" not in html
    assert [link[:5] for link in outline.all("href", "link")] == ["data:"]


def test_every_head_of_a_table_has_its_scope_and_every_reason_its_footnote(page: Page) -> None:
    outline = Outline(render(page))
    assert len(outline.all("scope", "th")) == outline.tags["th"] == 2 * (11 + 4)
    assert outline.text.count("not run") == 2
    assert outline.all("href", "a").count("#table-1-2-1") == 4


def test_hostile_texts_are_only_text() -> None:
    table = Table((Column(HOSTILE, HOSTILE),), ((HOSTILE,), (Missing(HOSTILE),)), HOSTILE)
    figure = Figure("one", "<svg></svg>", HOSTILE)
    page = Page(
        HOSTILE, HOSTILE, (HOSTILE,), ((HOSTILE, HOSTILE),), (Section(HOSTILE, (HOSTILE,), (table,), (figure,)),) * 1,
        {HOSTILE: HOSTILE},
    )  # fmt: skip
    outline = Outline(render(page))
    assert not {"script", "img"} & set(outline.tags)
    assert outline.tags["style"] == 1
    assert outline.text.count(HOSTILE) >= 14
    assert outline.all("content", "meta").count(HOSTILE) == 1


def test_an_empty_page_is_a_page() -> None:
    outline = Outline(render(Page("Nothing yet")))
    assert outline.tags["h1"] == 1
    assert not {"nav", "dl", "ul", "footer", "section"} & set(outline.tags)


def test_figures_are_written_beside_the_page(page: Page, index: Path) -> None:
    assert index.name == "index.html"
    assert index.read_text(encoding="utf-8") == render(page)
    written = {path.stem: path.read_text(encoding="utf-8") for path in (index.parent / "figures").iterdir()}
    assert written == {figure.name: figure.svg for figure in page.figures}


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"the page needs a folder .*file"):
        write_page(Page("Title"), tmp_path / "file")


def test_two_figures_of_one_name_and_an_empty_title_are_refused() -> None:
    figure = Figure("twice", "<svg></svg>", "")
    with pytest.raises(InputError, match="different names, got 'twice' 2 times"):
        Page("Title", sections=(Section("One", figures=(figure,)), Section("Two", figures=(figure,))))
    with pytest.raises(InputError, match="needs a title, got ' '"):
        Page(" ")


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (320, True)])
def test_the_page_opens_in_a_browser(open_page: Callable[..., OpenedPage], index: Path, width: int, dark: bool) -> None:
    opened = open_page(index, width=width, dark=dark)
    assert opened.requests == [opened.url]
    assert opened.complaints == []
    sizes = opened.sizes("figure svg")
    for wide, narrow in zip(sizes[::2], sizes[1::2], strict=True):
        shown, hidden = (narrow, wide) if width < 640 else (wide, narrow)
        assert min(shown) > 100
        assert hidden == (0, 0)
    assert opened.evaluate("document.documentElement.scrollWidth") == width
    background, ink, figure_ink = opened.evaluate(
        "['body', 'h1', 'figure svg text'].map((found, place) =>"
        " getComputedStyle(document.querySelector(found))[['backgroundColor', 'color', 'fill'][place]])"
    )
    brightness = [sum(map(int, colour[4:-1].split(","))) for colour in (background, ink, figure_ink)]
    assert (brightness[0] < 100) == dark
    assert all((shade > 384) == dark for shade in brightness[1:])


def test_the_browser_notices_what_it_should(open_page: Callable[..., OpenedPage], tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text("<script>console.log(1); missing()</script><img src='none.png'>")
    opened = open_page(tmp_path / "bad.html")
    assert opened.requests == [opened.url, opened.url.replace("bad.html", "none.png")]
    assert len(opened.complaints) == 3  # the message, the exception, the file that is not there
