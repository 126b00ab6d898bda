"""Every test of the audit flags its planted defect and passes an honest network."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest
import torch
from torch import nn

from corank.attack.audit.running import QUESTIONS
from corank.attack.descent import Steps

from ..masks import Randomised, Rounded, Sharpened, split
from . import defects
from .asking import IMAGES, ask, honest

Wrap = Callable[[nn.Module], nn.Module]
SOURCES = {"sources": [honest(1)]}
STILL = {"attack": Steps(random_start=False)}
CIFAR = {"data": "cifar10-jpeg", "is_clean_trained": True}
OUTSIDE = {"images": split(0)[2][:IMAGES] * 2 - 1}


def plain(network: nn.Module) -> nn.Module:
    """The network itself: the defect lies elsewhere."""
    return network


DEFECTS: list[tuple[int, Wrap, dict[str, Any]]] = [
    (1, plain, {"was_training": True}),
    (1, plain, OUTSIDE),
    (1, defects.batch_dependent, {}),
    (2, Randomised, {}),
    (3, defects.softmaxed, {}),
    (4, Rounded, {}),
    (4, defects.undefined, {}),
    (5, defects.wrong_backward, {}),
    (6, Sharpened, {}),
    (7, Sharpened, {}),
    (8, plain, {"attack": Steps(steps=10, step_size=0.01)}),
    (9, plain, {"attack": Steps(steps=2, step_size=1e-4)}),
    (10, plain, {"attack": Steps(steps=20, step_size=0.002)}),
    (11, lambda network: Randomised(network, 0.3), {"attack": Steps(steps=1), "radius": 0.02}),
    (12, Sharpened, {}),
    (12, Rounded, {}),
    (13, Rounded, {"queries": 500, "radius": 0.15}),
    (14, Rounded, SOURCES),
    (15, defects.broken_off_grid, STILL),
    (16, defects.rippled, {}),
    (17, lambda network: Randomised(network, 0.3), {}),
    (18, Sharpened, {}),
    (19, defects.saturated, {}),
    (20, plain, {**CIFAR, "radius": 8 / 255}),
]
HONEST: dict[int, dict[str, Any]] = {14: SOURCES, 20: {**CIFAR, "radius": 0.4}}
needs_square = pytest.mark.skipif(find_spec("pyautoattack") is None, reason="needs the extra autoattack")


def marked(number: int) -> tuple[pytest.MarkDecorator, ...]:
    return (needs_square,) if number == 13 else ()


@pytest.mark.parametrize(
    ("number", "wrap", "options"),
    [
        pytest.param(*case, id=f"{case[0]}-{getattr(case[1], '__name__', 'mask')}", marks=marked(case[0]))
        for case in DEFECTS
    ],
)
def test_a_planted_defect_is_flagged(number: int, wrap: Wrap, options: dict[str, Any]) -> None:
    row = ask(number, wrap(honest()).eval(), **options)
    assert row.verdict == "flagged", row


@pytest.mark.parametrize("number", [pytest.param(number, marks=marked(number)) for number in range(1, 21)])
def test_an_honest_network_passes(number: int) -> None:
    row = ask(number, honest(), **HONEST.get(number, {}))
    assert row.verdict == "passed", row


def test_there_are_twenty_questions_each_once_and_each_has_its_defect() -> None:
    numbers = list(range(1, 21))
    assert sorted(question.number for question in QUESTIONS) == numbers
    assert len({question.name for question in QUESTIONS}) == 20
    assert sorted({number for number, _, _ in DEFECTS}) == numbers


@pytest.mark.parametrize(
    ("number", "options", "reason"),
    [
        (14, {}, "no source networks"),
        (20, {}, "said to be trained"),
        (20, {"is_clean_trained": True, "data": "mnist"}, "CIFAR-10"),
        (20, {**CIFAR, "norm": "l2"}, "linf"),
        (20, {**CIFAR, "radius": 1 / 255}, "8/255"),
        (13, {"bounds": None}, "bounds"),
    ],
)
def test_what_does_not_apply_is_not_run_and_says_why(number: int, options: dict[str, Any], reason: str) -> None:
    row = ask(number, honest(), **options)
    assert (row.verdict, row.value) == ("not run", None)
    assert reason in row.note


def test_a_missing_package_is_a_reason_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyautoattack.square", None)
    row = ask(13, honest())
    assert row.verdict == "not run"
    assert "corank[autoattack]" in row.note


def test_a_network_that_knows_float32_alone_is_not_compared_with_differences() -> None:
    network = defects.Around(honest(), before=lambda x: x @ torch.eye(8))
    assert "float64" in ask(5, network).note


@pytest.mark.parametrize("number", [4, 5, 12, 16, 19])
def test_without_an_image_classified_rightly_there_is_nothing_to_ask(number: int) -> None:
    network = defects.Around(
        honest(), after=lambda logits: torch.zeros_like(logits).index_fill(1, torch.tensor(0), 1.0)
    )
    _, _, x, y = split(0)
    images, labels = x[:IMAGES][y[:IMAGES] > 0], y[:IMAGES][y[:IMAGES] > 0]
    row = ask(number, network, given=images, x=images, labels=labels)
    assert row.verdict == "not run"
    assert "rightly" in row.note
