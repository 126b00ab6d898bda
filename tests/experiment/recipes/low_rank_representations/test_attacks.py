"""Models are trained alike and once, rows are what the networks say, and claims can hold and fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from corank.attack.pgd import PGD
from corank.experiment.bench import Bench
from corank.experiment.recipe import Axes, Cell
from corank.experiment.recipes.low_rank_representations import (
    figure3,
    figure4a,
    figure4b,
    figure11,
    table1,
    table3,
    table4,
    table9,
    table10,
)
from corank.experiment.recipes.low_rank_representations.minimal import minimal_row, stretched
from corank.experiment.recipes.low_rank_representations.models import MODELS, ONE, PLAIN, SMALL, TWO, images_of
from corank.experiment.recipes.low_rank_representations.step_by_step import step_row
from corank.experiment.recipes.low_rank_representations.under_descent import ATTACKED, BLACK, WHITE, attacked_row
from corank.experiment.store import Store

Rows = Sequence[Mapping[str, Any]]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(Store(tmp_path_factory.mktemp("low-rank")))


def cell_of(axes: Axes) -> Cell[Any]:
    return Cell(
        recipe="low_rank_representations/test", preset="smoke", axes=axes, options=SMALL, stands_in=True, seed=0
    )


def test_models_differ_and_each_is_trained_once(bench: Bench) -> None:
    weights = {model: SMALL.trained(model, bench).network.state_dict() for model in MODELS}
    assert len({tuple(state) for state in weights.values()}) == 1, "nothing of a virtual layer remains"
    for one, other in ((PLAIN, ONE), (ONE, TWO)):
        assert any(not torch.equal(weights[one][name], weights[other][name]) for name in weights[one])
    trained = sorted(bench.store.folder.rglob("weights.safetensors"))
    times = [file.stat().st_mtime_ns for file in trained]
    replace(SMALL, test_images=5).trained(ONE, bench)
    assert [file.stat().st_mtime_ns for file in sorted(bench.store.folder.rglob("weights.safetensors"))] == times


def test_virtual_layers_stand_where_the_paper_has_them() -> None:
    assert tuple(SMALL.ranks(ONE)) == (SMALL.last,)
    assert tuple(SMALL.ranks(TWO)) == (SMALL.last, SMALL.deep)


def test_a_black_box_is_judged_on_examples_of_the_plain_network(bench: Bench) -> None:
    row = attacked_row(cell_of({"access": BLACK, "model": ONE}), bench)
    plain, judged = SMALL.trained(PLAIN, bench), SMALL.trained(ONE, bench)
    x, y = images_of(judged)
    with torch.no_grad():
        right = judged.network(x).argmax(1) == y
    made = PGD(radius=20 / 255, steps=7).attack(judged.network, x, y, source=plain.network)
    assert torch.equal(made.inputs[~right], x[~right])
    with torch.no_grad():
        accuracy = float((judged.network(made.inputs).argmax(1) == y).double().mean())
    assert row["radius_20_steps_7"] == pytest.approx(100 * accuracy)
    assert row["clean"] == pytest.approx(100 * float(right.double().mean()))
    assert row != attacked_row(cell_of({"access": WHITE, "model": ONE}), bench)


def test_accuracy_after_steps_is_at_least_the_cumulative_one(bench: Bench) -> None:
    rows = [step_row(cell_of({"attack": "Iter-FSGM", "model": PLAIN, "steps": steps}), bench) for steps in (1, 8, 32)]
    assert all(row["accuracy"] >= row["cumulative_accuracy"] for row in rows)
    assert rows[0]["rho"] < rows[1]["rho"]
    assert rows[0]["cumulative_accuracy"] >= rows[1]["cumulative_accuracy"] >= rows[2]["cumulative_accuracy"]


def test_the_smallest_budgets_reach_their_rate(bench: Bench) -> None:
    row = minimal_row(cell_of({"access": WHITE, "model": PLAIN}), bench)
    assert row["reached_iterative_fgsm"] >= SMALL.rate
    x, _ = images_of(SMALL.trained(PLAIN, bench))
    largest = row["epsilon_iterative_fgsm"] * x[0].numel() ** 0.5 / float(x.flatten(1).norm(dim=1).min())
    assert 0 < row["rho_iterative_fgsm"] <= largest
    assert stretched(lambda factor: 0.0, 0.99) is None


def attacked(model: str, value: float, access: str = WHITE, clean: float = 90.0) -> dict[str, Any]:
    return {"access": access, "data": "C10", "network": "R50", "model": model, "clean": clean} | {
        column.name: value for column in ATTACKED
    }


def verdicts(table: Any, rows: Rows) -> list[bool | None]:
    return [claim.holds(rows) for claim in table.TABLE.claims]


def test_claims_of_descents() -> None:
    above = [attacked(PLAIN, 5), attacked(ONE, 60), attacked(ONE, 20, BLACK)]
    assert verdicts(table1, above) == [True, True]
    assert verdicts(table1, [*above[:2], attacked(ONE, 4, BLACK)]) == [False, True]
    assert verdicts(table1, [attacked(PLAIN, 5), attacked(ONE, 30)]) == [True, False]
    assert verdicts(table1, above[:1]) == [None, None]
    assert verdicts(table9, [attacked(PLAIN, 5, clean=90), attacked(ONE, 60, clean=91)]) == [True]
    assert verdicts(table9, [attacked(PLAIN, 5, clean=90), attacked(ONE, 60, clean=89)]) == [False]
    assert verdicts(table9, above[1:]) == [None]


@pytest.mark.parametrize(
    ("table", "names", "plain", "enough", "short"),
    [
        (table3, ("rho_deepfool", "rho_least_likely", "rho_iterative_fgsm"), 0.02, 0.09, 0.03),
        (table10, ("epsilon_least_likely", "epsilon_iterative_fgsm"), 0.01, 0.03, 0.015),
        (table4, ("noisy_4_of_10", "noisy_6_of_10", "noisy_8_of_10", "noisy_10_of_10"), 30.0, 40.0, 20.0),
        (figure3, ("rho",), 0.02, 0.03, 0.01),
        (figure4b, ("representation",), 0.5, 0.3, 0.6),
    ],
)
def test_claims_of_one_number_more_or_less(
    table: Any, names: Sequence[str], plain: float, enough: float, short: float
) -> None:
    def row(model: str, value: float) -> dict[str, Any]:
        return {"access": WHITE, "network": "R18", "radius": 8, "model": model, **dict.fromkeys(names, value)}

    assert verdicts(table, [row(PLAIN, plain), row(ONE, enough)]) == [True]
    assert verdicts(table, [row(PLAIN, plain), row(ONE, short)]) == [False]
    assert verdicts(table, [row(PLAIN, plain)]) == [None]


def test_claims_of_steps() -> None:
    def curve(model: str, slope: float, back: float = 0.0) -> list[dict[str, Any]]:
        return [
            {"attack": "Iter-FSGM", "model": model, "steps": 1, "rho": rho, "accuracy": 100 - slope * rho + back,
             "cumulative_accuracy": 100 - slope * rho}
            for rho in (0.1, 0.2, 0.3)
        ]  # fmt: skip

    assert verdicts(figure4a, [*curve(PLAIN, 300), *curve(ONE, 200)]) == [True]
    assert verdicts(figure4a, [*curve(PLAIN, 300), *curve(ONE, 320)]) == [False]
    assert verdicts(figure4a, curve(ONE, 320)) == [None]
    assert verdicts(figure11, curve(PLAIN, 300)) == [False]
    assert verdicts(figure11, curve(PLAIN, 300, back=1.0)) == [True]
    assert verdicts(figure11, []) == [None]
