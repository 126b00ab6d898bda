"""A study attacks what it studied, within the time that it may take, and never fails because of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from corank.experiment import Opened, Study, Training
from corank.experiment.attack_chapter import attack_chapter, attacks_in_words
from corank.experiment.study_attacks import NoAttacks, StudyAttacks, attack_studied
from corank.experiment.study_run import run_study
from corank.zoo import Dataset

Make = Callable[..., Opened]
STUDY = Study(samples=100, epochs=0, rank=1, layer="2", attack_images=30)


@pytest.fixture(scope="module")
def attacked(request: pytest.FixtureRequest) -> tuple[nn.Module, Dataset, StudyAttacks]:
    """One attacked network, which several tests look at."""
    pixels: Dataset = request.getfixturevalue("pixels")
    torch.manual_seed(1)
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, 3)).eval()
    found = attack_studied("mine", network, pixels, images=30, seed=2)
    assert isinstance(found, StudyAttacks)
    return network, pixels, found


def test_radii_are_shares_of_the_range_of_the_data(attacked: tuple[nn.Module, Dataset, StudyAttacks]) -> None:
    _, pixels, found = attacked
    assert found.radius == pytest.approx(0.1)
    assert found.judged.evaluation.radii == pytest.approx([0.1 / 16, 0.1 / 4, 0.1])
    assert found.universal.budget.radius == pytest.approx(0.1 * math.sqrt(36)), "as long as every pixel by a tenth"
    assert found.judged.evaluation.bounds == found.universal.bounds == pixels.bounds
    assert attack_studied("mine", attacked[0], pixels, images=5, radius=0.03).radius == 0.03  # type: ignore[union-attr]


def test_both_kinds_of_attack_are_told_under_their_own_names(
    attacked: tuple[nn.Module, Dataset, StudyAttacks],
) -> None:
    _, pixels, found = attacked
    told = found.to_dict()
    assert told["universal"].keys() >= {"fooling_ratio", "fooling_ratio_of_right", "error_rate", "space", "clipped"}
    assert told["evaluation"].keys() >= {"robust_accuracy", "audit", "verdict"}
    assert {row["attack"] for row in told["evaluation"]["robust_accuracy"]} == {
        "clean", "pgd", "fast-minimum-norm", "audit", "worst",
    }  # fmt: skip
    titles = [section.title for section in attack_chapter(found, pixels)]
    assert titles[0] == "What one vector does"
    assert titles[-1] == "Were the attacks strong enough?"
    assert any("mine" in sentence for sentence in attacks_in_words(found))


def test_what_takes_too_long_or_does_not_fit_is_left_out_with_the_reason(
    attacked: tuple[nn.Module, Dataset, StudyAttacks],
) -> None:
    network, pixels, _ = attacked
    slow = attack_studied("mine", network, pixels, images=30, seconds=1e-9)
    assert isinstance(slow, NoAttacks)
    assert slow.reason.endswith("more than 1e-09")
    narrow = attack_studied("mine", network, replace(pixels, bounds=(0.0, 0.5)), images=30)
    assert isinstance(narrow, NoAttacks)
    assert "must lie within 0 to 0.5" in narrow.reason
    (section,) = attack_chapter(narrow, pixels)
    assert section.left_out == (("attacks", narrow.reason),)
    assert attacks_in_words(narrow) == ()


def test_the_page_of_a_study_has_the_chapter(make_opened: Make, pixels: Dataset, tmp_path: Path) -> None:
    told: list[str] = []
    found = run_study(make_opened("tiny"), pixels, STUDY, Training(), tmp_path, report=told.append)
    assert told[-2].startswith("attacking, in about")
    assert told[-1] == "how fragile, and why"
    assert found["attacks"]["universal"]["images"]["train"] == 200
    page = (tmp_path / "index.html").read_text()
    assert found["fragility"]["images"]
    for text in (
        "How fragile, and why",
        "What one vector does",
        "Were the attacks strong enough?",
        "One vector (l2 length 0.6 in pixel space",
    ):
        assert text in page
    assert {"triptychs", "accuracy-under-attack", "audit-margins"} <= {
        file.stem for file in (tmp_path / "figures").iterdir()
    }


def test_attacks_may_be_left_out(make_opened: Make, pixels: Dataset, tmp_path: Path) -> None:
    opened = make_opened("tiny")
    found = run_study(opened, pixels, replace(STUDY, attack_images=0), Training(), tmp_path / "none")
    assert found["attacks"] is None
    random = run_study(opened, pixels, STUDY, Training(), tmp_path / "random", random_weights=True)
    assert random["attacks"] == {"reason": "the network has random weights"}
    pages = [(tmp_path / name / "index.html").read_text() for name in ("none", "random")]
    assert ["<dt>attacks</dt>" in page for page in pages] == [False, True]
    assert not any("What one vector does" in page for page in pages)
