"""Pages of run folders say what the run holds, and their three lines load its network anywhere."""

from __future__ import annotations

import html
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import corank
from corank.compress import ASNet, Compressed
from corank.experiment import Evaluated, Opened, Training, accuracies, compress_and_evaluate, open_network
from corank.experiment.compressing import run_compression
from corank.experiment.run_pages import _stored, compression_page, reload_section, training_page
from corank.network import Cost, Normalised
from corank.report import Page, Table, render, write_page
from corank.report.format import compact, is_missing, percent, ratio, storage
from corank.train import fit
from corank.zoo import Batches, Dataset
from corank.zoo.data.dataset import Split, assemble
from tests.chromium import OpenedPage, browser, open_page
from tests.experiment.conftest import Residual
from tests.report.conftest import make_history

from .measurements import column

__all__ = ["browser", "open_page"]

Make = Callable[..., Opened]
SPARSE = ASNet(layer=1, rank=2, samples=100, epochs=1, sparse="l1", sparse_weight=5.0, sparse_epochs=2)
MODULE = """
from torch import nn
from torch.nn import functional
class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3)
        self.second = nn.Conv2d(4, 4, 3)
        self.out = nn.Linear(16, 3)
    def forward(self, x):
        return self.out(functional.relu(self.second(functional.relu(self.first(x)))).flatten(1))
def own():
    return Own()
"""
READING = """
import importlib.util, sys
from safetensors.torch import load_file, save_file
found = {}
for file in sys.argv[2:]:
    names = {"images": load_file("x")["x"].clone()}
    exec(open(file).read(), names)
    found[file] = names["logits"].detach()
assert importlib.util.find_spec("a_users_own_module") is None and "a_users_own_module" not in sys.modules
save_file(found, sys.argv[1])
"""


def code_of(page: str) -> str:
    """The lines to copy, as a browser gives them."""
    (code,) = re.findall(r"<pre><code>(.*?)</code></pre>", page, flags=re.S)
    return html.unescape(code)


# The three lines


