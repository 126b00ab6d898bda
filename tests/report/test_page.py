from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
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
from corank.result import Interval
from tests.chromium import OpenedPage
from tests.report.conftest import MAKERS, make

HOSTILE = "</title></style><script>document.title='x'</script><img src=x onerror=alert(1)> \" ' {{ 7 * 7 }} &amp;"
LOADING = {"src", "srcset", "poster", "data", "action", "formaction", "background"}


CAPTION = "Every layer that was measured, on a number of samples and on others that were held out."
CODE = f'import corank\nnetwork = corank.load({"a/very/long/name/" * 9!r})  # "<b>" & more\n    indented'
LEFT_OUT = (("cut at conv2", "no time"), ("cut at conv3", "no time"), ("cushion of norm1", "no weight matrix"))


class Outline(HTMLParser):
    """Counts of elements, and every attribute of every element."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.order: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.order.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, name: str, tag: str | None = None) -> list[str]:
        return [value for of, attribute, value in self.attributes if attribute == name and of == (tag or of)]


def policy_of(html: str) -> str:
    (policy,) = [text for text in Outline(html).all("content", "meta") if "default-src" in text]
    return policy


def scripts_of(html: str) -> list[str]:
    return re.findall(r"<script>(.*?)</script>", html, re.DOTALL)


@pytest.fixture(scope="module")
def page() -> Page:
    base = Tradeoff(name="original", accuracy=0.99, multiply_adds=4_000, storage_bytes=8_000, latency_ms=2.0)
    cut = Tradeoff(name="cut", accuracy=0.98, accuracy_untuned=0.9, multiply_adds=1_000, storage_bytes=6_000)
    columns = (Column("layer"), Column("width", "how many features"), *(Column(f"more {n}") for n in range(9)))
    rows = tuple((f"features.{n}", 2048, Missing("not run"), *([1.25] * 8)) for n in range(4))
    table = Table(columns, rows, CAPTION)
    return Page(
        "What a network uses",
        "A study",
        ("A few directions matter.", "A cut is cheap."),
        (("accuracy", 0.99), ("layers", 4)),
        (
            Section("Layers", ("Text.",), (table, table), tuple(figures_of(make()).values())),
            Section("Costs", figures=(cost_against_accuracy([cut], base), cost_bars([cut], base)), code=CODE),
            Section("Layers", left_out=LEFT_OUT),
            *(Section(kind, figures=tuple(figures_of(MAKERS[kind]()).values())) for kind in ("weights", "cushions")),
        ),
        {"seed": 0, "data": "digits", "device": None},
    )


@pytest.fixture(scope="module")
def index(page: Page, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(page, tmp_path_factory.mktemp("page") / "new" / "folder")


def test_the_page_has_one_main_heading_a_language_and_a_title(page: Page) -> None:
    outline = Outline(render(page))
    assert [outline.tags[tag] for tag in ("h1", "main", "title", "figure", "caption")] == [1, 1, 1, 9, 2]
    assert [tag for tag in outline.order if tag in ("h1", "h2", "h3")] == ["h1"] + ["h2"] * 6
    assert outline.all("lang", "html") == ["en"]
    assert "width=device-width, initial-scale=1" in outline.all("content", "meta")
    assert outline.tags["figcaption"] == 9
    assert outline.tags["svg"] == 2 * 9 == len(outline.all("aria-label", "svg")) == outline.all("role").count("img")


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
    assert not {"iframe", "object", "embed", "img"} & set(outline.tags)
    assert "//" not in html.replace("http://www.w3.org/2000/svg", "").replace("http%3A//www.w3.org/2000/svg", "")
    assert "@import" not in html
    assert [link[:5] for link in outline.all("href", "link")] == ["data:"]


def test_every_head_of_a_table_has_its_scope_and_every_reason_its_footnote(page: Page) -> None:
    outline = Outline(render(page))
    assert len(outline.all("scope", "th")) == outline.tags["th"] == 2 * (11 + 4)
    assert outline.text.count("not run") == 2
    assert outline.all("href", "a").count("#table-1-2-1") == 4


def test_hostile_texts_are_only_text() -> None:
    columns = (Column(HOSTILE, HOSTILE), Column("width"))
    table = Table(columns, ((HOSTILE, 1), (Missing(HOSTILE), Missing("none"))), HOSTILE)
    figure = Figure("one", "<svg></svg>", HOSTILE)
    page = Page(
        HOSTILE, HOSTILE, (HOSTILE,), ((HOSTILE, HOSTILE),),
        (Section(HOSTILE, (HOSTILE,), (table,), (figure,), ((HOSTILE, HOSTILE),), HOSTILE), *[Section(HOSTILE)] * 3),
        {HOSTILE: HOSTILE},
    )  # fmt: skip
    html = render(page)
    outline = Outline(html)
    assert not outline.tags["img"]
    assert (outline.tags["script"], outline.tags["style"]) == (1, 1)
    assert outline.text.count(HOSTILE) >= 24
    assert all(re.fullmatch(r"[a-z0-9-]+", ident) for ident in outline.all("id"))
    assert len(scripts_of(html)) == 1  # the page's own
    assert outline.all("content", "meta").count(HOSTILE) == 1


def test_code_stands_as_it_is_and_wraps_only_to_the_eye(
    open_page: Callable[..., OpenedPage], page: Page, index: Path
) -> None:
    assert Outline(render(page)).tags["pre"] == 1, "sections without code have no block"
    opened = open_page(index, width=360)
    assert opened.evaluate("document.querySelector('pre code').textContent") == CODE
    ((width, height),) = opened.sizes("pre")
    assert width < 360
    assert opened.evaluate("document.querySelector('pre').scrollWidth") <= width
    assert height > 4 * 24, "more lines than there are"
    assert (
        opened.evaluate("(getSelection().selectAllChildren(document.querySelector('pre')), `${getSelection()}`)")
        == CODE
    )


def test_an_empty_page_is_a_page() -> None:
    outline = Outline(render(Page("Nothing yet")))
    assert outline.tags["h1"] == 1
    assert not {"nav", "dl", "ul", "footer", "section", "script", "details"} & set(outline.tags)
    assert "script-src" not in policy_of(render(Page("Nothing yet")))


def test_figures_are_written_beside_the_page(page: Page, index: Path) -> None:
    assert index.name == "index.html"
    assert index.read_text(encoding="utf-8") == render(page)
    written = {path.stem: path.read_text(encoding="utf-8") for path in (index.parent / "figures").iterdir()}
    assert written == {figure.name: figure.svg for figure in page.figures}


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"the page needs a folder .*file"):
        write_page(Page("Title"), tmp_path / "file")


def test_no_half_page_is_ever_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_page(Page("Old"), tmp_path)

    def fails(*_: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fails)
        with pytest.raises(InputError, match="no space left"):
            write_page(Page("New"), tmp_path)
    assert "<h1>Old</h1>" in (tmp_path / "index.html").read_text()


def test_two_figures_of_one_name_and_an_empty_title_are_refused() -> None:
    figure = Figure("twice", "<svg></svg>", "")
    with pytest.raises(InputError, match="different names, got 'twice' 2 times"):
        Page("Title", sections=(Section("One", figures=(figure,)), Section("Two", figures=(figure,))))
    with pytest.raises(InputError, match="needs a title, got ' '"):
        Page(" ")


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (360, False), (320, True)])
def test_the_page_opens_in_a_browser(open_page: Callable[..., OpenedPage], index: Path, width: int, dark: bool) -> None:
    opened = open_page(index, width=width, dark=dark)
    assert opened.requests == [opened.url]
    assert opened.complaints == []
    sizes = opened.sizes("figure svg")
    for wide, narrow in zip(sizes[::2], sizes[1::2], strict=True):
        shown, hidden = (narrow, wide) if width < 640 else (wide, narrow)
        assert min(shown) > 100
        assert hidden == (0, 0)
    assert opened.evaluate("document.scrollingElement.scrollWidth") == width
    background, ink, figure_ink = opened.evaluate(
        "['body', 'h1', 'figure svg text'].map((found, place) =>"
        " getComputedStyle(document.querySelector(found))[['backgroundColor', 'color', 'fill'][place]])"
    )
    brightness = [sum(map(int, colour[4:-1].split(","))) for colour in (background, ink, figure_ink)]
    assert (brightness[0] < 100) == dark
    assert all((shade > 384) == dark for shade in brightness[1:])


def test_the_policy_allows_the_one_script_by_its_hash_and_nothing_else(page: Page) -> None:
    html = render(page)
    outline = Outline(html)
    (script,) = scripts_of(html)
    assert outline.tags["script"] == 1
    assert not [name for of, name, _ in outline.attributes if of == "script" or name.startswith("on")]
    rules = dict(rule.strip().split(" ", 1) for rule in policy_of(html).split(";"))
    assert rules.pop("script-src") == f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
    assert rules == {
        "default-src": "'none'", "style-src": "'unsafe-inline'", "img-src": "data:", "base-uri": "'none'",
        "form-action": "'none'",
    }  # fmt: skip


def test_contents_are_listed_from_four_sections_on_and_equal_titles_have_their_own_anchors(page: Page) -> None:
    titles = ("layers", "costs", "layers-2", "weights", "cushions")
    assert page.anchors == tuple(f"section-{title}" for title in titles)
    assert [link[1:] for link in Outline(render(page)).all("href", "a") if "section" in link] == list(page.anchors)
    assert not Outline(render(replace(page, sections=page.sections[:3]))).tags["nav"]


def test_what_was_left_out_is_grouped_by_its_reason(page: Page) -> None:
    outline = Outline(render(page))
    assert outline.tags["details"] == 1
    assert "Left out: 3" in outline.text
    assert "cut at conv2, cut at conv3" in outline.text
    assert outline.text.count("no time") == 1


SORTED = Table(
    (Column("layer"), Column("active"), Column("kind", "what it is")),
    (
        ("features.2", Interval(3, 5), "linear"),
        ("features.10", Missing("not measured"), None),
        ("features.9", 1500, "convolution"),
        ("features.1", Interval(20, None), "convolution"),
        ("features.3", float("inf"), "linear"),
        ("features.4", -0.5, ""),
        ("features.5", Interval(None, None), "linear"),
    ),
    "Layers",
)
ROWS = "[...document.querySelectorAll('tbody th')].map(head => head.textContent.replace('features.', '')).join(' ')"
HEADS = "[...document.querySelectorAll('thead th')].map(head => head.getAttribute('aria-sort'))"


@pytest.fixture(scope="module")
def sortable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(Page("Sorting", sections=(Section("One", tables=(SORTED,)),)), tmp_path_factory.mktemp("sort"))


def test_columns_are_sorted_by_the_keyboard_alone(open_page: Callable[..., OpenedPage], sortable: Path) -> None:
    opened = open_page(sortable)
    original = "2 10 9 1 3 4 5"
    seen = []
    opened.press("Tab")  # the link to the content
    assert opened.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
    opened.press("Tab", "Tab")  # the region that scrolls, the first head
    for key in ("Enter", " ", "Enter"):
        opened.press(key)
        seen.append((opened.evaluate(ROWS), opened.evaluate(HEADS)))
    assert seen == [
        ("1 2 3 4 5 9 10", ["ascending", None, None]),
        ("10 9 5 4 3 2 1", ["descending", None, None]),
        (original, [None, None, None]),
    ]
    opened.press("Enter", "Tab", "Enter")  # another column takes over
    assert opened.evaluate(HEADS) == [None, "ascending", None]
    assert opened.evaluate(ROWS) == "4 2 1 9 3 10 5"  # by value: a range by its middle, what is missing last
    opened.press("Enter")
    assert opened.evaluate(ROWS) == "3 9 1 2 4 10 5"  # and last again
    opened.press("Tab", "Enter")
    assert opened.evaluate(ROWS) == "9 1 2 3 5 10 4"  # equal words keep the order of depth
    assert opened.complaints == []
    assert opened.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_without_scripts_the_table_is_whole_and_has_no_buttons(
    open_page: Callable[..., OpenedPage], sortable: Path
) -> None:
    opened = open_page(sortable, scripts=False)
    assert opened.evaluate(ROWS) == "2 10 9 1 3 4 5"
    assert opened.evaluate("document.querySelectorAll('button').length") == 0
    assert opened.complaints == []


def test_a_script_that_is_not_the_pages_own_does_not_run(open_page: Callable[..., OpenedPage], tmp_path: Path) -> None:
    html = render(Page("Sorting", sections=(Section("One", tables=(SORTED,)),)))
    (tmp_path / "index.html").write_text(html.replace("</body>", "<script>document.title = 'x'</script></body>"))
    opened = open_page(tmp_path / "index.html")
    assert opened.evaluate("document.title") == "Sorting"
    assert len(opened.complaints) == 1


def test_a_wide_table_scrolls_in_its_own_region_on_a_phone(open_page: Callable[..., OpenedPage], index: Path) -> None:
    opened = open_page(index, width=360)
    assert opened.evaluate("document.scrollingElement.scrollWidth") == 360
    region = "document.querySelector('.scroll')"
    assert opened.evaluate(f"{region}.scrollWidth > 2 * {region}.clientWidth")
    assert opened.evaluate(f"[{region}.tabIndex, {region}.role, {region}.ariaLabel]") == [0, "region", CAPTION]
    caption = f"{region}.querySelector('caption span').getBoundingClientRect().right"
    assert opened.evaluate(caption) < 360
    # What is hidden from sight alone is laid out inside too, or it would widen the page.
    assert opened.evaluate("document.querySelector('.unseen').offsetParent.className") == "scroll"
    opened.evaluate(f"{region}.scrollLeft = 300")
    assert 300 < opened.evaluate(caption) < 360  # it stays, and is as wide as the region
    first = opened.evaluate(f"{region}.querySelector('tbody th').getBoundingClientRect().left")
    assert first == pytest.approx(opened.evaluate(f"{region}.getBoundingClientRect().left"))


def test_everything_is_on_paper(open_page: Callable[..., OpenedPage], page: Page, tmp_path: Path) -> None:
    paper = 673  # pixels between the margins of A4
    columns = tuple(Column(f"a quantity that was measured at place {number}") for number in range(16))
    wide = Table(columns, (("encoder.layer.1", *[Interval(1_000_000, 2_000_000)] * 15),) * 2)
    opened = open_page(
        write_page(replace(page, sections=(*page.sections, Section("Wide", tables=(wide,)))), tmp_path), width=paper
    )
    assert not opened.evaluate("document.querySelector('.left-out dd').checkVisibility()")
    opened.as_printed()
    ends = "[...document.querySelectorAll('td, th, svg, figcaption')].map(found => found.getBoundingClientRect())"
    assert 0 < opened.evaluate(f"Math.max(...{ends}.map(box => box.right))") <= paper
    assert opened.evaluate(f"Math.max(...{ends}.map(box => box.height))") < 1000  # no figure is higher than a page
    regions = "[...document.querySelectorAll('.scroll')].map(found => found.scrollWidth - found.clientWidth)"
    assert opened.evaluate(regions) == [0, 0, 0]
    lines = (
        "[...document.querySelectorAll('td.number, tbody th')].filter(cell => !cell.children.length).map(cell =>"
        " { const all = document.createRange(); all.selectNodeContents(cell); return all.getClientRects().length; })"
    )
    assert set(opened.evaluate(lines)) == {1}
    assert opened.evaluate("document.querySelector('.left-out dd').checkVisibility()")
    assert opened.sizes("nav") == [(0, 0)]
    arrows = "[...document.querySelectorAll('thead button')].map(found => getComputedStyle(found, '::after').display)"
    assert set(opened.evaluate(arrows)) == {"none"}
    breaks = "[...document.querySelectorAll('figure')].map(found => getComputedStyle(found).breakInside)"
    assert set(opened.evaluate(breaks)) == {"avoid"}


def test_the_browser_notices_what_it_should(open_page: Callable[..., OpenedPage], tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text("<script>console.log(1); missing()</script><img src='none.png'>")
    opened = open_page(tmp_path / "bad.html")
    assert opened.requests == [opened.url, opened.url.replace("bad.html", "none.png")]
    assert len(opened.complaints) == 3  # the message, the exception, the file that is not there
