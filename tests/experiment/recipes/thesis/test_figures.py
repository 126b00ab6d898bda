"""Counts of singular values hold the true ones, narrowing agrees with arithmetic, and claims can fail."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell
from corank.experiment.recipes.thesis import figure5_1, figure5_2
from corank.experiment.store import Store
from corank.measure import ActivationLayer, ActivationSpectrum


@pytest.fixture(scope="module")
def measured() -> ActivationLayer:
    network = nn.Sequential(nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 2))
    generator = torch.Generator().manual_seed(0)
    data = [(torch.randn(50, 40, generator=generator), torch.zeros(50, dtype=torch.long)) for _ in range(10)]
    (layer,) = ActivationSpectrum(layer="1", rank=20).measure(network, data).layers
    return layer


@pytest.mark.parametrize(("kept", "uncertainty"), [(20, 0.0), (20, 0.004), (20, 0.3), (5, 0.004)])
def test_the_count_holds_every_spectrum_that_the_sketch_allows(
    measured: ActivationLayer, kept: int, uncertainty: float
) -> None:
    values = 0.8 ** torch.arange(40, dtype=torch.float64)
    known = tuple(values[:kept].tolist())
    found = figure5_1.described(replace(measured, singular_values=known, uncertainty=uncertainty, width=40, samples=99))
    shares = torch.rand(100, 40, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    only_first = torch.eye(40, dtype=torch.float64)[:1]
    for share in torch.cat([shares, only_first, 1 - only_first]):
        possible = (values.square() + uncertainty * share).sqrt()
        count = int((possible >= figure5_1.LARGE * possible.max()).sum())
        assert found["large_low"] <= count <= found["large_high"]
    assert found["large"] == (found["large_low"] + found["large_high"]) / 2
    if not uncertainty:
        assert found["large_low"] == found["large_high"] == 11  # 0.8^10 is the last above a tenth
    assert (found["singular_values"], found["relative_singular_values"][0]) == (40, 1)


def test_claims_of_figure_5_1_can_fail() -> None:
    small, decay = figure5_1.TABLE.claims
    rows = [
        {"network": network, "layer": n, "singular_values": 100, "large": 60 - n, "large_high": 40}
        for network, layers in (("vgg19", figure5_1.VGG19), ("resnet56", figure5_1.RESNET56))
        for n in layers
    ]
    assert (small.holds(rows), small.holds([]), small.holds([{**rows[0], "large_high": 50}])) == (True, None, False)
    assert (decay.holds(rows), decay.holds(rows[1:16]), decay.holds(rows[:16])) == (True, None, True)
    assert decay.holds([{**row, "large": row["layer"]} for row in rows]) is False
    assert decay.holds([{**row, "large": row["layer"]} if row["network"] == "vgg19" else row for row in rows]) is False


def narrowed(options: figure5_2.Narrowing, folder: Path) -> list[dict[str, Any]]:
    bench = Bench(Store(folder))
    cells = [
        Cell(recipe="thesis/test", preset="smoke", axes={"network": options.network, "reductions": place},
             options=options, stands_in=True, seed=0)
        for place in range(options.reductions + 1)
    ]  # fmt: skip
    return [dict(figure5_2.run_cell(cell, bench)) for cell in cells]


def test_every_reduction_leaves_its_share_of_the_width(tmp_path: Path) -> None:
    options = figure5_2.Narrowing(network="lenet_300_100", data="digits", share=0.5, reductions=3, epochs=1)
    rows = narrowed(options, tmp_path)

    def multiply_adds(first: int, second: int) -> int:
        return 64 * first + first * second + second * 10

    widths = [(300, 100), (150, 50), (75, 25), (38, 13)]
    for row, width in zip(rows, widths, strict=True):
        assert row["multiply_adds_ratio"] == pytest.approx(multiply_adds(300, 100) / multiply_adds(*width))
    assert rows[0]["top1_before"] is None
    assert rows[-1]["top1_after"] is rows[-1]["drop_after"] is None
    for row, after in pairwise(rows):
        assert row["drop_after"] == pytest.approx(rows[0]["top1_after"] - row["top1_after"])
        assert after["top1_before"] > 10, "what was learnt is not lost"
    assert len(list(tmp_path.rglob("*.json"))) == 1, "the cells are one training"


def test_the_claim_of_figure_5_2_is_about_more_than_eight_times_at_no_drop() -> None:
    (claim,) = figure5_2.TABLE.claims
    rows = [
        {"network": "lenet_500_300", "reductions": place, "multiply_adds_ratio": 1.5**place, "drop_after": 0.09 * place}
        for place in range(15)
    ]
    last = {"network": "lenet_500_300", "reductions": 15, "multiply_adds_ratio": 437.0, "drop_after": None}
    assert claim.holds([*rows, last]) is False  # 7.6 times at 0.45 points, 11.4 times at 0.54
    assert claim.holds([{**row, "drop_after": 0.0} for row in rows]) is True
    assert claim.holds(rows[:9]) is None
    assert claim.holds([{**row, "drop_after": 0.0, "network": "lenet_300_100"} for row in rows]) is None
