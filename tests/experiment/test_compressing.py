"""What a compression reports is true of the network that it wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from corank.compress import ASNet
from corank.errors import InputError
from corank.experiment import Opened, accuracies, compress_and_evaluate, load_run
from corank.experiment.compressing import run_compression
from corank.network import cost
from corank.train import accuracy
from corank.zoo import Batches, Dataset

Make = Callable[..., Opened]
METHOD = ASNet(layer=1, rank=2, samples=100, epochs=2, head_rate=1e-3)


def test_accuracies_are_of_validation_and_test(make_opened: Make, pixels: Dataset) -> None:
    network = make_opened("tiny").network
    found = accuracies(network, pixels)
    assert found.validation == accuracy(network, Batches(pixels.validation, 5))
    assert found.test == accuracy(network, Batches(pixels.test, 5))
    assert found.validation != found.test, "images on which the splits differ"
    assert found.row() == {"validation_accuracy": found.validation, "test_accuracy": found.test}


def test_what_is_reported_is_true_of_the_networks(make_opened: Make, pixels: Dataset) -> None:
    network = make_opened("residual").network
    found = compress_and_evaluate(network, METHOD, Batches(pixels.train, 32, shuffle=True), pixels, seconds=0.05)
    assert found.original == accuracies(network, pixels)
    assert found.tuned == accuracies(found.compressed.network, pixels)
    assert len({found.original, found.untuned, found.tuned}) > 1, "images on which the networks differ"
    assert found.untuned == accuracies(found.compressed.fitted, pixels)
    assert [row.batch for row in found.latency] == [row.batch for row in found.latency_original] == [1, 64]
    assert found.speedup == found.latency_original[0].median_ms / found.latency[0].median_ms
    assert found.compressed.overall == cost(found.compressed.network, pixels.shape)


def test_without_fine_tuning_nothing_is_reported_as_untuned(make_opened: Make, pixels: Dataset) -> None:
    method = ASNet(layer=1, rank=2, samples=100, epochs=0)
    batches = Batches(pixels.train, 32, shuffle=True)
    found = compress_and_evaluate(make_opened("residual").network, method, batches, pixels, seconds=0.05)
    assert found.untuned is None
    assert found.row()["untuned"] is None


def test_a_run_holds_the_smaller_network_and_its_numbers(make_opened: Make, pixels: Dataset, tmp_path: Path) -> None:
    run = run_compression(make_opened("residual"), pixels, METHOD, tmp_path, batch_size=32, seed=3)
    again = load_run(tmp_path)
    assert again.metrics["test_accuracy"] == accuracies(again.network, pixels).test
    x = torch.rand(3, *pixels.shape)
    assert torch.equal(run.network(x), again.network(x))
    overall = again.metrics["compressed"]["overall"]
    assert overall["parameters"] == cost(again.network, pixels.shape).parameters
    assert {"method": "ASNet", "rank": 2, "batch_size": 32, "seed": 3}.items() <= again.description["options"].items()


def test_a_cut_network_is_cut_again(make_opened: Make, pixels: Dataset, tmp_path: Path) -> None:
    first = run_compression(make_opened("residual"), pixels, ASNet(layer=3, rank=2, epochs=0), tmp_path / "once")
    opened = Opened(network=first.network, origin=first.origin, is_trained=True)
    second = run_compression(opened, pixels, METHOD, tmp_path / "twice")
    assert second.metrics["original_test_accuracy"] == first.metrics["test_accuracy"]
    assert second.metrics["compressed"]["original"] == first.metrics["compressed"]["overall"]


def test_a_mistake_beside_overwrite_costs_no_run(make_opened: Make, pixels: Dataset, tmp_path: Path) -> None:
    opened = make_opened("residual")
    run_compression(opened, pixels, ASNet(layer=1, rank=2, epochs=0), tmp_path)
    with pytest.raises(InputError, match="layer 2 cannot be cut"):
        run_compression(opened, pixels, ASNet(layer=2, rank=2, epochs=0), tmp_path, overwrite=True)
    assert load_run(tmp_path).description["options"]["layer"] == 1
