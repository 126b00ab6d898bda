"""Reduced-order networks as a user makes them: options, rounds, trainings, messages, run folders."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import corank
from corank.compress import RON, ASNet, RONetwork
from corank.compress.fine_tuning import TuningName
from corank.errors import InputError
from corank.experiment import Opened, Origin, load_run
from corank.experiment.compressing import run_compression
from corank.network import Layers, Normalised, capture, cost
from corank.train import Checkpoint, accuracy
from corank.train.loop import Loop
from corank.zoo.data.dataset import Dataset, Split, assemble

from ..network import architectures
from .images import Turned, data, graph, logits, net, small, trained


@pytest.mark.parametrize("maps", ["fitted", "interpolated"])
@pytest.mark.parametrize(
    "options",
    [
        {}, {"layer": 1}, {"layer": "7"}, {"layer": "0", "project": 999}, {"layer": 1, "iterations": 2},
        {"layer": 1, "batch_norm": True, "dropout": 0.5},
    ],
)  # fmt: skip
def test_with_all_directions_it_is_the_network(options: dict[str, Any], maps: str) -> None:
    made = small(rank=999, rows=1.0, maps=maps, **options)
    # single precision: roundings of sums of at most 72 numbers, through three layers and a change of basis each
    torch.testing.assert_close(logits(made.network), logits(trained()), rtol=1e-3, atol=1e-4)
    assert made.agreement == 1.0
    assert [row.rank for row in made.layers] == [row.features for row in made.layers]


def test_the_parts_of_the_cost_are_those_of_the_parts_of_the_network() -> None:
    made = small(layer=1, rank=6, epochs=1)
    assert made.layer == "3"
    assert made.pre.parameters == sum(value.numel() for value in net()[:4].parameters())
    assert made.overall == made.pre + made.head == cost(made.network, (2, 6, 6))
    assert made.original == cost(net(), (2, 6, 6)) == made.replaced + made.pre
    new = [value for name, value in made.network.named_parameters() if name.startswith("ron.")]
    assert made.head.parameters == sum(value.numel() for value in new)
    whole = small(rank=6)
    assert whole.layer is None
    assert whole.pre.parameters == 0
    assert whole.overall == whole.head


def test_layers_keep_the_names_of_what_they_stand_for_in_every_round() -> None:
    made = small(layer=1, rank=6, iterations=3)
    assert [row.layer for row in made.layers] == ["ron.layers.6", "ron.layers.10"]
    names = {name.split(".")[2] for name, _ in made.network.named_parameters() if name.startswith("ron.layers.")}
    assert names == {"6", "10"}
    points = Layers(capture(made.network, data()[0][0]), (2, 6, 6))
    assert [points.point(node).label for node in points.legal_cuts if "layers" in points.point(node).label][-1]
    again = ASNet(layer="ron.layers.6", rank=2, order=1, epochs=0).compress(made.network, data())
    assert again.layer == "ron.layers.6"


def test_a_kept_part_that_has_a_reduced_part_already_gets_another() -> None:
    once = small(layer=1, rank=12)
    twice = small(once.network, layer="ron.layers.6", rank=4)
    parts = {name.split(".")[0] for name, _ in twice.network.named_parameters()}
    assert parts == {"0", "1", "ron", "ron2"}
    assert twice.overall.parameters < once.overall.parameters
    assert logits(twice.network).shape == (320, 3)


@pytest.mark.parametrize("name", ["preactivation", "dense", "in_place", "normalised", "cnn4"])
def test_networks_of_many_kinds_become_smaller_and_train(name: str) -> None:
    one = architectures.build(name)
    batches = [(one.batch(size), torch.randint(3, (size,))) for size in (30, 31, 32)]
    made = small(one.network, batches, rank=3, epochs=1, iterations=2)
    assert made.overall.multiply_adds < made.original.multiply_adds
    with torch.no_grad():
        assert made.network(one.batch(5)).shape == one.network(one.batch(5)).shape


def test_rounds_are_told() -> None:
    made = small(layer=1, energy=0.9, epochs=2, iterations=2, batch_norm=True, dropout=0.1)
    first, last = made.rounds
    assert (first.round, last.round) == (1, 2)
    assert last.overall == made.overall
    assert last.ranks == tuple(row.rank for row in made.layers)
    assert last.agreement == made.agreement
    assert made.training is not None
    assert last.validation_accuracy == made.training.rows[-1].validation_accuracy == accuracy(made.network, data()[:3])
    assert first.validation_accuracy is not None
    assert made.fitted is not None
    assert cost(made.fitted, (2, 6, 6)) == made.overall
    assert first.row()["round"] == 1


def test_one_seed_is_one_result_and_another_is_another() -> None:
    one, same, other = (small(layer=1, rank=5, epochs=1, dropout=0.2, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(logits(one.network), logits(same.network))
    assert not torch.equal(logits(one.network), logits(other.network))


class Stopped(Exception):
    """What stands for the user's Ctrl-C."""


