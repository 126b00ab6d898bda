"""Daulbaev 2023, Table 5.1: how many layers at the end of VGG-19 a reduced-order network can stand for, on CIFAR-10.

Ranks are those of analytic variational Bayes. The same is done to a network that was pruned first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Table
from corank.experiment.recipes.thesis.reducing import (
    DROP_AFTER,
    DROP_BEFORE,
    PRESETS,
    RATIO,
    TOP1_AFTER,
    TOP1_BEFORE,
    Reducing,
    reaches,
    reduced_row,
)

TABLE = Table(
    title="Accuracy and multiply-adds, VGG-19 on CIFAR-10 reduced from several layers on",
    axes=("network", "from_layer"),
    columns=(TOP1_BEFORE, TOP1_AFTER, RATIO, DROP_BEFORE, DROP_AFTER),
    presets=PRESETS,
    claims=(
        Claim(
            quote="RON can achieve $1.53 \\times$ FLOP reduction with 0.09% accuracy increase "
            "without any additional fine-tuning",
            holds=reaches("RON", 10, "before", 1.53, 0.09),
            is_main=True,
        ),
        Claim(
            quote="we can achieve 2.3× FLOP reduction with 0.28% accuracy increase",
            holds=reaches("RON", 7, "after", 2.3, 0.28),
        ),
        Claim(
            quote="RON provides $4.48 \\times$ FLOP reduction with 0.27% accuracy increase "
            "comparing to the initial VGG-19",
            holds=reaches("pruned+RON", 7, "after", 4.48, 0.27),
        ),
    ),
)


def run_cell(cell: Cell[Reducing], bench: Bench) -> Mapping[str, Any]:
    """The teacher, the pruned network, or either reduced from a layer on."""
    return reduced_row(cell, bench)
