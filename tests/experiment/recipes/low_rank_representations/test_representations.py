"""What the tables of embeddings, spectra and cushions say is what the networks do, and their claims hold and fail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corank.attack.victim import Victim
from corank.experiment.bench import Bench, thinned
from corank.experiment.recipe import Axes, Cell
from corank.experiment.recipes.low_rank_representations import (
    figure2,
    figure4c,
    figure5,
    figure7,
    figure8,
    figure12,
    figure14,
    table2,
    table5,
    table6,
    table7,
    table8,
)
from corank.experiment.recipes.low_rank_representations.cushioned import SMALL_CUSHIONS, cushion_row
from corank.experiment.recipes.low_rank_representations.embedded import (
    SMALL_LAST,
    between_classes,
    embedded_row,
    hybrid_of,
)
from corank.experiment.recipes.low_rank_representations.models import (
    BOTTLE_ONE,
    ONE,
    PLAIN,
    PRUNED,
    SMALL,
    TWO,
    UNTRAINED,
    images_of,
)
from corank.experiment.recipes.low_rank_representations.spectra import (
    BEFORE_THE_CLASSIFIER,
    BEFORE_THE_LAST_STAGE,
    SMALL_SPREAD,
    spread_row,
)
from corank.experiment.recipes.low_rank_representations.under_descent import ATTACKED
from corank.experiment.store import Store
from corank.zoo.data import to_pixels

Rows = Sequence[Mapping[str, Any]]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(Store(tmp_path_factory.mktemp("low-rank")))


def cell_of(options: Any, axes: Axes) -> Cell[Any]:
    return Cell(
        recipe="low_rank_representations/test", preset="smoke", axes=axes, options=options, stands_in=True, seed=0
    )


def test_a_bottleneck_gives_hybrid_models_no_more_than_its_rank(bench: Bench) -> None:
    found, teacher = hybrid_of(SMALL_LAST, BOTTLE_ONE, None, 0, bench)
    assert found.layer == "flatten.1.up"
    with torch.no_grad():
        features = found.network.pre(images_of(teacher)[0]).flatten(1).double()
    assert int(torch.linalg.matrix_rank(features - features.mean(0), rtol=1e-4)) == SMALL.last_rank


def test_a_hybrid_model_is_as_accurate_as_its_row_says(bench: Bench) -> None:
    row = embedded_row(cell_of(SMALL_LAST, {"model": PLAIN, "dimensions": 5}), bench)
    found, teacher = hybrid_of(SMALL_LAST, PLAIN, 5, 0, bench)
    x, y = images_of(teacher)
    with torch.no_grad():
        assert row["accuracy"] == pytest.approx(100 * float((found.network(x).argmax(1) == y).double().mean()))
        points = found.network.embedded(x)
    assert row["between"] == pytest.approx(between_classes(points, y))


def test_the_share_between_classes_and_within_them_is_all() -> None:
    points, labels = torch.randn(60, 3, generator=torch.Generator().manual_seed(0)).double(), torch.arange(60) % 4
    about = points - points.mean(0)
    within = sum(float((about[labels == c] - about[labels == c].mean(0)).square().sum()) for c in range(4))
    assert between_classes(points, labels) == pytest.approx(1 - within / float(about.square().sum()))


def test_spectra_are_those_of_the_activations(bench: Bench) -> None:
    row = spread_row(cell_of(SMALL_SPREAD, {"model": PLAIN, "place": BEFORE_THE_CLASSIFIER}), bench)
    teacher = SMALL.trained(PLAIN, bench)
    seen: list[Tensor] = []
    flatten = next(module for module in teacher.network.modules() if isinstance(module, nn.Flatten))
    hook = flatten.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    with torch.no_grad():
        teacher.network(to_pixels(thinned(teacher.data.train, SMALL_SPREAD.images).images))
    hook.remove()
    squares = torch.linalg.svdvals(seen[0].double()).square()
    assert row["in_the_first_5"] == pytest.approx(float(squares[:5].sum() / squares.sum()), abs=0.005)
    assert row["in_the_first_1"] < row["in_the_first_5"] < row["in_the_first_50"] <= 1
    assert row["least_of_classes"] <= row["mean_of_classes"] <= row["largest_of_classes"] <= 1


def test_a_network_before_training_has_other_cushions(bench: Bench) -> None:
    trained, untrained = (
        cushion_row(cell_of(SMALL_CUSHIONS, {"model": model, "layer": "classifier"}), bench)
        for model in (PLAIN, UNTRAINED)
    )
    assert trained["median"] > untrained["median"]
    assert 0 < untrained["cushion"] <= untrained["quantile_5"] <= untrained["median"] <= untrained["quantile_95"] <= 1


def test_each_input_is_taken_where_it_first_fools() -> None:
    network = nn.Linear(1, 2, bias=False).eval()
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[1.0], [-1.0]]))
    x = torch.tensor([[0.1], [0.3], [9.0]])

    def candidates() -> Iterator[Tensor]:
        yield from (x - length for length in (0.2, 0.4, 0.6))

    inputs, labels = table6.first_that_fool(candidates(), Victim(network, None), torch.zeros(3, dtype=torch.long))
    assert inputs.flatten().tolist() == pytest.approx([-0.1, -0.1])
    assert labels.tolist() == [0, 0]


def test_on_another_network_perturbations_grow_until_they_fool(bench: Bench) -> None:
    options = SMALL_LAST
    own, plain = SMALL.trained(ONE, bench), SMALL.trained(PLAIN, bench)
    x, y = images_of(own)
    cell = cell_of(options, {"access": "black box", "model": ONE})
    for name in ("deepfool", "iterative_fgsm"):
        made = list(table6._longer_and_longer(name, cell, own, plain, x, y))
        lengths = [float((one - x).abs().sum()) for one in made]
        assert len(lengths) > 3
        assert lengths == sorted(lengths)
        assert lengths[-1] > 1.5 * lengths[0]
        assert min(float(one.min()) for one in made) >= 0


def verdicts(table: Any, rows: Rows) -> list[bool | None]:
    return [claim.holds(rows) for claim in table.TABLE.claims]


def test_claims_of_embeddings() -> None:
    def row(model: str, dimensions: int, accuracy: float) -> dict[str, Any]:
        return {"network": "R50", "model": model, "dimensions": dimensions, "accuracy": accuracy}

    plain = [row(PLAIN, 2048, 76), row(PLAIN, 5, 48)]
    assert verdicts(table5, [*plain, row(ONE, 2048, 78), row(ONE, 5, 72)]) == [True, True]
    assert verdicts(table5, [*plain, row(ONE, 2048, 78), row(ONE, 5, 49)]) == [False, True]
    assert verdicts(table5, [*plain, row(ONE, 2048, 50), row(ONE, 5, 47)]) == [True, False]
    assert verdicts(table5, plain) == [None, None]
    assert verdicts(table8, [row(PLAIN, 20, 90.0), row(TWO, 20, 90.5)]) == [True]
    assert verdicts(table8, [row(PLAIN, 20, 80.0), row(TWO, 20, 90.5)]) == [False]
    assert verdicts(table8, plain) == [None]


def test_claims_of_labels_that_were_not_learnt() -> None:
    def row(model: str, coarse: float | None, fine: float | None, accuracy: float | None = None) -> dict[str, Any]:
        return {"data": "d", "network": "n", "model": model, "coarse": coarse, "fine": fine, "accuracy": accuracy}

    hybrids = [row(PLAIN, 75, 52), row(BOTTLE_ONE, 76, 38)]
    assert verdicts(table7, [*hybrids, row(ONE, 78, 48)]) == [None, True, True]
    assert verdicts(table7, [*hybrids, row(ONE, 74, 30)]) == [None, False, False]
    accuracies = [row(PLAIN, None, None, 95.0), row(TWO, None, None, 94.9)]
    assert verdicts(table7, accuracies) == [True, None, None]
    assert verdicts(table7, [accuracies[0], row(TWO, None, None, 90.0)]) == [False, None, None]


def test_claims_of_baselines_and_fooled_images() -> None:
    def attacked(model: str, value: float) -> dict[str, Any]:
        return {"model": model} | {column.name: value for column in ATTACKED}

    def rightly(model: str, value: float | None) -> dict[str, Any]:
        return {"model": model, "access": "white box"} | dict.fromkeys(
            ("deepfool", "least_likely", "iterative_fgsm"), value
        )

    assert verdicts(table2, [attacked(ONE, 70), attacked(PRUNED, 20)]) == [True]
    assert verdicts(table2, [attacked(ONE, 10), attacked(PRUNED, 20)]) == [False]
    assert verdicts(table2, [attacked(ONE, 10)]) == [None]
    assert verdicts(table6, [rightly(PLAIN, 0.02), rightly(ONE, 0.4)]) == [True]
    assert verdicts(table6, [rightly(PLAIN, 0.5), rightly(ONE, 0.4)]) == [False]
    assert verdicts(table6, [rightly(PLAIN, None), rightly(ONE, 0.4)]) == [None]


def test_claims_of_spectra() -> None:
    names = [column.name for column in (*figure2.TABLE.columns, *figure7.TABLE.columns)]

    def row(model: str, value: float, place: str = BEFORE_THE_CLASSIFIER) -> dict[str, Any]:
        return {"model": model, "place": place} | dict.fromkeys(names, value)

    deep = [row(PLAIN, 0.7, BEFORE_THE_LAST_STAGE), row(ONE, 0.6, BEFORE_THE_LAST_STAGE)]
    good = [row(PLAIN, 0.9), row(ONE, 0.995), *deep, row(TWO, 0.99, BEFORE_THE_LAST_STAGE)]
    assert verdicts(figure2, good) == [True, True]
    assert verdicts(figure2, [row(ONE, 0.95), *deep, row(TWO, 0.65, BEFORE_THE_LAST_STAGE)]) == [False, False]
    assert verdicts(figure2, deep) == [None, None]
    assert verdicts(figure5, good) == [True]
    assert verdicts(figure5, [row(PLAIN, 0.9), row(TWO, 0.8)]) == [False]
    assert verdicts(figure5, deep) == [None]
    assert verdicts(figure7, good) == [True]
    assert verdicts(figure7, [row(PLAIN, 0.9), row(TWO, 0.8)]) == [False]


@pytest.mark.parametrize(
    ("table", "column", "good", "bad"),
    [
        (figure12, "median", {ONE: 0.3, TWO: 0.3}, {ONE: 0.3, TWO: 0.1}),
        (figure14, "median", {ONE: 0.1, TWO: 0.3}, {ONE: 0.3, TWO: 0.3}),
        (figure4c, "median", {ONE: 0.3, UNTRAINED: 0.1}, {ONE: 0.1, UNTRAINED: 0.3}),
        (figure8, "between", {ONE: 0.3}, {ONE: 0.1}),
    ],
)
def test_claims_of_one_number(table: Any, column: str, good: Mapping[str, float], bad: Mapping[str, float]) -> None:
    def rows(found: Mapping[str, float]) -> list[dict[str, Any]]:
        return [
            {"layer": "a", "dimensions": 2, "model": model, column: value}
            for model, value in {PLAIN: 0.2, **found}.items()
        ]

    assert all(verdicts(table, rows(good)))
    assert not any(verdicts(table, rows(bad)))
    assert {*verdicts(table, rows({}))} == {None}
