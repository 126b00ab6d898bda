"""Examples made on another network: where it comes from, what cut perturbations do, and that networks are shared."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

from corank.attack import FGSM, DeepFool
from corank.errors import InputError
from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell
from corank.experiment.recipes.thesis.black_box import WONG, BlackBox, robust_row
from corank.experiment.recipes.thesis.meta import MIDPOINT, SMALL, attacked_samples, meta_trained, solved
from corank.experiment.recipes.thesis.table4_3 import GreyBox
from corank.experiment.store import Store
from corank.train import accuracy

OPTIONS = BlackBox(
    **{**SMALL, "epochs": 3, "channels": 4, "train_images": 300, "attack_images": 30, "deepfool_steps": 20}
)
RADII = (1, 32, 128)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(Store(tmp_path_factory.mktemp("meta")))


def cell_of(attack: str, options: BlackBox = OPTIONS) -> Cell[BlackBox]:
    axes = {"source": WONG, "attack": attack}
    return Cell(recipe="thesis/test", preset="smoke", axes=axes, options=options, stands_in=True, seed=0)


def install(monkeypatch: pytest.MonkeyPatch, network: nn.Module) -> list[dict[str, Any]]:
    """A package of one network, and what it was asked for."""
    asked: list[dict[str, Any]] = []

    def load_model(**which: Any) -> nn.Module:
        asked.append(which)
        return network.train()

    monkeypatch.setitem(sys.modules, "robustbench", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "robustbench.utils", SimpleNamespace(load_model=load_model))
    return asked


def test_a_source_that_sees_nothing_moves_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    blind = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    nn.init.zeros_(blind[1].weight)  # type: ignore[arg-type]
    asked = install(monkeypatch, blind)
    made = meta_trained(OPTIONS, bench, 0)
    images, labels = attacked_samples(made, OPTIONS)
    clean = 100 * accuracy(solved(made.network, MIDPOINT, OPTIONS), [(images, labels)])
    assert robust_row(made, cell_of("fgsm"), bench, RADII) == {f"robust_{radius}": clean for radius in RADII}
    assert asked == [{"model_name": "Wong2020Fast", "dataset": "cifar10", "threat_model": "Linf"}]


def test_without_robustbench_one_line_says_how_to_go_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "robustbench", None)
    with pytest.raises(InputError, match="pip install robustbench") as told:
        robust_row(meta_trained(OPTIONS, bench, 0), cell_of("fgsm"), bench, RADII)
    assert "\n" not in str(told.value)


def test_on_the_network_itself_the_rows_are_its_own_attacks(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut to a radius, DeepFool's perturbations fool wherever they were no longer, and may fool elsewhere too."""
    made = meta_trained(OPTIONS, bench, 0)
    network = solved(made.network, MIDPOINT, OPTIONS)
    install(monkeypatch, solved(made.network, MIDPOINT, OPTIONS))
    images, labels = attacked_samples(made, OPTIONS)
    quick, short = (robust_row(made, cell_of(attack), bench, RADII) for attack in ("fgsm", "deepfool"))
    nearest = DeepFool(norm="linf", steps=OPTIONS.deepfool_steps, halvings=0).attack(network, images, labels)
    for radius in RADII:
        fast = FGSM(norm="linf", radius=radius / 255).attack(network, images, labels)
        assert quick[f"robust_{radius}"] == pytest.approx(100 * fast.accuracy)
        assert short[f"robust_{radius}"] <= 100 * nearest.accuracy_within(radius / 255) + 1e-9
    assert short["robust_1"] > short["robust_128"] == pytest.approx(100 * nearest.accuracy)


def test_tables_share_a_network_whatever_attacks_it(tmp_path: Path) -> None:
    bench = Bench(Store(tmp_path))
    grey = meta_trained(GreyBox(**SMALL), bench, 0)
    black = meta_trained(replace(BlackBox(**SMALL), attack_images=5), bench, 0)
    assert len([*tmp_path.rglob("*.safetensors")]) == 1
    assert grey.accuracy == black.accuracy
    meta_trained(BlackBox(**SMALL), bench, 0, solver="euler")
    assert len([*tmp_path.rglob("*.safetensors")]) == 2
