"""A measurement's folder holds the numbers and the directions; its sentences follow from the numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from corank.errors import InputError
from corank.experiment import Opened
from corank.experiment.measuring import neurons_in_words, run_measurement
from corank.measure import ActiveSubspace
from corank.measure.active_subspace import ActiveNeurons
from corank.result import Interval, jsonable
from corank.zoo import Dataset

Make = Callable[..., Opened]


def test_the_folder_holds_what_was_found(make_opened: Make, pixels: Dataset, tmp_path: Path) -> None:
    found = run_measurement(make_opened("residual"), pixels, ActiveSubspace(rank=2), tmp_path, seed=3)
    stored = json.loads((tmp_path / "measurement.json").read_text())
    assert stored["layers"] == jsonable(found)["layers"]
    assert (stored["options"]["rank"], stored["options"]["seed"], stored["options"]["data"]) == (2, 3, "pixels")
    directions = load_file(tmp_path / "directions.safetensors")
    assert {*directions} == {layer.layer for layer in found.layers}
    for layer in found.layers:
        rows = directions[layer.layer].clone().double()
        assert torch.equal(rows.float(), layer.directions)
        # Orthonormal up to single precision.
        assert torch.allclose(rows @ rows.T, torch.eye(len(rows), dtype=torch.float64), atol=1e-5)
    page = (tmp_path / "index.html").read_text()
    assert all(layer.layer in page for layer in found.layers)


def test_nothing_is_measured_where_it_could_not_be_written(
    make_opened: Make, pixels: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "thesis.tex").touch()
    monkeypatch.setattr(ActiveSubspace, "measure", lambda *_: pytest.fail("it was measured"))
    with pytest.raises(InputError, match=r"thesis\.tex"):
        run_measurement(make_opened("tiny", trained=False), pixels, ActiveSubspace(), tmp_path)


def test_sentences_follow_from_the_numbers(make_opened: Make, pixels: Dataset) -> None:
    found = run_measurement(make_opened("tiny"), pixels, ActiveSubspace(rank=2))
    first, second = found.layers

    def layer(row: object, low: int, high: int | None, heldout: float) -> object:
        neurons = ActiveNeurons(energy=Interval(low, high), norm=Interval(1, 1))
        return replace(row, active_neurons=neurons, captured=0.9, captured_heldout=heldout)

    clear = replace(found, layers=(layer(first, 3, 3, 0.9), layer(second, 1, 1, 0.9)))
    (sentence,) = neurons_in_words(clear)
    assert f"At {second.layer}, 1 of 8 directions carry 95" in sentence
    assert "the leading 2 carry 90.0" in sentence
    unclear = neurons_in_words(replace(found, layers=(layer(first, 3, None, 0.9), layer(second, 1, 2, 0.2))))
    assert any(first.layer in text and "not reached" in text for text in unclear)
    assert any(second.layer in text and "more samples" in text for text in unclear)
    assert not any(f"At {second.layer}, 1" in text for text in unclear)  # nothing is claimed of what is not trusted
