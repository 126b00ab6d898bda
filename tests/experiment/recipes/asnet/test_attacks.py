"""Rows of attacks agree with the network asked in pixel space and with each other, and claims can fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corank.experiment.bench import Bench, Teacher
from corank.experiment.recipe import Axes, Cell
from corank.experiment.recipes.asnet import figure6, figure7, figure8, figure9, figure10, table6, table7
from corank.experiment.recipes.asnet.attacking import (
    CLASSES,
    ONE,
    RADII,
    SMALL,
    Attacking,
    attack_row,
    found_by,
    heldout_samples,
    inner,
    seeds_of,
    training_samples,
)
from corank.experiment.store import Store
from corank.network import Normalised
from corank.zoo.data import to_pixels

ROUNDING = 1e-4  # of logits of order ten in float32, added up in another order


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(Store(tmp_path_factory.mktemp("attacks")))


@pytest.fixture(scope="module")
def teacher(bench: Bench) -> Teacher:
    return SMALL.teacher(bench)


def cell_of(axes: Axes, options: Any = SMALL, seed: int = 0) -> Cell[Any]:
    return Cell(recipe="asnet/test", preset="smoke", axes=axes, options=options, stands_in=True, seed=seed)


def attacks_in(bench: Bench) -> set[Path]:
    return set((bench.store.folder / "asnet/attacks").rglob("*.json"))


@pytest.mark.parametrize("classes", CLASSES)
def test_a_row_is_what_the_network_says_in_pixel_space(bench: Bench, teacher: Teacher, classes: int) -> None:
    whole = replace(SMALL, test_images=None)
    row = attack_row(cell_of({"method": "AS", "classes": classes, "radius": 3}, whole), bench)
    only, count = ("1", SMALL.images_of_one) if classes == ONE else (None, SMALL.images_of_all)
    samples = training_samples(teacher, count, 0, only)
    vector = found_by("AS", SMALL, inner(teacher), samples, 3, 0)[0].vector
    assert row["sets"][0]["length"] == pytest.approx(float(vector.norm()))
    assert float(vector.norm()) <= 3 * (1 + 1e-6)
    test = teacher.data.test
    of_class = torch.ones(len(test), dtype=torch.bool) if only is None else test.labels == 1
    x, labels = to_pixels(test.images[of_class]), test.labels[of_class]
    in_pixels = vector * torch.tensor(teacher.data.std).view(-1, 1, 1)
    with torch.no_grad():
        before, after = teacher.network(x), teacher.network(x + in_pixels)
    changed, wrong = before.argmax(1) != after.argmax(1), after.argmax(1) != labels
    near = after.topk(2).values.diff(dim=1).abs()[:, 0] < ROUNDING
    slack = 100 * float(near.double().mean()) + 1e-9
    assert row["test_ratio"] == pytest.approx(100 * float(changed.double().mean()), abs=slack)
    assert row["test_errors"] == pytest.approx(100 * float(wrong.double().mean()), abs=slack)
    assert row["teacher_top1"] == pytest.approx(100 * teacher.top1)


def test_training_sets_are_of_their_class_and_differ(teacher: Teacher) -> None:
    sets = [training_samples(teacher, 10, seed, "1")[0] for seed in (*seeds_of(2, 0), *seeds_of(2, 1))]
    assert all(not torch.equal(one, other) for place, one in enumerate(sets) for other in sets[:place])
    assert torch.equal(sets[0], training_samples(teacher, 10, 0, "1")[0])
    assert training_samples(teacher, 10, 0, "1")[1].tolist() == [1] * 10
    assert len(training_samples(teacher, 200, 0)[1].unique()) == 10
    tested, labels = heldout_samples(teacher, None, "1")
    assert labels.unique().tolist() == [1]
    assert len(labels) == int((teacher.data.test.labels == 1).sum())
    assert torch.cat([tested, sets[0]]).mean().abs() < 1  # normalised, as the network sees them


def test_a_row_is_the_mean_over_its_training_sets(bench: Bench) -> None:
    axes: Axes = {"method": "Random", "classes": 10}
    both = attack_row(cell_of(axes, replace(SMALL, training_sets=2)), bench)
    single = [attack_row(cell_of(axes, seed=seed), bench) for seed in (0, 1)]
    for name in ("train_ratio", "test_ratio", "test_errors"):
        assert both[name] == pytest.approx(sum(row[name] for row in single) / 2)
    assert [one["test_ratio"] for one in both["sets"]] == [row["test_ratio"] for row in single]


def test_cells_share_an_attack_where_nothing_that_decides_on_it_differs(bench: Bench) -> None:
    attack_row(cell_of({"method": "Random", "classes": 10}), bench)
    before = attacks_in(bench)
    for axes, options in (
        ({"method": "Random", "classes": 10, "data": "digits"}, SMALL),
        ({"method": "Random", "classes": 10, "radius": 10, "images": 20}, replace(SMALL, images_of_all=99)),
        ({"method": "Random", "classes": 10}, replace(SMALL, uap_passes=3, one_class="2", images_of_one=5)),
    ):
        attack_row(cell_of(axes, options), bench)
    assert attacks_in(bench) == before
    for axes, options in (
        ({"method": "Random", "classes": ONE}, SMALL),
        ({"method": "Random", "classes": ONE}, replace(SMALL, one_class="2")),
        ({"method": "Random", "classes": 10, "radius": 9}, SMALL),
        ({"method": "Random", "classes": 10, "images": 30}, SMALL),
        ({"method": "Random", "classes": 10}, replace(SMALL, test_images=10)),
    ):
        attack_row(cell_of(axes, options), bench)
        now = attacks_in(bench)
        assert len(now) == len(before) + 1, (axes, options)
        before = now


def test_what_table_6_has_of_a_network_itself_is_its_row_of_table_7(bench: Bench) -> None:
    (grid,) = table6.TABLE.presets["smoke"]
    options: table6.Transferring = grid.options
    rows = {
        axes["source"]: table6.run_cell(cell_of({"attacked": "vgg_digits", **axes}, options), bench)
        for axes in ({"source": f"from-{name}"} for name in options.networks)
    }
    small = replace(SMALL, images_of_all=options.images, test_images=options.test_images)
    assert small == replace(options.attacking("vgg_digits"), one_class="1", images_of_one=10, uap_passes=1)
    own = attack_row(cell_of({"method": "AS", "classes": 10}, small), bench)
    assert rows["from-vgg_digits"]["test_ratio"] == own["test_ratio"]
    assert rows["from-vgg_digits"]["test_errors"] == own["test_errors"]
    assert rows["from-lenet_300_100"]["test_ratio"] != own["test_ratio"]
    assert len(list((bench.store.folder / "asnet/transfers").rglob("*.json"))) == 2, "one for each source"


class Quadrupled(nn.Module):
    """A network whose inputs were divided by four."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network(4 * x)


