from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import matplotlib
import pytest

from corank.errors import InputError
from corank.report import Figure, figures_of
from corank.result import Interval
from tests.report.conftest import (
    MAKERS,
    make,
    make_activations,
    make_audited,
    make_budgeted,
    make_evaluation,
    make_history,
    make_reduction,
    make_transfer,
    make_universal,
    make_watched,
)

HOSTILE = "</text><script>x{}</script> $\\frac{{1}}$ & \x00\ud800 \"'"
SHAPES = {
    "several layers": {},
    "one layer": {"layers": 1},
    "one direction": {"layers": 1, "directions": 1, "width": 1, "energy": Interval(1, 1), "norm": Interval(1, 1)},
    "open intervals": {"energy": Interval(3, None), "norm": Interval(None, None)},
    "nothing held out": {"held_out": False},
    "no uncertainty and no bootstrap": {"uncertainty": 0.0, "bootstrap": False},
    "vanishing eigenvalues": {"decay": 0.0},
    "hostile names": {"name": HOSTILE},
}
OTHERS = {
    "hostile names": {"name": HOSTILE},
    "one layer of unknown values": {"layers": 1, "known": False},
    "a hundred and ten layers": {"layers": 110, "name": "encoder.layers.{}.attention.out_proj"},
}
NAMES = {
    "gradients": ["active-neurons", "spectra", "captured", "active-variables"],
    "activations": ["activation-spectra", "variance-ratios", "principal-components"],
    "weights": ["parameters", "weight-ranks"],
    "cushions": ["cushions"],
    "information": ["information-plane"],
    "probes": ["probes"],
    "training": ["training-curve"],
    "reduction": ["reduced-spectra", "reduced-errors"],
    "budget": ["candidates"],
    "universal": ["classes-into", "fooling-curve"],
    "evaluation": ["accuracy-under-attack"],
    "audit": ["audit-margins"],
    "transfer": ["transfer"],
    "watched": [
        "accuracy-by-epoch", "effective-rank-by-epoch", "effective-sparsity-by-epoch", "stable-rank-by-epoch",
        "information-by-epoch", "variance-ratio-by-epoch",
    ],
}  # fmt: skip
ALL = {
    **MAKERS, "training": make_history, "reduction": make_reduction, "budget": make_budgeted,
    "universal": make_universal, "evaluation": make_evaluation, "audit": make_audited, "transfer": make_transfer,
    "watched": make_watched,
}  # fmt: skip
ATTACKS: dict[str, dict[str, dict[str, Any]]] = {
    "universal": {
        "of one step and two classes": {"classes": 2, "steps": 1},
        "of a thousand classes": {"classes": 1000},
        "into a target, nothing held out": {"target": 5, "held_out": False},
        "without gradients": {"gradients": 0},
    },
    "evaluation": {
        "one attack and radius": {"attacks": 1, "radii": 1, "audited": False},
        "many attacks": {"attacks": 14, "radii": 6},
        "hostile names": {"name": HOSTILE},
    },
    "audit": {"all flagged": {"flagged": range(1, 21), "not_run": ()}, "one test": {"not_run": range(2, 21)}},
    "watched": {
        "before any epoch": {"epochs": 0},
        "many layers for long": {"epochs": 40, "layers": 12},
        "of one unit and hostile names": {"width": 1, "name": HOSTILE},
    },
    "transfer": {"two networks": {"networks": 2}, "many": {"networks": 9}, "hostile names": {"name": HOSTILE}},
}
TRAININGS = {
    "of one epoch": {"epochs": 1},
    "without scores": {"scores": False},
    "that stands still": {"fall": 1.0},
    "of many epochs": {"epochs": 300, "fall": 0.95},
}
TARGETS = ("macs=3x", "params=10x", "storage-mb=0.1", "latency-ms=4", "latency-ms=2x")
CASES = [("gradients", shape, options) for shape, options in SHAPES.items()]
CASES += [(kind, shape, options) for kind in list(MAKERS)[1:] for shape, options in OTHERS.items()]
CASES += [("training", shape, options) for shape, options in TRAININGS.items()]
CASES += [("reduction", shape, options) for shape, options in {**OTHERS, "nothing held out": {"held_out": 0}}.items()]
CASES += [(kind, shape, options) for kind, shapes in ATTACKS.items() for shape, options in shapes.items()]
CASES += [("budget", target or "no target", {"target": target}) for target in (None, *TARGETS)]


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}: {case[1]}", scope="module")
def drawn(request: pytest.FixtureRequest) -> dict[str, Figure]:
    kind, _, options = request.param
    return figures_of(ALL[kind](**options))


