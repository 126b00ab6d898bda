"""What a network withstands: the worst over all attacks and the audit, and no word that was not earned."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from torch import Tensor, nn

from corank.attack import paired
from corank.attack.audit import Audited
from corank.attack.evaluation import Evaluation, evaluate
from corank.attack.pgd import PGD
from corank.errors import InputError
from corank.experiment import Opened
from corank.experiment.attack_evaluate import Judging, audited_radius, run_evaluation, with_audit
from corank.experiment.attack_setting import Setting
from corank.experiment.attack_tables import accuracy_title
from corank.zoo import Dataset
from tests.report.conftest import make_audited

Make = Callable[..., Opened]
FAST = Judging(radius=(0.05, 0.2), attack=("pgd", "fgsm"), images=40, audit=False)


@pytest.fixture
def evaluation(make_opened: Make, pixels: Dataset) -> Evaluation:
    """Of a network at three radii by one attack."""
    attacked = Setting().attacked(make_opened("tiny").network, pixels)
    inputs, labels = attacked.samples(pixels.test, 50)
    attacks = {"pgd": PGD(radius=1.0, steps=5)}
    return evaluate(attacked.network, inputs, labels, radii=(0.02, 0.1, 0.3), attacks=attacks, bounds=attacked.bounds)


def audited_with(evaluation: Evaluation, radius: float, standing: Tensor) -> Audited:
    share = float(standing.double().mean())
    return replace(make_audited(), radius=radius, images=len(standing), accuracy=evaluation.accuracy,
                   under_attack=share, standing=standing)  # fmt: skip


def test_the_worst_case_is_no_better_than_any_attack(make_opened: Make, pixels: Dataset, tmp_path: Path) -> None:
    result = run_evaluation(make_opened("residual"), pixels, FAST, tmp_path, setting=Setting())
    assert json.loads((tmp_path / "evaluation.json").read_text()) == result
    rows = {(row["attack"], row["radius"]): row for row in result["robust_accuracy"]}
    assert {name for name, _ in rows} == {"clean", "pgd", "fgsm", "worst"}
    assert rows["clean", 0.0]["accuracy"] == result["accuracy"]
    for radius in FAST.radius:
        worst = rows["worst", radius]
        assert worst["accuracy"] <= min(rows[name, radius]["accuracy"] for name in ("pgd", "fgsm"))
        assert worst["low"] <= worst["accuracy"] <= worst["high"]
        assert worst["fooling_ratio"] == pytest.approx(result["accuracy"] - worst["accuracy"])
    assert (result["verdict"], result["audit"], result["noise"]) == ("not audited", None, None)
    page = (tmp_path / "index.html").read_text()
    assert "This was not audited" in page
    assert "obust" not in page


def test_what_the_audit_broke_is_broken_in_the_worst_case(evaluation: Evaluation) -> None:
    standing = evaluation.distances["worst"] > 0.1
    standing[standing.nonzero()[:3, 0]] = False
    assert int(standing.sum()) > 0
    found = with_audit(evaluation, audited_with(evaluation, 0.1, standing))
    before, after = ({row.radius: row for row in one.of("worst")} for one in (evaluation, found))
    assert after[0.02] == before[0.02], "nothing is known below the audited radius"
    assert after[0.1].accuracy == pytest.approx(float(standing.double().mean()))
    still = (evaluation.distances["worst"] > 0.3) & standing
    assert after[0.3].accuracy == pytest.approx(float(still.double().mean()))
    assert {one.radius: one.only_first for one in paired(evaluation, found)} == {0.0: 0, 0.02: 0, 0.1: 3, 0.3: int(
        ((evaluation.distances["worst"] > 0.3) & ~standing).sum())}  # fmt: skip
    assert [row.radius for row in found.of("audit")] == [0.1]
    assert found.robust_accuracy[-3:] == found.of("worst")


def test_what_is_audited_is_the_largest_radius_that_leaves_more_than_chance(evaluation: Evaluation) -> None:
    rows = [replace(row, accuracy=share) for row, share in zip(evaluation.of("worst"), (0.9, 0.5, 0.1), strict=True)]
    others = tuple(row for row in evaluation.robust_accuracy if row.attack != "worst")
    assert audited_radius(replace(evaluation, robust_accuracy=(*others, *rows)), classes=3) == 0.1
    none = tuple(replace(row, accuracy=0.0) for row in rows)
    assert audited_radius(replace(evaluation, robust_accuracy=(*others, *none)), classes=3) == 0.02


class Rounded(nn.Module):
    """Rounds its inputs: no gradient comes through, though small changes still matter."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network((x * 4).round() / 4)


