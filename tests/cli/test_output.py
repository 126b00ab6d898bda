"""What commands print: nothing but JSON or a plain table, and the published costs to the last digit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.contracts.methods import MEASURES

from .user import (
    COMPRESS,
    COST,
    EVALUATE,
    MEASURE,
    STUDY,
    TRAIN,
    TRANSFER,
    UNIVERSAL,
    Corank,
    assert_refused,
    strict_json,
    words,
)

LINES = [TRAIN, COMPRESS, STUDY, MEASURE, COST, UNIVERSAL, EVALUATE, TRANSFER]


@pytest.mark.parametrize("line", LINES, ids=lambda line: " ".join(line[:2]))
def test_standard_output_is_nothing_but_json(corank: Corank, line: tuple[str, ...]) -> None:
    said = corank(*line, "--json")
    assert said.code == 0
    assert isinstance(strict_json(said.out), dict)
    assert "\x1b" not in said.err
    stored = {
        "train": "metrics.json", "compress": "metrics.json", "study": "study.json",
        UNIVERSAL[1]: "universal.json", EVALUATE[1]: "evaluation.json", TRANSFER[1]: "transfer.json",
    }.get(line[1] if line[0] == "attack" else line[0])  # fmt: skip
    if stored:
        assert strict_json(said.out) == strict_json(Path("new", stored).read_text())
        assert strict_json(corank(*line, "--json").out) == strict_json(said.out)


@pytest.mark.parametrize("line", LINES, ids=lambda line: " ".join(line[:2]))
def test_a_pipe_gets_plain_text_and_no_progress_bar(corank: Corank, line: tuple[str, ...]) -> None:
    said = corank(*line)
    assert said.code == 0
    assert said.out.strip()
    assert "\x1b" not in said.out + said.err
    stages = [f"corank: {stage}" for stage in ("accuracy of", "measuring", "forecasting", "cut at")]
    assert all(any(text.startswith(stage) for stage in stages) for text in said.err.splitlines())


def test_a_table_in_a_pipe_has_a_line_a_row(corank: Corank) -> None:
    said = corank("measure", "--network", "trained", "--data", "toy.npz", "--rank", "2")
    head, _, *rows, _ = said.out.splitlines()
    columns = [column.strip() for column in head.strip().split("  ") if column]
    assert columns[-6:] == ["active neurons", "by norm", "captured", "held out", "principal", "linear"]
    assert [row.split()[0] for row in rows] == ["2", "4"]


@pytest.mark.parametrize("measure", [name for name in MEASURES if name != "survey"])
def test_every_measure_is_a_command(corank: Corank, measure: str) -> None:
    line = ("measure", measure, "--network", "trained", "--data", "toy.npz")
    found = strict_json(corank(*line, "--json").out)
    assert (found["network"], found["data"]) == ("own_networks:tiny", "toy")
    layers = [row["layer"] for row in found["layers"]]
    assert layers in (["2", "4"], ["1", "3", "5"]), "points or weight matrices"
    said = corank(*line)
    assert (said.code, said.err) == (0, "")
    _, _, *rows, caption = said.out.splitlines()
    assert [row.split()[0] for row in rows] == layers
    assert caption.strip().endswith(".")


def test_a_survey_is_all_measures_at_once(corank: Corank) -> None:
    line = ("--network", "trained", "--data", "toy.npz", "--json")
    whole = strict_json(corank("measure", *line).out)
    parts = {name: strict_json(corank("measure", name, *line).out) for name in MEASURES if name != "survey"}
    assert whole["weights"]["layers"] == parts["weight-spectrum"]["layers"]
    assert whole["cushions"]["layers"] == parts["layer-cushion"]["layers"]
    assert [row["information"] for row in whole["layers"]] == parts["mutual-information"]["layers"]
    for row, part in zip(whole["layers"], parts["active-subspace"]["layers"], strict=True):
        assert row.items() >= part.items()


def test_what_was_not_measured_is_said_beside_the_table(corank: Corank) -> None:
    line = ("measure", "--network", "trained", "--data", "toy.npz", "--samples", "4", "--batch-size", "5")
    said = corank(*line)
    assert said.code == 0
    assert said.out.splitlines()[-1].startswith("Hidden layers, measured on 4 samples")
    (told,) = said.err.splitlines()
    assert told.startswith("corank: not measured: all layers: feature probe: 5 folds need two classes")
    quiet = corank(*line, "--json")
    assert quiet.err == ""
    (skip,) = strict_json(quiet.out)["skipped"]
    assert (skip["layer"], skip["measure"]) == ("all layers", "feature-probe")
    assert skip["reason"] in told


def test_what_is_no_number_becomes_null(corank: Corank) -> None:
    line = "measure --network trained --data toy.npz --rank 1 --samples 1 --batch-size 1 --json"
    said = corank(*words(line))
    rows = strict_json(said.out)["layers"]
    assert [row["layer"] for row in rows] == ["2", "4"]
    assert all(row["captured_heldout"] is None for row in rows)


def test_measure_has_a_row_a_layer(corank: Corank) -> None:
    found = strict_json(corank("measure", "--network", "trained", "--data", "toy.npz", "--rank", "4", "--json").out)
    assert [(row["layer"], row["width"]) for row in found["layers"]] == [("2", 12), ("4", 8)]
    for row in found["layers"]:
        assert {*row["active_neurons"]} == {"energy", "norm"}
        assert all({*interval} == {"low", "high"} for interval in row["active_neurons"].values())
        assert row["eigenvalues"] == sorted(row["eigenvalues"], reverse=True)
        assert 1 <= len(row["eigenvalues"]) <= 4
        assert 0 < row["captured_heldout"] <= 1 + 1e-6


@pytest.mark.parametrize(
    ("layers", "labels"),
    [(["2"], ["2"]), (["[24]"], ["2", "4"]), (["4", "1"], ["4", "1"]), (["*"], ["2", "4"])],
    ids=str,
)
def test_layers_are_named_by_name_glob_or_several(corank: Corank, layers: list[str], labels: list[str]) -> None:
    words = [word for layer in layers for word in ("--layer", layer)]
    said = corank("measure", "--network", "trained", "--data", "toy.npz", "--rank", "2", "--json", *words)
    assert sorted(row["layer"] for row in strict_json(said.out)["layers"]) == sorted(labels)


def test_a_number_counts_convolutions_where_there_are_any(corank: Corank) -> None:
    assert corank(*TRAIN).code == 0
    said = corank("measure", "--network", "new", "--data", "toy.npz", "--rank", "2", "--layer", "1", "--json")
    (row,) = strict_json(said.out)["layers"]
    assert (row["index"], row["width"]) == (1, 4 * 36)


def test_the_seed_is_one_for_the_command_and_its_method(corank: Corank) -> None:
    for line, path in ((COMPRESS, ("options", "seed")), (STUDY, ("options", "study", "seed"))):
        assert corank(*line, "--seed", "7").code == 0
        found: Any = json.loads(Path("new", "study.json" if line is STUDY else "description.json").read_text())
        for name in path:
            found = found[name]
        assert found == 7
        shutil.rmtree("new")


def test_a_cut_network_is_a_network_for_every_command(corank: Corank) -> None:
    assert corank(*TRAIN).code == 0
    once = "compress asnet --network new --data toy.npz --layer second --rank 2 --epochs 1 --samples 60 --out once"
    refused = corank(*once.split())
    assert_refused(refused, "second")
    legal = once.replace("--layer second", "--layer 3")
    assert corank(*legal.split()).code == 0
    again = legal.replace("--network new", "--network once").replace("--out once", "--out twice")
    again = again.replace("--layer 3", "--layer 1")
    assert corank(*again.split()).code == 0
    study = "study --rank 2 --samples 60 --epochs 0 --attack-images 0 --out studied"
    for command in ("measure --rank 2", "cost --no-latency", study):
        data = "" if command.startswith("cost") else " --data toy.npz"
        assert corank(*words(f"{command} --network twice{data}")).code == 0
    once_cut, twice_cut = (
        json.loads(Path(name, "metrics.json").read_text())["compressed"] for name in ("once", "twice")
    )
    assert twice_cut["original"] == once_cut["overall"]


def test_vectors_are_data_as_images_are(corank: Corank) -> None:
    with np.load("toy.npz") as images:
        np.savez("table.npz", x=images["x"].reshape(240, 36).astype(np.float32), y=images["y"])
    said = corank(*words("study --network own_networks:tiny --data table.npz --train-epochs 2 --epochs 1 --out new"))
    assert said.code == 0, said.err
    assert len(strict_json(Path("new/study.json").read_text())["measured"]["layers"]) == 2


def test_what_quick_leaves_out_can_still_be_asked_for(corank: Corank) -> None:
    assert corank(*STUDY, "--quick").code == 0
    assert strict_json(Path("new/study.json").read_text())["options"]["study"]["samples"] == 60


def test_only_training_takes_a_network_without_weights(corank: Corank) -> None:
    for command in ("measure", "compress asnet --layer 2 --rank 2 --out new"):
        line = f"{command} --network own_networks:tiny --data toy.npz".split()
        assert_refused(corank(*line), "'own_networks:tiny' has no trained weights")
        assert corank(*line, "--random-weights").code == 0
    assert corank("cost", "--network", "own_networks:tiny", "--input-shape", "1,6,6", "--no-latency").code == 0


def test_a_network_whose_graph_cannot_be_had_is_refused_before_the_work(corank: Corank) -> None:
    line = "measure --network own_networks:Looks --data toy.npz --random-weights --layer hidden --rank 2"
    measured = corank(*words(line))
    assert (measured.code, measured.err) == (0, "")
    for command in ("train --out new", "study --out new", "compress asnet --random-weights --layer 2 --out new"):
        said = corank(*f"{command} --network own_networks:Looks --data toy.npz".split())
        assert_refused(said, "cannot be captured")


# Published costs, to the printed digit (Cui et al. 2020, Active Subspace of Neural Networks, Tables 2 and 4); those of
# the other cuts are asked of `forecast` itself, by its own tests

PUBLISHED = [
    ("vgg19", 5, ("76.45", "398.14"), ("2.12", "115.02"), ("3.18", "0.83")),
    ("resnet110", 61, ("6.59", "252.89"), ("1.15", "140.82"), ("1.61", "0.42")),
]


@pytest.mark.parametrize(("network", "layer", "whole", "pre", "head"), PUBLISHED)
def test_costs_are_the_published_ones(
    corank: Corank, network: str, layer: int, whole: tuple[str, str], pre: tuple[str, str], head: tuple[str, str]
) -> None:
    line = f"cost --network {network} --layer {layer} --rank 50 --order 2 --no-latency --json"
    found = strict_json(corank(*line.split()).out)
    for part, printed in (("network", whole), ("pre", pre), ("head", head)):
        row = found[part]
        assert (f"{row['storage_mb']:.2f}", f"{row['multiply_adds_millions']:.2f}") == printed
        assert row["storage_mb"] == row["parameters"] * 4 / 2**20
    for name in ("parameters", "storage_mb", "multiply_adds_millions"):
        assert found["overall"][name] == pytest.approx(found["pre"][name] + found["head"][name], rel=1e-12)


def test_latency_is_measured_unless_it_is_not_wanted(corank: Corank) -> None:
    line = ("cost", "--network", "trained", "--layer", "2", "--rank", "2", "--json")
    found = strict_json(corank(*line).out)
    for part in ("network", "overall"):
        assert [row["batch"] for row in found[part]["latency"]] == [1, 64]
        assert all(row["median_ms"] > 0 for row in found[part]["latency"])
    assert '"latency"' not in corank(*line, "--no-latency").out
