"""The diagnosis from end to end: exact for a linear classifier, resumed, refused where nothing can be said."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from corank.errors import InputError
from corank.experiment import Opened
from corank.experiment.attack_setting import Setting
from corank.experiment.fragility.diagnosis import diagnosed
from corank.experiment.fragility.options import Diagnosing
from corank.experiment.fragility.run import run_fragility
from corank.experiment.fragility.words import fragile_in_words
from corank.network import Normalised
from corank.zoo import Dataset
from corank.zoo.data.dataset import Split
from tests.contracts.methods import Snapshot

Make = Callable[..., Opened]
FAST = Diagnosing(images=30, steps=20, points=5)


def test_every_image_has_its_numbers(make_opened: Make, pixels: Dataset, tmp_path: Path) -> None:
    opened = make_opened("residual")
    before = Snapshot.of(opened.network)
    found = run_fragility(opened, pixels, FAST, tmp_path)
    assert Snapshot.of(opened.network) == before
    assert json.loads((tmp_path / "fragility.json").read_text()) == found
    assert len(found["images"]) + found["misclassified"] + found["without_path"] == found["drawn"] == 30
    for row in found["images"]:
        assert row.keys() >= {"cosine", "M", "Q", "L", "predicted", "found", "rho", "towards", "class"}
        assert row["found"] <= row["Q"] + 1e-9
        assert row["Q_over_half_L"] == pytest.approx(2 * row["Q"] / row["L"])
        assert (row["class"], row["label"]) == (pixels.class_names[row["label"]], int(pixels.test.labels[row["input"]]))
        image, end = (split.images[row[name]].double() / 255 for split, name in
                      ((pixels.test, "input"), (pixels.train, "end")))  # fmt: skip
        assert row["L"] == pytest.approx(float((image - end).norm()), rel=1e-5)
        assert int(pixels.train.labels[row["end"]]) == row["other"] != row["label"]
    assert -1 <= found["rank_correlation"] <= 1
    assert {(row["of"], row["guess"]) for row in found["agreement"]} >= {("found", "first_order"), ("Q", "M_b")}
    page = (tmp_path / "index.html").read_text()
    assert f"{found['rank_correlation']:.3f}" in page
    for name in ("predicted-against-found", "path", "cosines", "most-fragile", "least-fragile"):
        assert (tmp_path / "figures" / f"{name}.svg").is_file()
    assert not (tmp_path / "checkpoint").exists()


def test_a_linear_classifier_is_foretold_exactly(pixels: Dataset, make_opened: Make) -> None:
    torch.manual_seed(0)
    network = Normalised(nn.Sequential(nn.Flatten(), nn.Linear(36, 3)), pixels.mean, pixels.std).eval()
    opened = replace(make_opened("tiny", trained=False), network=network, is_trained=True)
    found = run_fragility(opened, pixels, replace(FAST, images=60, steps=100))
    assert len(found["images"]) >= 5
    for row in found["images"]:
        assert row["predicted"] == pytest.approx(row["found"], rel=0.02)  # the attack's, which is no shorter
        assert row["predicted"] <= row["found"] * (1 + 1e-6)
        assert abs(row["M_b"]) == pytest.approx(row["first_order_towards"], rel=1e-4)
        assert row["cosines"] == pytest.approx([row["cosine"]] * 5, abs=1e-5)


def test_a_reason_is_given_only_for_what_is_fragile(make_opened: Make, pixels: Dataset) -> None:
    attacked = Setting().attacked(make_opened("residual").network, pixels)
    found = diagnosed(attacked, pixels, FAST)
    near, far = (
        replace(found, images=tuple(replace(image, pair=replace(image.pair, L=times * 2 * image.found))
                                    for image in found.images if image.found is not None))
        for times in (1.0, 5.0)
    )  # fmt: skip
    assert "about what the distance between the classes allows" in fragile_in_words(near, "mine")[1]
    assert fragile_in_words(far, "mine")[1].startswith("The reason that feature compression gives")
    assert "5.00 times as far" in fragile_in_words(far, "mine")[0]


def test_a_finished_diagnosis_is_returned_and_another_refused(
    make_opened: Make, pixels: Dataset, tmp_path: Path
) -> None:
    opened, told = make_opened("tiny"), list[str]()
    few = replace(FAST, images=12, steps=5)
    found = run_fragility(opened, pixels, few, tmp_path)
    assert run_fragility(opened, pixels, few, tmp_path, report=told.append) == found
    assert "nothing to do" in told[-1]
    with pytest.raises(InputError, match=r"another diagnosis \(images was 12, now 13"):
        run_fragility(opened, pixels, replace(few, images=13), tmp_path)
    assert run_fragility(opened, pixels, replace(few, images=13), tmp_path, overwrite=True)["drawn"] == 13


def test_classes_and_images_may_be_named(make_opened: Make, pixels: Dataset, tmp_path: Path) -> None:
    opened, few = make_opened("residual"), replace(FAST, images=15, steps=5)
    found = run_fragility(opened, pixels, replace(few, class_="1", target_class="2"))
    assert {(row["class"], row["towards"]) for row in found["images"]} == {("1", "2")}
    file = tmp_path / "end.png"
    Image.fromarray(pixels.train.images[4, 0].numpy()).save(file)
    with torch.no_grad():
        seen = int(opened.network(pixels.train.images[4:5].float() / 255).argmax(1))
    found = run_fragility(opened, pixels, replace(few, towards=file))
    assert {row["other"] for row in found["images"]} == {seen}
    assert seen not in {row["label"] for row in found["images"]}
    assert {row["end"] for row in found["images"]} == {None}
    attacked = Setting().attacked(opened.network, pixels)
    given = diagnosed(attacked, pixels, replace(few, towards=file))
    assert "Half way to the image that was given" in fragile_in_words(given, "tiny")[0]


def test_what_cannot_be_diagnosed_is_refused(make_opened: Make, pixels: Dataset, tmp_path: Path) -> None:
    opened = make_opened("tiny")

    def alike(split: Split) -> Split:
        return Split(split.images, torch.zeros_like(split.labels))

    alone = replace(pixels, train=alike(pixels.train), validation=alike(pixels.validation), test=alike(pixels.test))
    twice = replace(pixels, train=Split(torch.cat([pixels.train.images, pixels.test.images]),
                                        torch.cat([pixels.train.labels, (pixels.test.labels + 1) % 3])))  # fmt: skip
    constant = nn.Sequential(nn.Flatten(), nn.Linear(36, 3)).eval()
    with torch.no_grad():
        constant[1].weight.zero_()
    numbered_otherwise = nn.Sequential(nn.Flatten(), nn.Linear(36, 4)).eval()
    with torch.no_grad():
        numbered_otherwise[1].bias[3] = 100.0
    not_a_number = nn.Sequential(nn.Flatten(), nn.Linear(36, 3)).eval()
    with torch.no_grad():
        not_a_number[1].bias[1] = torch.nan
    wrong = tmp_path / "wide.png"
    Image.fromarray(np.zeros((4, 9), dtype=np.uint8)).save(wrong)
    for data, network, options, words in [
        (alone, opened, {}, "no example of another class than 0"),
        (twice, opened, {}, "is the same in the classes"),
        (pixels, replace(opened, network=constant), {}, "logits do not depend on the input|no pair has g"),
        (pixels, replace(opened, network=numbered_otherwise), {}, "its 4 outputs are the 3 classes of the data"),
        (
            pixels,
            replace(opened, network=not_a_number),
            {},
            "logits of the network must be finite, those of test image",
        ),
        (pixels, opened, {"class_": "zebra"}, "no class 'zebra'"),
        (pixels, opened, {"target_class": "zebra"}, "no class 'zebra'"),
        (pixels, opened, {"class_": "1", "target_class": "1"}, "both ends are of class '1'"),
        (pixels, opened, {"towards": tmp_path / "none.png"}, "no readable image"),
        (pixels, opened, {"towards": wrong}, "must be 6x6 as the data, got 9x4"),
    ]:
        with pytest.raises(InputError, match=words) as caught:
            run_fragility(network, data, replace(FAST, **options))  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)
    for options, words in [
        ({"images": 0}, "images must be a whole number of at least 1"),
        ({"steps": 0}, "steps must be a whole number of at least 1"),
        ({"points": 1}, "points must be at least 2, got 1"),
        ({"target_class": "1", "towards": wrong}, "--target-class 1 does not go with --towards"),
    ]:
        with pytest.raises(InputError, match=words):
            Diagnosing(**options)  # type: ignore[arg-type]