@cache
def in_two_rounds(tuning: TuningName) -> tuple[RON, RONetwork]:
    method = RON(layer=1, rank=5, epochs=2, iterations=2, batch_norm=True, dropout=0.2, tuning=tuning)
    return method, method.compress(graph(), Turned(data()), validation=data()[:3])


@pytest.mark.parametrize(("tuning", "kept"), [("distillation", 1), ("distillation", 2), ("thesis", 3), ("thesis", 4)])
def test_stopped_in_any_round_it_goes_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tuning: TuningName, kept: int
) -> None:
    method, expected = in_two_rounds(tuning)
    save, epoch, left, done = Checkpoint.save, Loop.epoch, [kept], []

    def stop(self: Checkpoint, *rest: Any) -> None:
        save(self, *rest)
        left[0] -= 1
        if not left[0]:
            raise Stopped

    def counted(self: Loop, *rest: Any) -> Any:
        done.append(1)
        return epoch(self, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoint, "save", stop)
        with pytest.raises(Stopped):
            method.compress(graph(), Turned(data()), validation=data()[:3], checkpoint=tmp_path)
    monkeypatch.setattr(Loop, "epoch", counted)
    found = method.compress(graph(), Turned(data()), validation=data()[:3], checkpoint=tmp_path)
    assert len(done) == 4 - kept, "no finished epoch is done again"
    one, other = expected.network.state_dict(), found.network.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert (found.rounds, found.layers) == (expected.rounds, expected.layers)


def test_the_thesis_training_follows_validation_accuracy() -> None:
    method = RON(layer=1, rank=5, tuning="thesis", epochs=1, learning_rate=0.02)
    with pytest.raises(InputError, match="tuning 'thesis' follows the validation accuracy: give validation batches"):
        method.compress(graph(), data())
    made = method.compress(graph(), data(), validation=data()[:3])
    assert made.training is not None
    assert [row.learning_rate for row in made.training.rows] == [0.02]
    untuned = RON(layer=1, rank=5, tuning="thesis", epochs=0).compress(graph(), data())
    assert untuned.training is None
    assert untuned.fitted is None


def test_a_new_batch_norm_changes_training_alone_and_a_dropout_too() -> None:
    plain = small(layer=1, rank=5)
    for more in ({"batch_norm": True}, {"dropout": 0.3}):
        made = small(layer=1, rank=5, **more)
        torch.testing.assert_close(logits(made.network), logits(plain.network), rtol=1e-4, atol=1e-4)
        x = data()[0][0]
        quiet = made.network(x)
        assert not torch.allclose(made.network.train()(x), quiet, atol=1e-2)


@pytest.mark.parametrize(("rows", "multiple"), [(1.0, 1), (1.5, 4), (2.0, 8)])
def test_widths_are_multiples_or_all_there_are(rows: float, multiple: int) -> None:
    made = small(rank=5, rows=rows, multiple=multiple)
    for row in made.layers:
        assert row.rows == min(row.features, math.ceil(5 * rows / multiple) * multiple)
        assert row.width == row.rows * (4 if row.layer == "3" else 1)


@pytest.mark.parametrize("selection", ["volume", "gappy-pod-e", "maxvol"])
def test_every_selection_works_and_tells_its_constant(selection: str) -> None:
    made = small(layer=1, rank=6, selection=selection)
    for row in made.layers:
        assert 1 <= row.constant <= row.constant_a_priori
        assert row.interpolation_error <= row.bound * (1 + 1e-6)


def test_ranks_follow_their_rule() -> None:
    assert [row.rank for row in small(factor=10).layers] == [6, 8, 2]
    energetic = small(energy=0.9)
    assert all(row.energy >= 0.9 for row in energetic.layers)
    by_default = small()
    assert [row.rank for row in by_default.layers] == [row.rank_energy for row in by_default.layers]
    inferred = small(vbmf=True)
    assert [row.rank for row in inferred.layers] == [max(1, row.rank_vbmf) for row in inferred.layers]


def test_more_energy_is_nearer_to_the_network() -> None:
    errors = [small(layer=1, energy=energy, maps="interpolated").layers for energy in (0.5, 0.9, 0.999)]
    for place in range(2):
        falling = [layers[place].projection_error for layers in errors]
        assert falling == sorted(falling, reverse=True)


