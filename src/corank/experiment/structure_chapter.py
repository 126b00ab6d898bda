"""How low in rank and how sparse a network's layers are, weights and representations side by side.

The numbers that the defences by low rank and sparsity aim at: Langenberg et al. 2019, On the Effect of Low-Rank Weights
on Adversarial Robustness of Neural Networks; Sanyal et al. 2020, Robustness via Deep Low-Rank Representations.
"""

from __future__ import annotations

from corank.measure import ActivationLayer, Surveyed, WeightLayer
from corank.report import Column, Missing, Section, Table
from corank.report.format import number, percent

NOT_MEASURED = Missing("not measured")
NOT_HIDDEN = Missing("no hidden layer with one row of activations belongs to it")
_TEXT = (
    "Defences that shape a network aim at these numbers: weights of few directions and few entries, and "
    "representations that lie near a plane. A layer cushion close to one means that the layer hands on what the data "
    "hold and not noise. Low numbers alone make nothing robust: corank defend trains for them, and corank attack "
    "evaluate tells what the network withstands."
)


def structure_chapter(measured: Surveyed) -> tuple[Section, ...]:
    """The chapter, where the weights were measured.

    Args:
        measured: of a network.
    """
    if measured.weights is None:
        return ()
    text = (_lowest(measured.weights.layers), _TEXT)
    return (Section("How low-rank and sparse its layers are", text=text, tables=(structure_table(measured),)),)


def structure_table(measured: Surveyed) -> Table:
    """A row a weight matrix: its ranks and sparsity as shares of the largest possible, its cushion, its activations."""
    assert measured.weights is not None
    cushions = {} if measured.cushions is None else {row.layer: row.cushion for row in measured.cushions.layers}
    ratios = _first_directions(measured)
    rows = []
    for layer in measured.weights.layers:
        rank, entries = min(layer.rows, layer.columns), layer.rows * layer.columns
        rows.append((
            layer.layer, layer.effective_rank, layer.effective_rank / rank**0.5, layer.effective_sparsity,
            layer.effective_sparsity / entries**0.5, layer.stable_rank, cushions.get(layer.layer, NOT_MEASURED),
            ratios.get(layer.layer, NOT_HIDDEN),
        ))  # fmt: skip
    columns = (
        Column("layer"),
        Column("effective rank", note="nuclear over Frobenius norm"),
        Column("of the most", note="over the square root of the full rank", show=percent),
        Column("effective sparsity", note="sum of absolute entries over Frobenius norm"),
        Column("of the most ", note="over the square root of the number of entries", show=percent),
        Column("stable rank", note="squared Frobenius over squared spectral norm"),
        Column("cushion", note="least ratio of what the layer does to the data's norm and what it could do"),
        Column("first direction", note="share of its activations' energy that one direction carries", show=percent),
    )
    return Table(columns, tuple(rows), "Every weight matrix, and the activations that it leads to.")


def _first_directions(measured: Surveyed) -> dict[str, float]:
    """By the weight matrix: hidden layers come in the order of their matrices, the last of which gives the logits."""
    assert measured.weights is not None
    activations: tuple[ActivationLayer, ...] = () if measured.activations is None else measured.activations.layers
    *hidden, _ = [layer.layer for layer in measured.weights.layers]
    if len(hidden) != len(activations):
        return {}
    return {
        name: found.variance_ratios[0] for name, found in zip(hidden, activations, strict=True) if found.variance_ratios
    }


def _lowest(layers: tuple[WeightLayer, ...]) -> str:
    """Which weights use the smallest part of their rank, and which that of their entries."""
    rank = min(layers, key=lambda one: one.effective_rank / min(one.rows, one.columns) ** 0.5)
    sparse = min(layers, key=lambda one: one.effective_sparsity / (one.rows * one.columns) ** 0.5)
    most = min(rank.rows, rank.columns) ** 0.5
    return (
        f"The weights of {rank.layer} have the lowest rank for their shape, effectively {number(rank.effective_rank)} "
        f"of at most {number(most)}; those of {sparse.layer} are the sparsest, effectively "
        f"{number(sparse.effective_sparsity)} of at most {number((sparse.rows * sparse.columns) ** 0.5)}."
    )
