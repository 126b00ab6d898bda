"""A measurement's folder holds the numbers and the directions of what was measured, whatever the measure."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from corank.errors import InputError
from corank.experiment import Opened
from corank.experiment.measuring import conditions, directions_of, run_measurement, write_measurement
from corank.measure import ActivationSpectrum, ActiveSubspace, Survey, WeightSpectrum
from corank.result import jsonable
from corank.zoo import Dataset
from tests.contracts.methods import smallest

from .measurements import MEASURES, made, survey

Make = Callable[..., Opened]
FILES = {
    "active-subspace": {"directions.safetensors"},
    "activation-spectrum": {"principal_directions.safetensors"},
    "survey": {"directions.safetensors", "principal_directions.safetensors"},
}
"""What a measure writes beside its page and its numbers."""


def small(measure: str) -> Any:
    return replace(smallest(MEASURES[measure]), **({} if measure == "weight-spectrum" else {"layer": "*"}))


@pytest.mark.parametrize("measure", MEASURES)
def test_the_folder_holds_what_was_found(make_opened: Make, pixels: Dataset, tmp_path: Path, measure: str) -> None:
    opened = make_opened("residual", trained=False)
    found = run_measurement(opened, pixels, small(measure), tmp_path, batch_size=32, seed=3)
    stored = json.loads((tmp_path / "measurement.json").read_text())
    expected = jsonable(found)
    assert {name: stored[name] for name in expected} == expected
    assert expected["layers"]
    options = {"measure": measure, "seed": 3, "batch_size": 32, "data": "pixels", "network": "residual"}
    assert options.items() <= stored["options"].items()
    for name, value in jsonable(small(measure).__dict__).items():
        assert stored["options"][name] == (3 if name == "seed" else value)
    extra = FILES.get(measure, set())
    assert {entry.name for entry in tmp_path.iterdir()} == {"figures", "index.html", "measurement.json", *extra}
    page = (tmp_path / "index.html").read_text()
    assert all(row["layer"] in page for row in expected["layers"])
    assert page.count("<svg") >= len(list((tmp_path / "figures").glob("*.svg"))) > 0
    for name, directions in directions_of(found).items():
        assert name in extra
        again = load_file(tmp_path / name)
        assert again.keys() == directions.keys()
        assert all(torch.equal(again[layer], directions[layer]) for layer in directions)


def test_directions_are_orthonormal_rows_of_every_layer(make_opened: Make, pixels: Dataset, tmp_path: Path) -> None:
    found = run_measurement(make_opened("residual"), pixels, Survey(rank=2), tmp_path)
    for name, measured in (("directions", found.active), ("principal_directions", found.activations)):
        stored = load_file(tmp_path / f"{name}.safetensors")
        assert {*stored} == {layer.layer for layer in measured.layers}
        for layer in measured.layers:
            rows = stored[layer.layer].double()
            assert rows.shape[1] == layer.width
            # Orthonormal up to single precision.
            assert torch.allclose(rows @ rows.T, torch.eye(len(rows), dtype=torch.float64), atol=1e-5)


def test_another_measurement_in_the_folder_is_kept_until_it_is_overwritten(
    make_opened: Make, pixels: Dataset, tmp_path: Path
) -> None:
    opened = make_opened("tiny", trained=False)
    run_measurement(opened, pixels, ActivationSpectrum(rank=2), tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    before = (tmp_path / "measurement.json").read_bytes()
    for other, message in [
        (WeightSpectrum(), "measure was activation-spectrum, now weight-spectrum"),
        (ActivationSpectrum(rank=3), "rank was 2, now 3"),
        (ActivationSpectrum(rank=2, centred=True), "centred was False, now True"),
    ]:
        with pytest.raises(InputError, match=message):
            run_measurement(opened, pixels, other, tmp_path)
    assert (tmp_path / "measurement.json").read_bytes() == before
    run_measurement(opened, pixels, WeightSpectrum(), tmp_path, overwrite=True)
    assert {entry.name for entry in tmp_path.iterdir()} == {"figures", "index.html", "measurement.json", "notes.txt"}
    assert {file.stem for file in (tmp_path / "figures").iterdir()} == {"parameters", "weight-ranks"}


def test_nothing_is_measured_where_it_could_not_be_written(
    make_opened: Make, pixels: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "thesis.tex").touch()
    monkeypatch.setattr(ActiveSubspace, "measure", lambda *_: pytest.fail("it was measured"))
    with pytest.raises(InputError, match=r"thesis\.tex"):
        run_measurement(make_opened("tiny", trained=False), pixels, ActiveSubspace(), tmp_path)


def test_only_the_first_process_writes(
    make_opened: Make, pixels: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    found = run_measurement(make_opened("tiny", trained=False), pixels, WeightSpectrum(), tmp_path)
    assert len(found.layers) == 3
    assert not list(tmp_path.iterdir())


def test_the_page_says_how_it_was_measured(tmp_path: Path) -> None:
    found = survey(made())
    said = conditions(found)
    assert said == {
        "samples": 4096, "samples_heldout": 1000, "loss": found.active.loss, "layout": found.active.layout,
        "precision": "32-true",
    }  # fmt: skip
    assert conditions(replace(found, active=None)).keys() == {"samples", "samples_heldout", "layout"}
    write_measurement(found, tmp_path, "mine", "digits", {})
    page = (tmp_path / "index.html").read_text()
    for text in ("samples heldout", "1,000", found.active.loss, found.active.layout, "32-true", "mine", "digits"):
        assert text in page
    assert "samples_heldout" not in page