def test_fitted_maps_are_nearer_to_the_network() -> None:
    expected = logits(trained())
    missed = [
        float((logits(small(layer=1, rank=5, maps=maps).network) - expected).square().mean())
        for maps in ("fitted", "interpolated")
    ]
    assert missed[0] < missed[1]


def test_a_projection_makes_a_wide_beginning_cheap() -> None:
    whole, projected = small(layer="3", rank=4), small(layer="3", rank=4, project=5)
    assert projected.head.multiply_adds < whole.head.multiply_adds
    assert projected.network.get_parameter("ron.projection.weight").shape == (5, 54)


def test_double_precision_stays() -> None:
    batches = [(x.double(), y) for x, y in data()]
    made = small(net().double(), batches, layer=1, rank=5, epochs=1, batch_norm=True)
    assert {value.dtype for value in made.network.parameters()} == {torch.float64}
    assert made.overall == cost(made.network, (2, 6, 6), torch.float64)
    assert made.overall.storage_bytes == 8 * made.overall.parameters


def test_a_network_in_training_mode_is_reduced_as_in_evaluation() -> None:
    network = capture(net(), data()[0][0])
    expected = small(network, layer=1, rank=5)
    found = small(network.train(), layer=1, rank=5)
    assert network.training
    assert torch.equal(logits(found.network), logits(expected.network))


def test_a_very_wide_layer_takes_no_square_matrix() -> None:
    """Such a matrix of 60,000 features would hold 14 GB."""
    torch.manual_seed(0)
    wide = nn.Sequential(nn.Linear(4, 60_000), nn.ReLU(), nn.Linear(60_000, 3)).eval()
    batches = [(torch.randn(40, 4), torch.randint(3, (40,)))]
    made = small(wide, batches, rank=4, sketch_size=8)
    assert made.overall.multiply_adds < 100


def test_rows_and_words_speak_of_the_reduction() -> None:
    made, tuned = small(layer=1, rank=4), small(rank=4, epochs=1)
    row = made.row()
    assert (row["layer"], row["reduced layers"], row["agreement"]) == ("3", 2, made.agreement)
    assert (made.manner, tuned.manner) == ("reduced after 3", "reduced as a whole")
    assert made.why == (
        "everything after 3 was replaced by 2 dense layers that keep 6, 6 features, and a linear output without any "
        "training; the rest is as it was"
    )
    assert tuned.why == (
        "the whole network was replaced by 3 dense layers that keep 6, 6, 6 features, and a linear output, then "
        "fine-tuned"
    )
    assert {"layer", "rank", "rows", "bound", "interpolation error"} <= made.layers[0].row().keys()


def pixels() -> Dataset:
    chance = np.random.default_rng(0)
    labels = np.arange(360) % 3
    images = chance.integers(0, 60, (3, 6, 6))[labels] + chance.integers(0, 196, (360, 6, 6))
    return assemble("pixels", Split(torch.from_numpy(images.astype(np.uint8))[:, None], torch.from_numpy(labels)))


@pytest.mark.parametrize("options", [{"layer": 1}, {"batch_norm": True, "dropout": 0.1, "iterations": 2}])
def test_a_run_folder_gives_the_network_back(tmp_path: Path, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    dataset = pixels()
    inner = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 9), nn.ReLU(), nn.Linear(9, 3))
    network = Normalised(inner, dataset.mean, dataset.std).eval()
    opened = Opened(
        network=network, origin=Origin(name="own", zoo_name=None, classes=3, shape=(1, 6, 6)), is_trained=True
    )
    run = run_compression(opened, dataset, RON(rank=4, epochs=1, **options), tmp_path, batch_size=32)
    x = torch.rand(5, 1, 6, 6)
    again = corank.load(tmp_path)
    with torch.no_grad():
        assert torch.equal(again(x), run.network(x))
    wanted = {"method": "RON", "rank": 4, **options}
    assert wanted.items() <= load_run(tmp_path).description["options"].items()
    reduced = RON(rank=3, epochs=0, layer=options.get("layer")).compress(
        again, [(x.repeat(6, 1, 1, 1), torch.arange(30) % 3)]
    )
    assert reduced.network(x).shape == (5, 3)


def test_samples_of_few_classes_are_said_to_be_so() -> None:
    ordered = sorted(zip(*(torch.cat(part) for part in zip(*data(), strict=True)), strict=True), key=lambda one: one[1])
    batches = [(torch.stack([x for x, _ in ordered]), torch.stack([y for _, y in ordered]))]
    made = RON(rank=4, samples=40, epochs=0).compress(trained(), batches)
    assert "classes missing among the samples: 2 (give them in random order, or more of them)" in made.message
    assert "classes" not in small(rank=4).message
