"""What a compression reports is true of the network that it wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import pytest
import torch
from torch import nn

import corank
from corank.compress import ASNet, Compressed, Compressor
from corank.compress.fine_tuning import ByLabels, recovered
from corank.errors import InputError
from corank.experiment import Opened, accuracies, compress_and_evaluate, load_run
from corank.experiment.compressing import compress_options, run_compression, save_compressed
from corank.experiment.evaluated import asnetwork
from corank.network import Cost, capture, changes_between, cost
from corank.result import Scalar
from corank.train import Checkpoint, accuracy
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
    assert found.dense is None
    assert found.row()["untuned"] is None


SPARSE = replace(METHOD, sparse="l1", sparse_weight=0.5, sparse_epochs=2, sparse_pre_rate=0.05, sparse_head_rate=0.05)


def test_a_sparse_network_has_the_accuracies_of_all_its_states(make_opened: Make, pixels: Dataset) -> None:
    network, batches = make_opened("residual").network, Batches(pixels.train, 32, shuffle=True)
    found = compress_and_evaluate(network, SPARSE, batches, pixels, seconds=0.02)
    small = asnetwork(found)
    assert found.untuned == accuracies(small.fitted, pixels)
    assert found.dense == accuracies(small.tuned, pixels)
    assert found.tuned == accuracies(small.network, pixels)
    assert len({found.untuned, found.dense, found.tuned}) == 3, "options under which the states differ"
    assert found.row()["dense"] == found.to_dict()["dense"]["test"] == found.dense.test
    untuned = compress_and_evaluate(network, replace(SPARSE, epochs=0), batches, pixels, seconds=0.02)
    assert (untuned.untuned, untuned.dense) == (found.untuned, None)


def test_a_run_holds_the_smaller_network_and_its_numbers(make_opened: Make, pixels: Dataset, tmp_path: Path) -> None:
    run = run_compression(make_opened("residual"), pixels, METHOD, tmp_path, batch_size=32, seed=3)
    again = load_run(tmp_path)
    assert again.metrics["test_accuracy"] == accuracies(again.network, pixels).test
    x = torch.rand(3, *pixels.shape)
    assert torch.equal(run.network(x), again.network(x))
    overall = again.metrics["compressed"]["overall"]
    assert overall["parameters"] == cost(again.network, pixels.shape).parameters
    wanted = {"method": "ASNet", "rank": 2, "batch_size": 32, "seed": 0, "order_seed": 3}
    assert wanted.items() <= again.description["options"].items()


def test_a_description_says_what_was_changed_what_was_left_and_what_came_of_it(
    make_opened: Make, pixels: Dataset, tmp_path: Path
) -> None:
    opened = make_opened("residual")
    run_compression(opened, pixels, METHOD, tmp_path, batch_size=32)
    described: Any = json.loads((tmp_path / "description.json").read_text())
    small = corank.load(tmp_path)
    before, after = cost(opened.network, pixels.shape), cost(small, pixels.shape)
    assert described["target"] is None
    assert described["reached"] == {
        **after.row(),
        "parameters_ratio": before.parameters / after.parameters,
        "storage_ratio": before.storage_bytes / after.storage_bytes,
        "multiply_adds_ratio": before.multiply_adds / after.multiply_adds,
    }
    assert described["accuracy"]["original"] == accuracies(opened.network, pixels).to_dict()
    assert described["accuracy"]["after_recovery"] == accuracies(small, pixels).to_dict()
    assert described["accuracy"]["before_recovery"] not in (None, described["accuracy"]["after_recovery"])
    assert {name: [row["batch"] for row in rows] for name, rows in described["latency"].items()} == {
        "original": [1, 64], "compressed": [1, 64]
    }  # fmt: skip
    assert described["changes"] == [row.to_dict() for row in changes_between(opened.network, small)]
    assert {row["layer"]: row["what"] for row in described["changes"]} == {
        "stem": "retrained", "first": "removed", "second": "removed", "out": "removed", "asnet.subspace": "new",
        "asnet.coefficients": "new",
    }  # fmt: skip
    assert described["why"] == (
        "everything after 1 was replaced by a polynomial of order 2 of 2 active directions of the 144 features there; "
        "what is in front was only fine-tuned"
    ).replace("after 1", f"after {load_run(tmp_path).metrics['compressed']['layer']}")


def test_without_training_what_is_in_front_of_a_cut_is_described_as_kept(
    make_opened: Make, pixels: Dataset, tmp_path: Path
) -> None:
    opened, method = make_opened("residual"), replace(METHOD, epochs=0)
    found = compress_and_evaluate(opened.network, method, Batches(pixels.train, 32), pixels, seconds=0.02)
    options = compress_options(method, opened, pixels, 32)
    save_compressed(tmp_path, found, opened.origin, pixels, options, 1.0)
    described = json.loads((tmp_path / "description.json").read_text())
    assert described["target"] is None
    assert described["accuracy"]["before_recovery"] is None
    assert described["why"].endswith("what is in front is as it was")
    assert {row["layer"]: row["what"] for row in described["changes"]}["stem"] == "kept"


@dataclass(frozen=True, kw_only=True)
class Aimed(Compressed):
    @property
    def goal(self) -> dict[str, Scalar]:
        return {"parameters_ratio": 2.0}


@final
@dataclass(frozen=True, kw_only=True)
class Smallest(Compressor[Aimed]):
    """A linear map, trained as the thesis has it: a method that the experiment knows nothing of."""

    epochs: int = 0

    def _compress(self, network: nn.Module, batches: Any, validation: Any, checkpoint: Checkpoint | None) -> Aimed:
        x, y = next(iter(batches))
        torch.manual_seed(0)
        fitted = capture(nn.Sequential(nn.Flatten(), nn.Linear(x[0].numel(), int(y.max()) + 1)), x)
        small, training = recovered(
            fitted, network, batches, ByLabels(), epochs=self.epochs, validation=validation, checkpoint=checkpoint
        )
        free = Cost(parameters=0, storage_bytes=0, multiply_adds=0)
        return Aimed(network=small, fitted=fitted, training=training, original=free, overall=free)


@pytest.mark.parametrize("epochs", [0, 2])
def test_any_compressor_makes_a_run_and_chooses_on_the_validation_split(
    make_opened: Make, pixels: Dataset, tmp_path: Path, epochs: int
) -> None:
    opened = make_opened("residual")
    run = run_compression(opened, pixels, Smallest(epochs=epochs), tmp_path, batch_size=32)
    page, described = (tmp_path / "index.html").read_text(), run.description
    assert described["why"] == "the network was made smaller"
    assert described["target"] == {"parameters_ratio": 2.0}
    assert {row["layer"]: row["what"] for row in described["changes"]} == {
        "stem": "removed", "first": "removed", "second": "removed", "out": "removed", "1": "new"
    }  # fmt: skip
    assert (described["accuracy"]["before_recovery"] is None) == (epochs == 0)
    assert ("before fine-tuning" in page) == ("The training" in page) == (epochs > 0)
    if epochs:
        rows = run.metrics["compressed"]["training"]["rows"]
        assert rows[-1]["validation_accuracy"] == accuracy(run.network, Batches(pixels.validation, 7))
        assert rows[-1]["validation_accuracy"] == described["accuracy"]["after_recovery"]["validation"]


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


# Interruption


def interrupt(monkeypatch: pytest.MonkeyPatch, epochs: int, run: Callable[[], object]) -> None:
    """Ctrl-C in a run, as soon as that many epochs are kept."""
    save, left = Checkpoint.save, [epochs]

    def stop(self: Checkpoint, *rest: Any) -> None:
        save(self, *rest)
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoint, "save", stop)
        with pytest.raises(KeyboardInterrupt):
            run()


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (1, "after epoch 1 of fine-tuning"),
        (2, "after epoch 2 of fine-tuning"),
        (3, "after epoch 2 of fine-tuning and epoch 1 of sparse-training"),
    ],
)
def test_an_interrupted_run_goes_on_to_the_same_bits(
    make_opened: Make, pixels: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int, said: str
) -> None:
    reports: list[str] = []

    def run(name: str) -> None:
        run_compression(make_opened("residual"), pixels, SPARSE, tmp_path / name, report=reports.append)

    run("whole")
    interrupt(monkeypatch, kept, lambda: run("stopped"))
    assert [entry.name for entry in (tmp_path / "stopped").iterdir()] == ["checkpoint"]
    assert reports == []
    run("stopped")
    assert reports == [f"going on where the compression in {str(tmp_path / 'stopped')!r} stopped, {said}"]
    whole, stopped = (tmp_path / name for name in ("whole", "stopped"))
    for file in ("weights.safetensors", "graph.json"):
        assert (whole / file).read_bytes() == (stopped / file).read_bytes()
    first, second = (json.loads((folder / "metrics.json").read_text()) for folder in (whole, stopped))
    assert all(first[state] == second[state] for state in ("original", "untuned", "dense", "tuned"))
    assert {entry.name for entry in stopped.iterdir()} == {entry.name for entry in whole.iterdir()}
    assert "checkpoint" not in {entry.name for entry in stopped.iterdir()}


def test_another_run_does_not_go_on_from_what_was_interrupted(
    make_opened: Make, pixels: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, reports = make_opened("residual"), []

    def run(**options: Any) -> None:
        run_compression(opened, pixels, METHOD, tmp_path, report=reports.append, **options)

    interrupt(monkeypatch, 1, run)
    with pytest.raises(InputError, match=r"run\.batch_size was 64 there and is 32 here"):
        run(batch_size=32)
    with pytest.raises(InputError, match=r"run\.order_seed was 0 there and is 1 here"):
        run(seed=1)
    interrupt(monkeypatch, 1, lambda: run(batch_size=32, overwrite=True))
    assert reports == []
    (weights,) = tmp_path.glob("checkpoint/*/*/weights.safetensors")
    weights.write_bytes(weights.read_bytes()[:-5])
    with pytest.raises(InputError, match="missing, truncated or altered"):
        run(batch_size=32)
    run(batch_size=32, overwrite=True)
    assert reports == []
    assert load_run(tmp_path).description["options"]["batch_size"] == 32


def test_an_interrupted_replacement_leaves_the_old_run_and_goes_on(
    make_opened: Make, pixels: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, reports = make_opened("residual"), []
    run_compression(opened, pixels, ASNet(layer=1, rank=2, epochs=0), tmp_path)

    def run() -> None:
        run_compression(opened, pixels, METHOD, tmp_path, overwrite=True, report=reports.append)

    interrupt(monkeypatch, 1, run)
    assert load_run(tmp_path).description["options"]["epochs"] == 0
    run()
    assert "after epoch 1 of fine-tuning" in reports[0]
    assert load_run(tmp_path).description["options"]["epochs"] == 2
    assert not (tmp_path / "checkpoint").exists()
