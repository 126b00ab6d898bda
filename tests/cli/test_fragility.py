"""`corank fragility`: what it prints and what it writes, for a network and data of the user's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from .user import Corank, strict_json

COMMAND = ("fragility", "--network", "learnt", "--data", "toy.npz", "--images", "25", "--steps", "5")


@pytest.fixture(autouse=True)
def _learnt(corank: Corank) -> None:
    """A network that tells the classes apart."""
    said = corank("train", "--network", "own_networks:tiny", "--data", "toy.npz", "--epochs", "30", "--out", "learnt")
    assert said.code == 0, said


def test_json_has_the_numbers_of_every_image(corank: Corank) -> None:
    said = corank(*COMMAND, "--json")
    assert said.code == 0, said
    found = strict_json(said.out)
    assert found["images"]
    for row in found["images"]:
        assert row.keys() >= {"cosine", "M", "Q", "L", "rho", "predicted", "found"}
    assert -1 <= found["rank_correlation"] <= 1
    assert found["better"] in ("predicted", "first order", "neither", None)
    other = corank(*COMMAND, "--json", "--seed", "1")
    assert strict_json(other.out)["images"] != found["images"]


def test_a_page_is_written_and_a_finished_diagnosis_told_again(corank: Corank, here: Path) -> None:
    first = corank(*COMMAND, "--out", "out")
    assert first.code == 0, first
    assert "The page: out/index.html" in first.out
    assert "rank correlation" in first.out
    assert (here / "out" / "fragility.json").is_file()
    again = corank(*COMMAND, "--out", "out")
    assert (again.code, again.out) == (0, first.out)
    assert "nothing to do" in again.err


def test_a_network_that_tells_nothing_apart_is_no_case(corank: Corank) -> None:
    said = corank("fragility", "--network", "trained", "--data", "toy.npz", "--images", "25", "--steps", "5")
    assert said.code == 2
    assert "train the network first" in said.err
    assert "Traceback" not in said.err