def test_a_fresh_interpreter_without_the_class_gets_the_same_logits_by_the_lines_of_the_page(
    pixels: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, elsewhere = tmp_path / "user", tmp_path / "elsewhere"
    user.mkdir()
    (user / "a_users_own_module.py").write_text(MODULE)
    monkeypatch.chdir(user)
    opened = open_network("a_users_own_module:own", dataset=pixels)
    method = ASNet(layer=1, rank=2, samples=100, epochs=1)
    runs = {
        "trained": Training(epochs=1).run(opened, pixels, Path("runs/trained")),
        "cut": run_compression(
            replace(opened, is_trained=True), pixels, method, Path("of 'mine' & \"yours\"/<b>cut</b>")
        ),
    }
    shutil.copytree(user, elsewhere, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    x = torch.rand(5, *pixels.shape)
    save_file({"x": x}, elsewhere / "x")
    for name, run in runs.items():
        (elsewhere / name).write_text(code_of((elsewhere / run.folder / "index.html").read_text()))
    subprocess.run([sys.executable, "-c", READING, "y", *runs], check=True, cwd=elsewhere, timeout=120)
    found = load_file(elsewhere / "y")
    assert torch.equal(found["trained"], opened.network(x))
    assert torch.equal(found["cut"], runs["cut"].network(x))


@pytest.mark.parametrize(
    ("folder", "shape", "bounds", "last", "names_a_place"),
    [
        ("runs/a", (3, 32, 32), (0.0, 1.0), "logits = network(images)  # (B, 3, 32, 32), pixels in [0, 1]", True),
        ("/runs/a", (7,), (-2.5, 4.0), "logits = network(vectors)  # (B, 7), features in [-2.5, 4]", False),
    ],
)
def test_the_lines_name_folder_shape_and_range(
    folder: str, shape: tuple[int, ...], bounds: tuple[float, float], last: str, names_a_place: bool
) -> None:
    section = reload_section(Path(folder), shape, bounds)
    assert section.code.splitlines() == ["import corank", f'network = corank.load("{folder}")', last]
    assert ("from where the command ran" in section.text[0]) == names_a_place


@pytest.mark.parametrize("name", ["it's", 'a "b"', "'\"", "back\\slash", "new\nline", "\udcff", "日本"])
def test_any_name_of_a_folder_is_python_on_one_line(name: str) -> None:
    code = reload_section(Path(name), (1, 2, 2), (0.0, 1.0)).code
    code.encode()
    assert len(code.splitlines()) == 3
    loaded: list[str] = []
    exec(code.splitlines()[1], {"corank": type("corank", (), {"load": staticmethod(loaded.append)})})
    assert loaded == [name]


# What is said


def tables_of(page: Page) -> list[Table]:
    return [table for section in page.sections for table in section.tables]


def visible(page: Page) -> str:
    """The texts of the body, without the figures'."""
    body = render(page).partition("<body>")[2]
    return html.unescape(re.sub(r"<script>.*?</script>|<svg.*?</svg>|<[^>]*>", "", body, flags=re.S))


def page_of(found: Evaluated, pixels: Dataset) -> Page:
    options = {"method": "ASNet", "weights": None, "seed": 3}
    return compression_page("own", pixels, found, folder=Path("runs/cut"), options=options, seconds=1.25)


@pytest.fixture(scope="module")
def found(pixels: Dataset) -> Evaluated:
    """A network that was cut, fine-tuned and made sparse."""
    torch.manual_seed(1)
    network = Normalised(Residual(), pixels.mean, pixels.std)
    batches = Batches(pixels.train, 32, shuffle=True)
    fit(network, batches, epochs=3, optimiser=partial(torch.optim.Adam, lr=1e-2))
    return compress_and_evaluate(network.eval(), SPARSE, batches, pixels, seconds=0.02)


def test_a_training_says_its_accuracies_cost_and_options(make_opened: Make, pixels: Dataset, tmp_path: Path) -> None:
    opened = make_opened("residual", trained=False)
    run = Training(epochs=2, batch_size=20, seed=5).run(opened, pixels, tmp_path)
    page = html.unescape((tmp_path / "index.html").read_text())
    cost = corank.cost(run.network, pixels.shape)
    for said in (
        f"residual classifies {percent(run.metrics['test_accuracy'])} of the {len(pixels.test)} test images of pixels",
        f"{percent(run.metrics['validation_accuracy'])} of the {len(pixels.validation)} validation images",
        f"It has {cost.parameters:,} parameters and needs {compact(cost.multiply_adds)} multiply-adds an image",
        "All 2 epochs done.",
        f"corank.load({str(tmp_path)!r})".replace("'", '"'),
        "<dt>batch size</dt><dd>20</dd>",
        "<dt>seed</dt><dd>5</dd>",
        "<dt>torch</dt>",
    ):
        assert said in page, said
    assert [file.name for file in (tmp_path / "figures").iterdir()] == ["training-curve.svg"]


def test_parts_add_up_and_ratios_are_to_what_stood_there(found: Evaluated, pixels: Dataset) -> None:
    small: Any = found.compressed
    accuracy, dense, _, _, _, nonzeros, weights = tables_of(page_of(found, pixels))
    for part in ("parameters", "storage", "multiply-adds"):
        pre, head, overall, replaced, original = column(dense, part)
        assert pre + head == overall
        assert pre + replaced == original
    _, head, overall, replaced, original = column(dense, "storage")
    assert column(dense, "smaller")[1:3] == [replaced / head, original / overall]
    _, head, overall, replaced, original = column(dense, "multiply-adds")
    assert column(dense, "fewer")[1:3] == [replaced / head, original / overall]
    assert column(dense, "batch 64")[2] == found.latency[1].median_ms
    assert column(dense, "batch 64")[4] == found.latency_original[1].median_ms
    assert column(nonzeros, "storage") == [
        cost.storage_bytes for cost in (small.sparse.pre, small.sparse.head, small.sparse.overall)
    ]
    assert column(nonzeros, "smaller")[0] == small.pre.storage_bytes / small.sparse.pre.storage_bytes
    assert column(nonzeros, "smaller")[1] == replaced_bytes(small) / small.sparse.head.storage_bytes
    assert column(weights, "weight matrix") == [weight.name for weight in small.sparse.weights]
    assert found.untuned is not None
    assert found.dense is not None
    assert column(accuracy, "test accuracy") == [
        state.test for state in (found.original, found.untuned, found.dense, found.tuned)
    ]


def replaced_bytes(small: Any) -> int:
    bytes_: int = small.original.storage_bytes - small.pre.storage_bytes
    return bytes_


def test_the_fit_and_both_lemmas_are_there(found: Evaluated, pixels: Dataset) -> None:
    small: Any = found.compressed
    _, _, _, fit, lemmas, _, _ = tables_of(page_of(found, pixels))
    assert column(fit, "number") == [small.samples_fit, small.bounds.samples]
    assert column(fit, "missed") == [small.residual / small.variance, small.residual_heldout / small.variance]
    assert column(lemmas, "measured")[0] == small.bounds.variables_loss_squared
    assert column(lemmas, "at most") == [
        small.bounds.variables_bound, small.bounds.polynomial_bound, small.bounds.polynomial_bound_of_paper
    ]  # fmt: skip
    text = html.unescape(render(page_of(found, pixels)))
    assert f"the directions hold {percent(small.captured_heldout)} of the energy of the gradients" in text
    assert small.message[1:] in text


def test_every_layer_and_what_became_of_it_are_there(found: Evaluated, pixels: Dataset) -> None:
    page = page_of(found, pixels)
    section = next(section for section in page.sections if section.title == "What was changed")
    (table,) = section.tables
    changes = found.compressed.changes
    assert column(table, "layer") == [row.layer for row in changes]
    assert column(table, "what became of it") == [row.what for row in changes]
    assert {row.what for row in changes} == {"retrained", "removed", "new"}
    for row, (_, _, was, now, _) in zip(changes, table.rows, strict=True):
        assert is_missing(was) == (row.what == "new")
        assert is_missing(now) == (row.what == "removed")
    assert section.text == (f"Everything{found.compressed.why.removeprefix('everything')}.",)


def test_one_sentence_says_what_came_out(found: Evaluated, pixels: Dataset) -> None:
    first, second, third = page_of(found, pixels).summary
    tuned, original, untuned, dense = (
        percent(state.test) for state in (found.tuned, found.original, found.untuned, found.dense) if state
    )
    assert first == (
        f"Cut after {found.compressed.layer}, own classifies {tuned} of the {len(pixels.test)} test images of pixels "
        f"correctly (original {original}, before fine-tuning {untuned}, after fine-tuning {dense})."
    )
    assert storage(found.compressed.overall.storage_bytes) in second
    assert ratio(found.speedup) in second
    assert percent(found.compressed.sparse.zeros) in third


def without(found: Evaluated, **changes: Any) -> Evaluated:
    return replace(found, compressed=replace(found.compressed, **changes))


VARIANTS: dict[str, Callable[[Evaluated], Evaluated]] = {
    "no training": lambda found: replace(without(found, training=None, sparse=None), untuned=None, dense=None),
    "no fine-tuning": lambda found: replace(without(found, training=None), dense=None),
    "no sparse training": lambda found: replace(without(found, sparse=None), dense=None),
    "nothing held out": lambda found: without(found, bounds=None, residual_heldout=math.nan, captured_heldout=math.nan),
    "all directions": lambda found: without(found, method="LR", bounds=None),
    "principal directions": lambda found: without(found, method="PCA + PCE"),
    "no latency": lambda found: replace(found, latency=(), latency_original=()),
    "another compressor": lambda found: replace(
        found, untuned=None, dense=None, compressed=Compressed(
            network=found.compressed.network, original=found.compressed.original, overall=found.compressed.overall
        )
    ),
}  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_not_there_is_not_spoken_of(found: Evaluated, pixels: Dataset, variant: str) -> None:
    page = page_of(VARIANTS[variant](found), pixels)
    text = visible(page)
    assert not re.search(r"\bnan\b|None", text)
    for words, absent in {
        "after fine-tuning": ("no training", "no fine-tuning", "another compressor"),
        "before fine-tuning": ("no training", "no fine-tuning"),
        "parse training": ("no training", "no sparse training", "another compressor"),
        "nonzeros": ("no training", "no sparse training", "another compressor"),
        "Lemma": ("nothing held out", "all directions", "another compressor"),
        "the directions hold": ("nothing held out", "all directions", "another compressor"),
        "energy of the gradients": ("principal directions",),
        "as fast": ("no latency",),
        "pre-model": ("another compressor",),
        "became of it": ("another compressor",),
    }.items():
        assert variant not in absent or words not in text, words
    assert code_of(render(page)).startswith("import corank")
    assert ("no samples were held out" in text) == (variant == "nothing held out")


def test_vectors_are_no_images() -> None:
    rows = assemble("rows", Split(torch.randn(90, 4), torch.arange(90) % 3))
    network = torch.nn.Linear(4, 3)
    found = accuracies(network, rows)
    page = training_page(
        "own", rows, found, corank.cost(network, (4,)), make_history(3), folder=Path("a"), options={}, device="cpu"
    )
    assert "image" not in visible(page)
    assert "(B, 4), features in [" in code_of(render(page))


@pytest.mark.parametrize("width", [1280, 360])
def test_the_page_of_a_run_asks_for_nothing_and_fits(
    open_page: Callable[..., OpenedPage], found: Evaluated, pixels: Dataset, tmp_path: Path, width: int
) -> None:
    index = write_page(page_of(found, pixels), tmp_path)
    opened = open_page(index, width=width, dark=width < 640)
    assert opened.requests == [opened.url]
    assert opened.complaints == []
    assert opened.evaluate("document.scrollingElement.scrollWidth") == width
    assert opened.evaluate("document.querySelector('pre code').textContent") == code_of(index.read_text())


def test_a_network_that_stores_more_is_never_called_smaller() -> None:
    few, many = (Cost(parameters=count, storage_bytes=4 * count, multiply_adds=1) for count in (1000, 1250))
    grown = Compressed(network=torch.nn.Identity(), original=few, overall=many)
    assert _stored(grown) == ("the storage, which grew", ratio(1.25))
    assert _stored(replace(grown, original=many, overall=few)) == ("smaller", ratio(1.25))