def test_a_carried_perturbation_is_the_same_in_pixel_space(
    teacher: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same function of pixels, behind another normalisation, is fooled as much."""
    bench = Bench(Store(tmp_path))
    same = replace(teacher, network=Normalised(Quadrupled(teacher.network), [0.0], [4.0]).eval())
    monkeypatch.setattr(bench, "teacher", lambda wanted: teacher if wanted.network == "vgg_digits" else same)
    (grid,) = table6.TABLE.presets["smoke"]
    own, other = (
        table6.run_cell(cell_of({"attacked": attacked, "source": "from-vgg_digits"}, grid.options), bench)
        for attacked in ("vgg_digits", "lenet_300_100")
    )
    assert 0 < own["test_ratio"] == other["test_ratio"]


@pytest.mark.parametrize("kind", ["1", "2"])
def test_the_pictures_of_figure_7_add_up_and_are_what_the_network_sees(
    bench: Bench, teacher: Teacher, kind: str
) -> None:
    row = figure7.run_cell(cell_of({"method": "AS", "radius": 5}, replace(SMALL, one_class=kind)), bench)
    pictures = {name: torch.tensor(values) for name, values in row["pictures"].items()}
    rounding = 10.0**-figure7.PLACES
    assert (pictures["image"] + pictures["perturbation"] - pictures["perturbed"]).abs().max() <= 1.5 * rounding + 1e-6
    assert row["image_norm"] == pytest.approx(float(pictures["image"].norm()), abs=8 * rounding)
    assert row["perturbation_norm"] == pytest.approx(float(pictures["perturbation"].norm()), abs=8 * rounding)
    assert row["perturbation_norm"] <= 5 * (1 + 1e-6)
    tested, labels = heldout_samples(teacher, SMALL.test_images, kind)
    with torch.no_grad():
        before, after = (inner(teacher)(x).softmax(1) for x in (tested, tested + pictures["perturbation"]))
    turned = (before.argmax(1) == labels) & (after.argmax(1) != labels)
    shown = int(turned.nonzero()[0])
    assert (tested[shown] - pictures["image"]).abs().max() <= rounding
    assert row["typical"] == pytest.approx(100 * float(turned.double().mean()))
    label = int(kind)
    assert row["probability_before"] == pytest.approx(float(before[shown, label]), abs=1e-6)
    assert row["probability_after"] == pytest.approx(float(after[shown, label]), rel=0.02)  # the pixels are rounded
    assert (row["is"], row["becomes"]) == (kind, teacher.data.class_names[int(after[shown].argmax())])


def curves(ratios: Mapping[str, float], times: Mapping[str, float], **axes: Sequence[Any]) -> list[dict[str, Any]]:
    """Rows of both kinds of classes with the same numbers for all values of the other axes."""
    rows: list[dict[str, Any]] = [{"classes": classes} for classes in CLASSES]
    for name, values in axes.items():
        rows = [{**row, name: value} for row in rows for value in values]
    return [
        {**row, "method": method, "test_ratio": ratios[method], "cpu_time": times[method]}
        for row in rows
        for method in ratios
    ]


def test_claims_of_figures_6_8_and_10_can_fail() -> None:
    thirty, around = figure6.TABLE.claims
    (twenty,) = figure8.TABLE.claims
    (above,) = figure10.TABLE.claims
    times = {"AS": 1.0, "UAP": 11.0, "Random": 0.0}
    good = curves({"AS": 75.0, "UAP": 45.0, "Random": 5.0}, times, radius=RADII)
    for claim in (thirty, twenty, above):
        assert claim.holds(good) is True
        assert claim.holds([]) is None
        assert claim.holds([row for row in good if row["method"] == "AS"]) is None
    assert twenty.holds([row for row in good if row["classes"] == ONE]) is None
    one_is_low = [{**row, "test_ratio": 60.0} if place == 0 else row for place, row in enumerate(good)]
    assert (thirty.holds(one_is_low), twenty.holds(one_is_low)) == (False, True), "every norm, and on average"
    slow = [{**row, "cpu_time": 2 * row["cpu_time"] if row["method"] == "AS" else row["cpu_time"]} for row in good]
    assert (thirty.holds(slow), twenty.holds(slow), above.holds(slow)) == (False, True, True)
    assert above.holds([{**row, "test_ratio": 5.0 if row["method"] == "AS" else 4.0} for row in good]) is True
    assert above.holds([{**row, "test_ratio": 5.0} if row["method"] != "UAP" else row for row in good]) is False
    assert around.holds(good) is False
    ones = [{**row, "test_ratio": 98.0} if row["classes"] == ONE else row for row in good]
    assert (around.holds(ones), around.holds(ones[1:]), around.holds(good[: len(good) // 2])) == (True, True, None)


def test_the_claim_of_figure_9_is_about_curves_that_rise() -> None:
    (rises,) = figure9.TABLE.claims
    rows = [
        {"classes": classes, "method": "AS", "images": images, "test_ratio": ratio}
        for classes in CLASSES
        for images, ratio in ((25, 40.0), (100, 60.0), (400, 58.5))
    ]
    assert rises.holds(rows) is True
    assert rises.holds(rows[::-1]) is True
    assert rises.holds(rows[:3]) is None
    assert rises.holds([{**row, "method": "UAP"} for row in rows]) is None
    assert rises.holds([*rows, {**rows[-1], "images": 800, "test_ratio": 50.0}]) is False
    assert rises.holds([{**row, "test_ratio": -row["test_ratio"]} for row in rows]) is False


def test_claims_of_table_7_can_fail() -> None:
    more, faster, better, easier = table7.TABLE.claims
    times = {"AS": 1.0, "UAP": 43.0}
    rows = curves({"AS": 80.0, "UAP": 50.0}, times, data=["Fashion-MNIST", "CIFAR-10"])
    rows += curves({"AS": 90.0, "UAP": 80.0}, times, data=["CIFAR-100"])
    claims = (more, faster, better, easier)
    assert [claim.holds(rows) for claim in claims] == [True] * 4
    assert [claim.holds([row for row in rows if row["data"] == "CIFAR-10"]) for claim in claims] == [
        None, None, True, None,
    ]  # fmt: skip
    assert [claim.holds([]) for claim in claims] == [None] * 4
    worse = [{**row, "test_ratio": 60.0} if row["data"] == "CIFAR-10" else row for row in rows]
    assert [claim.holds(worse) for claim in claims] == [False, True, False, True]
    slower = [{**row, "cpu_time": 5.0} if row["method"] == "AS" else row for row in rows]
    assert [claim.holds(slower) for claim in claims] == [True, False, True, True]
    harder = [{**row, "test_ratio": row["test_ratio"] - 20} if row["data"] == "CIFAR-100" else row for row in rows]
    assert [claim.holds(harder) for claim in claims] == [True, True, True, False]


def test_claims_of_table_6_can_fail() -> None:
    weakest, strongest, carries = table6.TABLE.claims
    rows = [
        {"attacked": attacked, "source": source, "test_ratio": 90.0 - 5 * place - (60 if source == "Random" else 0)}
        for place, attacked in enumerate(table6.NETWORKS)
        for source in (*(f"from-{name}" for name in table6.NETWORKS), "Random")
    ]
    claims = (weakest, strongest, carries)
    assert [claim.holds(rows) for claim in claims] == [True] * 3
    assert [claim.holds([]) for claim in claims] == [None] * 3
    assert [claim.holds([row for row in rows if row["attacked"] == "VGG-19"]) for claim in claims] == [None, None, True]
    turned = [{**row, "test_ratio": 100 - row["test_ratio"]} for row in rows]
    assert [claim.holds(turned) for claim in claims] == [False] * 3
    alone = [row for row in rows if row["source"] in ("Random", f"from-{row['attacked']}")]
    assert carries.holds(alone) is None


def test_the_claim_of_figure_7_is_about_what_the_image_becomes() -> None:
    (claim,) = figure7.TABLE.claims
    assert claim.holds([{"becomes": "t-shirt/top"}]) is True
    assert claim.holds([{"becomes": "t-shirt/top"}, {"becomes": "dress"}]) is False
    assert claim.holds([]) is None


def test_options_of_the_paper_are_its_own() -> None:
    for table in (table7, figure6, figure8, figure9, figure10):
        for grid in table.TABLE.presets["paper"]:
            options = grid.options
            assert isinstance(options, Attacking)
            assert (options.images_of_one, options.images_of_all, options.training_sets, options.uap_passes) == (
                100, 200, 10, 10,
            )  # fmt: skip
            assert options.test_images is None
