"""A transfer matrix holds what each vector in its folder does to each network."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from corank.attack.recursive_subspace import RecursiveSubspace
from corank.errors import InputError
from corank.experiment import Opened
from corank.experiment.attack_setting import Setting, scene_of
from corank.experiment.attack_transfer import run_transfer
from corank.network import Normalised
from corank.zoo import Dataset

Make = Callable[..., Opened]
ATTACK = RecursiveSubspace(radius=2.0, steps=5)


def test_the_shares_are_those_of_the_vectors_in_the_folder(make_opened: Make, pixels: Dataset, tmp_path: Path) -> None:
    networks = {"runs/a": make_opened("tiny"), "runs/b": make_opened("residual")}
    setting = Setting(space="normalised")
    result = run_transfer(networks, pixels, ATTACK, tmp_path, setting=setting, images=60, heldout=50, seed=2)
    assert json.loads((tmp_path / "transfer.json").read_text()) == result
    vectors = load_file(tmp_path / "vectors.safetensors")
    inputs, labels = scene_of(networks["runs/a"], pixels, setting, images=60, heldout=50, seed=2).heldout
    assert [(row["attacked"], row["source"]) for row in result["matrix"]] == [
        (attacked, source) for attacked in networks for source in networks
    ]
    for row in result["matrix"]:
        network = networks[row["attacked"]].network
        assert isinstance(network, Normalised)
        before, after = (network.network(x).argmax(1) for x in (inputs, inputs + vectors[row["source"]]))
        assert row["fooling_ratio"] == pytest.approx(float((before != after).double().mean()))
        assert row["error_rate"] == pytest.approx(float((labels != after).double().mean()))
    own = {row["source"]: row["fooling_ratio"] for row in result["matrix"] if row["source"] == row["attacked"]}
    assert {one["network"]: one["fooling_ratio"]["heldout"] for one in result["found"]} == own
    page = (tmp_path / "index.html").read_text()
    assert all(name in page for name in networks)


def test_what_cannot_be_compared_is_refused(make_opened: Make, pixels: Dataset) -> None:
    one, other = make_opened("tiny"), make_opened("residual")
    with pytest.raises(InputError, match="at least two networks, got 1: a"):
        run_transfer({"a": one}, pixels, ATTACK, setting=Setting())
    assert isinstance(other.network, Normalised)
    shifted = Normalised(other.network.network, [0.0], [1.0]).eval()
    networks = {"a": one, "b": replace(other, network=shifted)}
    with pytest.raises(InputError, match="normalised alike, 'b' is not"):
        run_transfer(networks, pixels, ATTACK, setting=Setting(space="normalised"))
    assert len(run_transfer(networks, pixels, ATTACK, setting=Setting(), images=20, heldout=20)["matrix"]) == 4
