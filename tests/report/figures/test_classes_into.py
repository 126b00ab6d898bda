from __future__ import annotations

from dataclasses import replace

import pytest

from corank.report.figures import classes_into
from corank.report.palette import ACCENT
from tests.report.conftest import make_universal
from tests.report.figures.svg_reading import outlines, texts


def test_classes_stand_from_the_most_frequent_down_with_their_shares() -> None:
    result = make_universal(classes=4)
    assert result.heldout is not None
    names = ("cat", "dog", "owl", "fox")
    svg = classes_into(result, names).svg
    ordered = sorted(range(4), key=lambda label: -result.heldout.into[label])  # type: ignore[union-attr]
    written = texts(svg)
    assert [text for text in written if text in names] == [names[label] for label in ordered]
    shares = [f"{100 * result.heldout.into[label] / 5000:.1f}\u00a0%" for label in ordered]
    assert [text for text in written if text in shares] == shares
    assert len(outlines(svg, ACCENT.light, "fill")) == 1


def test_many_classes_end_in_one_bar_of_others() -> None:
    result = make_universal(classes=1000)
    assert "989 others" in texts(classes_into(result).svg)
    assert "3" in texts(classes_into(result).svg)


def test_training_images_are_shown_where_none_were_held_out() -> None:
    assert "the 200 training images" in classes_into(make_universal(held_out=False)).caption
    assert "the 5,000 held-out images" in classes_into(make_universal()).caption


@pytest.mark.parametrize("counts", [(7, 0), (0, 7)])
def test_the_caption_speaks_of_the_class_that_most_end_in(counts: tuple[int, int]) -> None:
    shares = replace(make_universal().train, samples=7, into=counts)
    svg = classes_into(replace(make_universal(), heldout=shares), ("cat", "dog")).svg
    assert f"into {'cat' if counts[0] else 'dog'}" in svg
