"""Spectra of the weight matrices: effective rank and sparsity, stable rank, spectral norm.

Langenberg et al. 2019, On the Effect of Low-Rank Weights on Adversarial Robustness of Neural Networks, sec. 2 and
app. B. A convolution is the matrix (out channels, in channels / groups x kernel height x kernel width).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import nn

from corank.errors import InputError
from corank.linalg import matrix_norms
from corank.measure.base import Batches, Measure, Measurement, first_batch
from corank.measure.observing import Skip
from corank.network import Weighted, select, weighted_layers
from corank.result import Result, Scalar


@dataclass(frozen=True, kw_only=True)
class WeightLayer(Result):
    """The spectrum of one weight matrix.

    Attributes:
        layer: its module.
        kind: of the layer, for example "convolution".
        index: its number among the convolutions, None for another kind.
        rows, columns: of the matrix.
        parameters: of the layer, bias and all.
        effective_rank: `|W|_* / |W|_F`, between 1 and the square root of the rank.
        effective_sparsity: `|W|_1 / |W|_F`, entrywise.
        stable_rank: `|W|_F^2 / |W|_2^2`.
        spectral_norm: the largest singular value.
        singular_values: all of them, descending.
    """

    layer: str
    kind: str
    index: int | None
    rows: int
    columns: int
    parameters: int
    effective_rank: float
    effective_sparsity: float
    stable_rank: float
    spectral_norm: float
    singular_values: tuple[float, ...]

    def row(self) -> dict[str, Scalar]:
        """Layer, shape and the four numbers."""
        return {
            "layer": self.layer, "rows": self.rows, "columns": self.columns, "effective rank": self.effective_rank,
            "effective sparsity": self.effective_sparsity, "stable rank": self.stable_rank,
            "spectral norm": self.spectral_norm,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class WeightSpectra(Measurement):
    """The spectra of all weight matrices; `parameters` are those of the whole network."""

    layers: tuple[WeightLayer, ...]
    parameters: int
    skipped: tuple[Skip, ...] = ()

    def row(self) -> dict[str, Scalar]:
        """How many matrices and parameters."""
        return {"matrices": len(self.layers), "parameters": self.parameters}


@final
@dataclass(frozen=True, kw_only=True)
class WeightSpectrum(Measure):
    """The spectra of all weight matrices of a network, tied ones once; no data go through it.

    Embeddings, recurrent and attention matrices count as well.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 3))
        >>> _ = net[0].weight.data.copy_(torch.diag(torch.tensor([3.0, 4.0])))
        >>> found = WeightSpectrum().measure(net, [(torch.zeros(1, 2), torch.tensor([0]))]).layers[0]
        >>> found.layer, found.singular_values, found.effective_rank, found.stable_rank
        ('0', (4.0, 3.0), 1.4, 1.5625)
    """

    def measure(self, network: nn.Module, batches: Batches) -> WeightSpectra:
        """Measure all weight matrices; see `Measure.measure`.

        Raises:
            InputError: there is no weight matrix that can be measured.
        """
        result = super().measure(network, batches)
        assert isinstance(result, WeightSpectra)
        return result

    def _measure(self, network: nn.Module, batches: Batches) -> WeightSpectra:
        example, _ = first_batch(batches)
        found, skipped = [], []
        for weighted in weighted_layers(network, select(example, slice(2))):
            try:
                found.append(_spectrum(weighted))
            except InputError as reason:
                skipped.append(Skip(layer=weighted.name, measure="weight-spectrum", reason=str(reason)))
        if not found:
            raise InputError(skipped[0].reason if skipped else "the network has no weight matrix")
        parameters = sum(parameter.numel() for parameter in network.parameters())
        return WeightSpectra(layers=tuple(found), parameters=parameters, skipped=tuple(skipped))


def _spectrum(weighted: Weighted) -> WeightLayer:
    matrix = weighted.matrix
    norms = matrix_norms(matrix)
    return WeightLayer(
        layer=weighted.name,
        kind=weighted.kind,
        index=weighted.index,
        rows=matrix.shape[0],
        columns=matrix.shape[1],
        parameters=weighted.parameters,
        effective_rank=norms.effective_rank,
        effective_sparsity=norms.effective_sparsity,
        stable_rank=norms.stable_rank,
        spectral_norm=norms.spectral,
        singular_values=tuple(norms.singular_values.tolist()),
    )
