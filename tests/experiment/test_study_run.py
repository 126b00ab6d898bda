"""A study from a network to a folder: a page, strict JSON, and cut networks that are as accurate as is said."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from corank.errors import InputError
from corank.experiment import Opened, Study, Training, accuracies, load_run, open_network
from corank.experiment.study_run import run_study
from corank.measure.running import _Pass
from corank.report import write_page
from corank.train import Checkpoint
from corank.zoo import Dataset, load_data

Make = Callable[..., Opened]
STUDY = Study(samples=100, epochs=1, rank=2, attack_images=0)
CHAPTERS = [
    "Which directions each layer uses", "Which cuts are worth it", "Where it can be cut", "Where it can be reduced",
    "How low-rank and sparse its layers are", "Spectra of the loss gradient", "First active variables",
    "Spectra of the activations", "Where the parameters are", "Layer cushions", "Information plane",
    "Linear classifiers on the features",
]  # fmt: skip
MODULE = """
from torch import nn

def small():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(128, 16), nn.ReLU(), nn.Linear(16, 10),
    )
"""


def refuse_constant(text: str) -> None:
    raise AssertionError(f"{text} is no JSON")


def strict_json(file: Path) -> Any:
    return json.loads(file.read_text(), parse_constant=refuse_constant)


def test_a_users_network_on_the_digits_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "small_networks.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    digits = load_data("digits")
    opened = open_network("small_networks:small", dataset=digits)
    stages: list[str] = []
    study = Study(samples=300, epochs=1, tolerance=0.1, attack_images=0)
    found = run_study(opened, digits, study, Training(epochs=15), Path("out"), report=stages.append)
    assert stages[0] == "training small_networks:small on digits"
    assert [stage.split()[0] for stage in stages[1:4]] == ["accuracy", "measuring", "forecasting"]
    assert {stage.split()[0] for stage in stages[4:-1]} == {"cut"}
    assert stages[-1].startswith("reducing at")

    assert strict_json(Path("out/study.json")) == found
    assert strict_json(Path("out/forecasts.json"))["forecasts"] == found["forecasts"]
    assert not Path("out/checkpoint").exists()
    trained = load_run(Path("out/network"))
    assert found["original"] == accuracies(trained.network, digits).to_dict()
    assert [row["layer"] for row in found["measured"]["layers"]] == [place["layer"] for place in found["places"]]
    folders = sorted(Path("out/cuts").iterdir())
    assert {folder.name for folder in folders} == {cut["compressed"]["layer"] for cut in found["cuts"]}
    for cut in found["cuts"]:
        run = load_run(Path("out/cuts") / cut["compressed"]["layer"])
        assert cut["tuned"] == accuracies(run.network, digits).to_dict()
        assert run.metrics["test_accuracy"] == cut["tuned"]["test"]
        assert cut["compressed"]["overall"]["parameters"] == sum(value.numel() for value in run.network.parameters())

    page = Path("out/index.html").read_text()
    assert "What small_networks:small uses" in page
    assert found["summary"][-1].split(",")[0] in page
    titles = re.findall(r"<h2[^>]*>([^<]*)</h2>", page)
    assert titles[: len(CHAPTERS)] == CHAPTERS
    assert page.count("<svg") >= 4
    assert not re.search(r"(src|href)=[\"']?(https?:|//)|@import|url\((?!#)", page), "a request"
    assert list(Path("out/figures").glob("*.svg"))


def test_what_there_was_no_time_for_is_said_on_the_page(
    make_opened: Make, pixels: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish, left = _Pass._result, [5]

    def until_the_time_is_over(self: _Pass, *rest: Any) -> Any:
        """All measures of the first layer, and the first measure of the second, are finished in time."""
        left[0] -= 1
        if self.options.budget_seconds is not None and left[0] < 0:
            self.seconds = 0.0
        return finish(self, *rest)

    monkeypatch.setattr(_Pass, "_result", until_the_time_is_over)
    study = replace(STUDY, layer=("2", "4"), measure_seconds=500.0, epochs=0, rank=1)
    found = run_study(make_opened("tiny"), pixels, study, Training(), tmp_path)
    rows = {row["layer"]: row for row in found["measured"]["layers"]}
    assert {"active_neurons", "activations", "information", "probe"} <= rows["2"].keys()
    assert "active_neurons" in rows["4"]
    assert not {"activations", "information", "probe"} & rows["4"].keys()
    reason = "left out: the time budget of 500 s was used up"
    measures = {"activation-spectrum", "mutual-information", "feature-probe"}
    assert {(row["layer"], row["measure"], row["reason"]) for row in found["measured"]["skipped"]} == {
        ("4", measure, reason) for measure in measures
    }
    assert len(found["cuts"]) == 2
    page = (tmp_path / "index.html").read_text()
    assert reason in page
    assert all(f"4: {measure.replace('-', ' ')}" in page for measure in measures)


def test_the_same_study_is_not_done_again(
    make_opened: Make, pixels: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = make_opened("tiny")
    first = run_study(opened, pixels, STUDY, Training(), tmp_path)
    said: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(Study, "run", lambda *_, **__: 1 / 0)
        assert run_study(opened, pixels, STUDY, Training(), tmp_path, report=said.append) == first
        assert "nothing to do" in said[0]
        with pytest.raises(InputError, match=r"study\.rank was 2, now 3"):
            run_study(opened, pixels, replace(STUDY, rank=3), Training(), tmp_path)


def test_an_overwritten_study_leaves_no_cut_of_the_old_one(make_opened: Make, pixels: Dataset, tmp_path: Path) -> None:
    opened = make_opened("tiny")
    run_study(opened, pixels, replace(STUDY, layer="2", epochs=0), Training(), tmp_path)
    (tmp_path / "cuts/notes.txt").write_text("mine")
    run_study(opened, pixels, replace(STUDY, layer="4", epochs=0), Training(), tmp_path, overwrite=True)
    assert {entry.name for entry in (tmp_path / "cuts").iterdir()} == {"4", "notes.txt"}


@pytest.mark.parametrize("content", ["", '{"options": ', "[]"])
def test_a_damaged_study_is_refused_but_may_be_overwritten(
    make_opened: Make, pixels: Dataset, tmp_path: Path, content: str
) -> None:
    opened = make_opened("bypassed")
    (tmp_path / "study.json").write_text(content)
    with pytest.raises(InputError, match=r"study\.json"):
        run_study(opened, pixels, STUDY, Training(), tmp_path)
    run_study(opened, pixels, STUDY, Training(), tmp_path, overwrite=True)
    strict_json(tmp_path / "study.json")


def test_a_study_that_stopped_while_writing_is_done_again(
    make_opened: Make, pixels: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = make_opened("tiny")
    study = replace(STUDY, layer="2", epochs=0)

    def stop(*arguments: Any) -> None:
        write_page(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("corank.experiment.study_run.write_page", stop)
        with pytest.raises(KeyboardInterrupt):
            run_study(opened, pixels, study, Training(), tmp_path)
    assert (tmp_path / "index.html").exists()
    assert not (tmp_path / "study.json").exists()
    run_study(opened, pixels, study, Training(), tmp_path)
    strict_json(tmp_path / "study.json")


def test_a_mistake_is_found_before_the_training(
    make_opened: Make, pixels: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Training, "run", lambda *_, **__: pytest.fail("it was trained"))
    with pytest.raises(InputError, match="'nothing'"):
        run_study(make_opened("tiny", trained=False), pixels, replace(STUDY, layer="nothing"), Training(), tmp_path)


def test_a_study_of_a_network_that_cannot_be_cut_has_its_page(
    make_opened: Make, pixels: Dataset, tmp_path: Path
) -> None:
    found = run_study(make_opened("bypassed"), pixels, STUDY, Training(), tmp_path)
    assert found["cuts"] == []
    assert found["recommendation"] is None
    page = (tmp_path / "index.html").read_text()
    assert "no place where the network can be cut" in page
    assert "hidden" in page


def test_random_weights_give_a_page_and_no_network(make_opened: Make, pixels: Dataset, tmp_path: Path) -> None:
    opened = replace(make_opened("tiny", trained=False), is_trained=True)  # as --random-weights has it
    found = run_study(opened, pixels, STUDY, Training(), tmp_path, random_weights=True)
    assert found["recommendation"] is None
    assert "the network has random weights" in found["reason"]
    assert found["network"] == "tiny with random weights"
    assert found["options"]["random_weights"]
    assert found["cuts"] == []
    assert found["forecasts"]["cuts"]
    assert found["reason"][1:50] in (tmp_path / "index.html").read_text()
    assert not list(tmp_path.rglob("*.safetensors"))
    assert not (tmp_path / "cuts").exists()


def test_forecasts_are_on_disk_before_the_first_cut_is_built(
    make_opened: Make, pixels: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("corank.experiment.study.compress_and_evaluate", stop)
    with pytest.raises(KeyboardInterrupt):
        run_study(make_opened("tiny"), pixels, replace(STUDY, layer="2"), Training(), tmp_path)
    assert strict_json(tmp_path / "forecasts.json")["forecasts"]["cuts"]
    assert not (tmp_path / "cuts").exists()


def test_an_interrupted_study_goes_on_with_the_training_of_its_cut(
    make_opened: Make, pixels: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = make_opened("tiny")
    study = replace(STUDY, layer="2", epochs=3)
    whole = run_study(opened, pixels, study, Training(), tmp_path / "whole")
    save, epochs = Checkpoint.save, []

    def save_twice(self: Checkpoint, *rest: Any) -> None:
        save(self, *rest)
        epochs.append(len(rest[-1].rows))
        if len(epochs) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "save", save_twice)
    with pytest.raises(KeyboardInterrupt):
        run_study(opened, pixels, study, Training(), tmp_path / "stopped")
    assert (tmp_path / "stopped/checkpoint").is_dir()
    with pytest.raises(InputError, match=r"study\.epochs was 3 there and is 4 here.*or add --overwrite"):
        run_study(opened, pixels, replace(study, epochs=4), Training(), tmp_path / "stopped")
    resumed = run_study(opened, pixels, study, Training(), tmp_path / "stopped")
    assert epochs == [1, 2, 3]
    assert resumed["cuts"][0]["tuned"] == whole["cuts"][0]["tuned"]
    assert not (tmp_path / "stopped/checkpoint").exists()
