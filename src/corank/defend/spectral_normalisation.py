"""Weights divided by their largest singular value, which a power iteration follows (Miyato et al. 2018).

A baseline of Sanyal et al. 2020, Robustness via Deep Low-Rank Representations, Table 2. It is torch's own
parametrisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from corank.defend.parametrised import Parametrised
from corank.measure import Batches


@final
@dataclass(frozen=True, kw_only=True)
class SpectralNormalisation(Parametrised):
    """See the module.

    Args:
        layer: names or globs of the layers whose weights are divided.

    Raises:
        InputError: no layer; when applied, a name that no layer with weights has.

    Example:
        >>> import torch
        >>> from corank.defend import Course
        >>> _ = torch.manual_seed(0)
        >>> network = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
        >>> x = torch.randn(64, 4)
        >>> batches = [(x, (x[:, 0] > 0).long())] * 20
        >>> found = SpectralNormalisation().defend(network, batches, Course(epochs=2)).network
        >>> round(float(torch.linalg.matrix_norm(found[0].weight.detach(), 2)), 2)
        1.0
    """

    def _map(self, network: nn.Module, chosen: dict[str, nn.Module], batches: Batches) -> None:
        for module in chosen.values():
            spectral_norm(module)