def both(figures: dict[str, Figure]) -> list[tuple[str, str]]:
    wide = [(f"figure-{name}", figure.svg) for name, figure in figures.items()]
    return wide + [(f"figure-{name}--narrow", figure.svg_narrow) for name, figure in figures.items()]


@pytest.mark.parametrize("kind", ALL)
def test_every_result_has_its_figures_with_captions(kind: str) -> None:
    drawn = figures_of(ALL[kind]())
    assert list(drawn) == NAMES[kind]
    assert all(figure.name == name and len(figure.caption) > 60 for name, figure in drawn.items())
    assert all(re.search(r"aria-label=\"[^\"]{20,}\"", svg) for _, svg in both(drawn))


def test_a_scatter_without_points_is_left_out() -> None:
    assert list(figures_of(make(held_out=False))) == NAMES["gradients"][:3]
    assert list(figures_of(make_activations(known=False))) == NAMES["activations"][:2]


def test_every_id_is_the_figures_own_and_every_reference_resolves(drawn: dict[str, Figure]) -> None:
    for ident, svg in both(drawn):
        elements = list(ElementTree.fromstring(svg).iter())
        ids = [element.attrib["id"] for element in elements if "id" in element.attrib]
        assert ids[0] == ident
        assert all(own.startswith(f"{ident}.") for own in ids[1:])
        assert len(set(ids)) == len(ids)
        assert set(re.findall(r'(?:url\(|href=")#([^)"]+)', svg)) <= set(ids)


def test_nothing_is_loaded_and_no_rule_reaches_beyond_the_figure(drawn: dict[str, Figure]) -> None:
    for ident, svg in both(drawn):
        assert "//" not in svg.replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert "<script" not in svg
        assert svg.count("<style") == 1
        (style,) = re.findall(r"<style>(.*?)</style>", svg)
        rules = re.findall(r"([^{}]+){[^{}]*}", style)
        assert {rule.strip() for rule in rules} == {f"#{ident}"}


def test_every_colour_has_its_counterpart_in_the_dark(drawn: dict[str, Figure]) -> None:
    for _, svg in both(drawn):
        used = set(re.findall(r"var\(--([0-9a-f]{6}),", svg))
        assert used
        assert used == set(re.findall(r"--([0-9a-f]{6}):#", svg))
        assert set(re.findall(r"(?:fill|stroke): #([0-9a-f]{6})", svg)) <= used


def test_every_coordinate_is_a_finite_number(drawn: dict[str, Figure]) -> None:
    for _, svg in both(drawn):
        assert not re.search(r"\b(nan|inf)\b", svg)


def test_texts_stand_on_the_sheet(drawn: dict[str, Figure]) -> None:
    for _, svg in both(drawn):
        width, height = map(float, re.findall(r'viewBox="0 0 (\S+) (\S+)"', svg)[0])
        for x, y in re.findall(r'<text [^>]*?x="(\S+)" y="(\S+)"', svg):
            assert -1 <= float(x) <= width
            assert 0 <= float(y) <= height


@pytest.mark.parametrize("kind", ALL)
def test_one_result_gives_one_figure_byte_for_byte(kind: str) -> None:
    first = figures_of(ALL[kind]())
    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9, "svg.fonttype": "path"}):
        before = dict(matplotlib.rcParams)
        assert figures_of(ALL[kind]()) == first
        assert dict(matplotlib.rcParams) == before


def test_a_type_without_figures_is_named() -> None:
    with pytest.raises(InputError, match=r"figures exist for ActiveSubspaces, .*LayerInformation.*, got dict"):
        figures_of({})


@pytest.mark.parametrize("kind", MAKERS)
def test_a_result_without_layers_is_refused(kind: str) -> None:
    with pytest.raises(InputError, match="at least one measured layer, got 0"):
        figures_of(replace(MAKERS[kind](1), layers=()))


def test_a_training_without_a_finished_epoch_is_refused() -> None:
    with pytest.raises(InputError, match="at least one finished epoch, got 0"):
        figures_of(make_history(0))


def test_a_training_of_which_only_accuracies_were_watched_has_their_figure_alone() -> None:
    assert list(figures_of(make_watched(layers=0))) == NAMES["watched"][:1]
    with pytest.raises(InputError, match="needs a network that was watched, got no epoch"):
        figures_of(replace(make_watched(), rows=()))
