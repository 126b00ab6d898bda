"""Every example runs in small size, in a folder of its own, and what it gives and says is what it promises.

The folder is walked: an example without a check here fails.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import corank

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))
EPOCHS = 2
SMALLER: dict[str, dict[str, Any]] = {
    "a_table_of_your_own": {"RANKS": (2, 16)},
    "sparse_asnet": {"STRENGTHS": (0.0, 0.03, 0.1)},
}
"""Shorter lists of what an example goes through one after the other."""
CHANCE = 0.2  # twice the share of right answers that guessing among ten digits has


def measure_your_network(found: Any, said: str, run: Any) -> None:
    layers = found.active.layers
    assert [layer.width for layer in layers] == [16 * 64, 32 * 16, 64]
    assert all(f"{layer.layer}: {layer.active_neurons.energy} of {layer.width} directions" in said for layer in layers)
    page = Path("out/examples/measure/index.html")
    assert said.endswith(f"The page: {page}\n")
    assert all(figure.stem in page.read_text() for figure in page.parent.glob("figures/*.svg"))
    assert len(list(page.parent.glob("figures/*.svg"))) >= 3


def cut_a_network(found: Any, said: str, run: Any) -> None:
    small = found.small
    assert found.reloaded == found.tuned > CHANCE
    assert found.fitted > CHANCE
    assert small.storage_ratio > 1 < small.multiply_adds_ratio
    assert f"parameters {small.overall.parameters}," in said.partition("cut after convolution 2:")[2].splitlines()[0]
    assert {file.name for file in Path("out/examples/cut").iterdir()} >= {"description.json", "weights.safetensors"}


def sparse_asnet(found: Any, said: str, run: Any) -> None:
    zeros = [small.sparse.zeros for small in found.values()]
    left = [small.sparse.overall.parameters for small in found.values()]
    assert zeros[0] == 0
    assert zeros == sorted(set(zeros))
    assert left == sorted(set(left), reverse=True)
    assert all(f"{count:,}" in said for count in left)


def one_vector(found: Any, said: str, run: Any) -> None:
    shares = {name: one.heldout.fooled for name, one in found.items()}
    assert max(shares, key=lambda name: shares[name]) != "random-direction"
    assert shares["recursive-subspace"] > 2 * shares["random-direction"]
    assert all(name in said for name in shares)


def is_it_robust(found: Any, said: str, run: Any) -> None:
    assert found["plain"].verdict == "passed"
    assert found["plain"].name == "robust accuracy"
    assert found["louder"].verdict == "flagged"
    assert found["louder"].name == "accuracy under attack"
    assert "louder: accuracy" in said


def within_a_budget(found: Any, said: str, run: Any) -> None:
    assert found.meets
    assert found.multiply_adds_ratio >= 3
    assert {one.method for one in found.candidates} >= {"ASNet", "RON"}
    assert found.reason in said
    assert found.chosen in found.candidates


def reduced_order(found: Any, said: str, run: Any) -> None:
    smaller = [small.multiply_adds_ratio for small in found.values()]
    assert smaller == sorted(smaller, reverse=True)
    assert smaller[-1] > 1
    for small in found.values():
        assert all(layer.interpolation_error <= layer.bound for layer in small.layers)
    assert found[0.999].agreement > found[0.9].agreement


def own_training_loop(found: Any, said: str, run: Any) -> None:
    (in_loss, accuracy_in_loss), (proximal, accuracy) = found.values()
    assert in_loss < 0.01 < proximal
    assert min(accuracy, accuracy_in_loss) > CHANCE
    assert f"{proximal:.1%} zeros" in said


def a_table_of_your_own(found: Any, said: str, run: Any) -> None:
    ranks = sorted({rank for rank, _ in found})
    assert said.count("computing rank") == len(found)
    assert all(found[ranks[0], seed]["accuracy"] < found[ranks[-1], seed]["accuracy"] for seed in (0, 1))
    again, said_again = run()
    assert again == found
    assert said_again == said[said.index(" directions") :]


def module_of(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module  # where its dataclasses look for the names of types
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def example(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Path, ModuleType]]:
    """An example as a module, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    module = module_of(request.param)
    for name, value in SMALLER.get(request.param.stem, {}).items():
        monkeypatch.setattr(module, name, value)
    yield request.param, module
    del sys.modules[request.param.stem]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.stem, indirect=True)
def test_an_example_does_what_it_says(
    example: tuple[Path, ModuleType], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file, module = example
    check = globals().get(file.stem)
    assert check is not None, f"examples/{file.name} has no check in this file: write what its output means"

    def run() -> tuple[Any, str]:
        return module.main(epochs=EPOCHS), capsys.readouterr().out

    check(*run(), run)
    assert {path.name for path in tmp_path.iterdir()} <= {"out"}


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_says_what_it_is_and_runs_as_a_program(file: Path) -> None:
    tree = ast.parse(file.read_text())
    assert f"python examples/{file.name}" in (ast.get_docstring(tree) or "")
    assert ast.unparse(tree.body[-1]) == "if __name__ == '__main__':\n    main()"
    assert len(file.read_text().splitlines()) <= 120


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_needs_public_names_only(file: Path) -> None:
    nodes = list(ast.walk(ast.parse(file.read_text())))
    imported = [
        f"{node.module}.{alias.name}" for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names
    ]
    assert not [name for name in imported if any(part.startswith("_") for part in name.split(".")[1:])]
    called = {node.attr for node in nodes if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "corank"}
    assert called <= {*corank.__all__}
