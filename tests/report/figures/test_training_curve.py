from __future__ import annotations

import math
from dataclasses import replace

import pytest

from corank.report.figures import training_curve
from corank.report.palette import ACCENT
from tests.report.conftest import make_history
from tests.report.figures.svg_reading import Point, are_on_one_scale, marks, outlines, texts


def curves(svg: str, epochs: int) -> list[list[Point]]:
    """The lines of a figure, without the outlines of its marks."""
    return [line for line in outlines(svg, ACCENT.light) if len(line) == epochs]


@pytest.mark.parametrize("narrow", [False, True])
def test_heights_are_losses_and_accuracies(narrow: bool) -> None:
    history = make_history(7, fall=0.9)
    figure = training_curve(history)
    svg = figure.svg_narrow if narrow else figure.svg
    losses, shares = curves(svg, 7)
    assert are_on_one_scale([row.loss for row in history.rows], [y for _, y in losses], falling=True)
    assert are_on_one_scale([row.accuracy or 0 for row in history.rows], [y for _, y in shares], falling=True)
    for line in (losses, shares):
        assert are_on_one_scale([row.epoch for row in history.rows], [x for x, _ in line])
    assert (losses[-1][0] < shares[0][0]) == (not narrow), "side by side, and one below the other on a phone"


@pytest.mark.parametrize("scores", [False, True])
def test_the_validation_accuracy_has_a_curve_of_its_own_where_it_is_known(scores: bool) -> None:
    history = make_history(7, fall=0.9, scores=scores)
    rows = tuple(replace(row, validation_accuracy=1 - 0.7**row.epoch) for row in history.rows)
    figure = training_curve(replace(history, rows=rows))
    for svg in (figure.svg, figure.svg_narrow):
        *_, shares = curves(svg, 7)
        assert len(curves(svg, 7)) == 2 + scores
        assert are_on_one_scale([row.validation_accuracy or 0 for row in rows], [y for _, y in shares], falling=True)
        assert {"validation accuracy", "91.8\u00a0%"} <= set(texts(svg))
        assert ("accuracy" in texts(svg)) == scores
    assert "not trained on" in figure.caption
    assert "not seen here" not in figure.caption
    assert "not seen here" in training_curve(history).caption


def test_a_loss_that_falls_far_is_shown_by_its_logarithm() -> None:
    rows = tuple(replace(row, loss=row.loss * (1 + row.epoch % 2)) for row in make_history(12, fall=0.5).rows)
    losses, _ = curves(training_curve(replace(make_history(), rows=rows)).svg, 12)
    assert are_on_one_scale([math.log(row.loss) for row in rows], [y for _, y in losses], falling=True)


def test_the_last_values_are_written_out() -> None:
    rows = make_history(3).rows
    last = replace(rows[-1], loss=0.01234, accuracy=0.9876)
    figure = training_curve(replace(make_history(3), rows=(*rows[:-1], last)))
    for svg in (figure.svg, figure.svg_narrow):
        assert {"0.0123", "98.8\u00a0%", "loss", "accuracy", "epoch"} <= set(texts(svg))


def test_one_epoch_is_a_mark_and_counts_in_whole_epochs() -> None:
    svg = training_curve(make_history(1)).svg
    assert len(marks(svg, ACCENT.light)) == 2
    assert texts(svg).count("1") == 2
    assert not any("." in text and text.startswith("0") for text in texts(svg))


def test_without_class_scores_there_is_the_loss_alone() -> None:
    figure = training_curve(make_history(scores=False))
    assert len(curves(figure.svg, 5)) == 1
    assert "accuracy" not in texts(figure.svg)
    assert "got right" not in figure.caption


def test_shares_end_at_the_whole() -> None:
    rows = tuple(replace(row, accuracy=1.0) for row in make_history(4).rows)
    svg = training_curve(replace(make_history(4), rows=rows)).svg
    shares = [float(text[:-2]) for text in texts(svg) if text.endswith("\u00a0%")]
    assert shares
    assert max(shares) == 100


def test_two_trainings_share_a_page_under_their_own_names() -> None:
    figures = [training_curve(make_history(), name, name) for name in ("fine-tuning", "sparse-training")]
    assert [figure.name for figure in figures] == ["fine-tuning", "sparse-training"]
    assert figures[1].caption.startswith("The sparse-training")
