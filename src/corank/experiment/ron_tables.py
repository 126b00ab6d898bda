"""What is known of a reduced-order network's layers as tables: sizes and ranks, errors and bounds, rounds.

Daulbaev, "Applications of Differential Equations and Reduced-Order Modeling for Deep Learning", chapter 5.
"""

from __future__ import annotations

from corank.compress import RONetwork
from corank.report import Column, Missing, Table
from corank.report.format import compact, percent

SIZES = "Sizes of the reduced layers."
MORE_NEEDED = Missing("more directions are needed than are known: give a larger sketch_size")


def whole_percent(share: float) -> str:
    """A share that may be many times the whole, as a percentage without decimals."""
    return percent(share, 0)


def sizes_table(small: RONetwork) -> Table:
    """A row a layer: its features, the directions that were kept of them, and the width of the reduced layer."""
    columns = [
        Column("layer"),
        Column("features", note="of the layer, after its activation and max-pooling"),
        Column("directions", note="that are kept of them: the rank"),
        Column("kept features", note="the width of the reduced layer"),
        Column("energy", note="share of the mean square that the directions hold", show=percent),
    ]
    rows = [(layer.layer, layer.features, layer.rank, layer.rows, layer.energy) for layer in small.layers]
    if all(layer.width == layer.rows for layer in small.layers):
        return Table(tuple(columns), tuple(rows), SIZES)
    computed = Column("computed", note="rows of the linear map: more than are kept where a max-pooling takes several")
    wide = tuple((*row, layer.width) for row, layer in zip(rows, small.layers, strict=True))
    return Table((*columns, computed), wide, SIZES)


def ranks_table(small: RONetwork) -> Table:
    """A row a layer: its rank, and those that other rules would give."""
    columns = (
        Column("layer"),
        Column("directions", note="the rank that was kept"),
        Column("for 99 %", note="the rank that holds 99 % of the mean square"),
        Column("VBMF", note="the rank by analytic variational Bayes"),
        Column("threshold", note="singular values above the optimal hard threshold of Gavish and Donoho"),
        Column("noise floor", note="whether the spectrum ends in one, which VBMF and threshold take for granted"),
    )
    rows = tuple(
        (
            layer.layer, layer.rank, MORE_NEEDED if layer.rank_energy is None else layer.rank_energy, layer.rank_vbmf,
            layer.rank_gavish_donoho, layer.has_noise_floor,
        )
        for layer in small.layers
    )  # fmt: skip
    return Table(columns, rows, "Ranks by other rules.")


def errors_table(small: RONetwork) -> Table:
    """A row a layer: the constant, the three errors and both bounds."""
    columns = (
        Column("layer"),
        Column("directions alone", note="relative error of the projection: the least possible", show=percent),
        Column("constant", note="of the kept features: 1 over the least singular value of their rows of the basis"),
        Column("bound", note="the constant times the error of the directions alone", show=percent),
        Column("kept features", note="relative error of all features from the true kept ones", show=percent),
        Column("reduced network", note="the same from the kept ones as it computes them, untrained", show=percent),
        Column("a-priori bound", note="with the constant that any features of maximum volume keep", show=whole_percent),
    )
    rows = tuple(
        (
            layer.layer, layer.projection_error, layer.constant, layer.bound, layer.interpolation_error,
            layer.propagated_error, layer.bound_a_priori,
        )
        for layer in small.layers
    )  # fmt: skip
    caption = f"Relative errors (root mean squares) on {small.samples_heldout:,} held-out samples, and their bounds."
    return Table(columns, rows, caption)


def rounds_table(small: RONetwork) -> Table:
    """A row a round of reducing and fine-tuning."""
    columns = (
        Column("round"),
        Column("parameters"),
        Column("multiply-adds", note="of one sample", show=compact),
        Column("directions", note="of the layers"),
        Column("agreement", note="share of held-out samples in the class of the network before", show=percent),
        Column("validation accuracy", note="after the fine-tuning of the round", show=percent),
    )
    rows = tuple(
        (
            row.round, row.overall.parameters, row.overall.multiply_adds, row.ranks, row.agreement,
            Missing("there was no fine-tuning") if row.validation_accuracy is None else row.validation_accuracy,
        )
        for row in small.rounds
    )  # fmt: skip
    return Table(columns, rows, "Rounds of reducing and fine-tuning.")