def test_a_flag_withholds_the_word_robust(make_opened: Make, pixels: Dataset, tmp_path: Path) -> None:
    opened = make_opened("tiny")
    masked = replace(opened, network=Rounded(opened.network).eval())
    judging = replace(FAST, radius=(0.1,), attack=("pgd",), audit=True, subsample=10, queries=50)
    result = run_evaluation(masked, pixels, judging, tmp_path, setting=Setting())
    assert result["verdict"] == "flagged"
    assert len(result["audit"]) == 20
    assert {row["verdict"] for row in result["audit"] if row["number"] == 4} == {"flagged"}
    assert all({"test", "value", "threshold", "verdict"} <= row.keys() for row in result["audit"])
    page = (tmp_path / "index.html").read_text()
    assert "Accuracy under attack" in page
    assert "obust accuracy" not in page
    assert "4 (gradients)" in page


def test_only_a_passed_audit_earns_the_word() -> None:
    titles = {verdict: accuracy_title({"verdict": verdict}) for verdict in ("passed", "flagged", "not audited")}
    assert titles == {
        "passed": "robust accuracy", "flagged": "accuracy under attack", "not audited": "accuracy under attack",
    }  # fmt: skip


def test_another_networks_examples_are_tried_too(make_opened: Make, pixels: Dataset) -> None:
    opened, twin = make_opened("tiny"), make_opened("residual")
    for space in ("pixel", "normalised"):
        result = run_evaluation(opened, pixels, FAST, setting=Setting(space=space), sources={"twin": twin})
        assert "transfer:twin" in {row["attack"] for row in result["robust_accuracy"]}
        assert result["options"]["sources"].keys() == {"twin"}


def test_noise_is_measured_where_it_is_asked_for(make_opened: Make, pixels: Dataset, tmp_path: Path) -> None:
    result = run_evaluation(make_opened("tiny"), pixels, replace(FAST, noise=True), tmp_path, setting=Setting())
    assert [row["probability"] for row in result["noise"]["noisy"]] == [0.4, 0.6, 0.8, 1.0]
    assert "Random noise" in (tmp_path / "index.html").read_text()


def test_what_does_not_fit_is_refused(make_opened: Make, pixels: Dataset) -> None:
    opened = make_opened("tiny")
    for judging, message in [
        (replace(FAST, attack=("pdg",)), "unknown attack 'pdg': did you mean pgd"),
        (replace(FAST, radius=(0.0,)), "radii must be positive and finite, and at least one, got 0.0"),
        (replace(FAST, attack=("carlini-wagner",)), "norm must be l2 for carlini-wagner, got 'linf'"),
    ]:
        with pytest.raises(InputError, match=message):
            run_evaluation(opened, pixels, judging, setting=Setting())
    assert [*replace(FAST, norm="l2", attack=("carlini-wagner", "pgd")).attacks] == ["carlini-wagner", "pgd"]


def test_nothing_is_left_of_another_evaluation(make_opened: Make, pixels: Dataset, tmp_path: Path) -> None:
    opened = make_opened("tiny")
    run_evaluation(opened, pixels, FAST, tmp_path, setting=Setting())
    with pytest.raises(InputError, match=r"another evaluation \(images was 40, now 41\)"):
        run_evaluation(opened, pixels, replace(FAST, images=41), tmp_path, setting=Setting())
    again = run_evaluation(opened, pixels, replace(FAST, images=41), tmp_path, setting=Setting(), overwrite=True)
    assert json.loads((tmp_path / "evaluation.json").read_text()) == again
