"""`corank theory`: what it prints and what it writes."""

from __future__ import annotations

from pathlib import Path

from .user import Corank, strict_json

SMALL = ("theory", "--runs", "4", "--width", "100", "--learning-rate", "0.01")


def test_one_dimension_as_json(corank: Corank) -> None:
    said = corank(*SMALL, "--dimension", "5", "--seed", "0", "--json")
    assert said.code == 0, said
    found = strict_json(said.out)
    assert found["dimension"] == 5
    assert found["runs_valid"] + found["runs_excluded"] == found["runs"] == 4
    for name in ("mean_abs_cos_theta_1", "mean_phi", "mean_gap"):
        assert 0 <= found[name] <= 1
        assert 0 <= found["unfiltered"][name] <= 1
    assert corank(*SMALL, "--dimension", "5", "--seed", "0", "--json").out == said.out
    assert corank(*SMALL, "--dimension", "5", "--seed", "1", "--json").out != said.out


def test_several_dimensions_make_a_page(corank: Corank, here: Path) -> None:
    said = corank(*SMALL, "--dimension", "4", "--dimension", "5", "--out", "out")
    assert said.code == 0, said
    assert "The page: out/index.html" in said.out
    assert (here / "out" / "figures" / "predicted-compression.svg").is_file()
    assert corank(*SMALL, "--dimension", "4", "--out", "out").code == 2
    assert corank(*SMALL, "--dimension", "4", "--out", "out", "--overwrite").code == 0
