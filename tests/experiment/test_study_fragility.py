"""The chapter on fragility of a study: there where the network was attacked, and a reason where it could not be."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from corank.experiment import Opened
from corank.experiment.fragility.fragility import Fragility
from corank.experiment.study_attacks import NoAttacks, StudyAttacks
from corank.experiment.study_fragility import fragility_in_words, fragility_sections, fragility_studied
from corank.zoo import Dataset

Make = Callable[..., Opened]
REASON = NoAttacks(reason="the network has random weights")


@pytest.fixture(scope="module")
def attacks() -> StudyAttacks:
    """Of a study, which the diagnosis does not look into."""
    return object.__new__(StudyAttacks)


def test_the_chapter_has_scatter_path_pictures_and_a_paragraph(
    attacks: StudyAttacks, make_opened: Make, pixels: Dataset
) -> None:
    found = fragility_studied(make_opened("residual").network, pixels, attacks, images=20)
    assert isinstance(found, Fragility)
    (section,) = fragility_sections(found, "mine", pixels)
    assert section.title == "How fragile, and why"
    names = [figure.name for figure in section.figures]
    assert names == ["predicted-against-found", "path", "most-fragile", "least-fragile"]
    paragraph = section.text[1]
    for words in ("mine", f"{found.rank_correlation:.3f}", f"{found.rank_correlation_first_order:.3f}", "|cos θ|"):
        assert words in paragraph
    assert [sentence for sentence in fragility_in_words(found, "mine") if sentence not in paragraph] == []
    assert fragility_sections(found, "mine", pixels) == (section,)


def test_without_attacks_there_is_no_chapter(make_opened: Make, pixels: Dataset) -> None:
    network = make_opened("tiny").network
    for attacks in (None, REASON):
        assert fragility_studied(network, pixels, attacks, images=20) is None
    assert fragility_sections(None, "mine", pixels) == ()
    (section,) = fragility_sections(REASON, "mine", pixels)
    assert section.left_out == (("fragility", REASON.reason),)
    assert fragility_in_words(REASON, "mine") == ()


def test_a_network_that_tells_nothing_apart_is_studied_all_the_same(
    attacks: StudyAttacks, make_opened: Make, pixels: Dataset
) -> None:
    blind = make_opened("tiny", trained=False).network
    for parameter in blind.parameters():
        parameter.data.zero_()
    found = fragility_studied(blind, pixels, attacks, images=20)
    assert isinstance(found, NoAttacks)
    assert "depend on the input" in found.reason or "no pair has" in found.reason
