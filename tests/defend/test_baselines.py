"""The parametrised baselines: what they promise of the weights holds in the network that they return."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from corank.defend import SNIP, Course, SpectralNormalisation, StableRankNormalisation
from corank.errors import InputError
from corank.linalg import matrix_norms


def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(128, 20), nn.ReLU(), nn.Linear(20, 3)
        )


def batches(count: int = 30) -> list[tuple[Tensor, Tensor]]:
    chance = torch.Generator().manual_seed(0)
    x = torch.rand(16 * count, 1, 6, 6, generator=chance)
    return list(zip(x.split(16), (x[:, 0, 0, 0] * 3).long().split(16), strict=True))


def test_spectral_norms_are_one_and_stable_ranks_within_their_share() -> None:
    course = Course(epochs=3)
    normal = SpectralNormalisation(layer=("0", "3")).defend(network(), batches(), course).network
    for layer in (normal[0], normal[3]):
        assert abs(matrix_norms(layer.weight.flatten(1)).spectral - 1) < 0.05  # one power iteration a step follows it
    plain = matrix_norms(normal[5].weight)
    low = StableRankNormalisation(share=0.2).defend(network(), batches(), course).network
    for layer in (low[0], low[3], low[5]):
        found = matrix_norms(layer.weight.flatten(1))
        assert found.stable_rank <= 1.05 * max(1.0, 0.2 * min(layer.weight.flatten(1).shape))
        assert abs(found.spectral - 1) < 0.05
    assert plain.spectral != 1


def test_pruned_weights_are_those_felt_least_and_stay_zero() -> None:
    made, data = network(), batches()
    weights = {name: value for name, value in made.named_parameters() if value.ndim > 1}
    x, y = data[0]
    gradients = torch.autograd.grad(nn.functional.cross_entropy(made(x), y), list(weights.values()))
    felt = torch.cat([(w * g).abs().flatten() for w, g in zip(weights.values(), gradients, strict=True)])
    limit = felt.sort().values[round(0.7 * len(felt)) - 1]
    found = SNIP(sparsity=0.7).defend(made, data, Course(epochs=2)).network
    kept = torch.cat([value.flatten() for value in found.parameters() if value.ndim > 1]) != 0
    assert torch.equal(kept, felt > limit)


def test_a_wrong_layer_is_refused() -> None:
    with pytest.raises(InputError, match="no layer with weights matches 'fc\\*': known: 0, 3, 5"):
        SNIP(layer=("fc*",)).defend(network(), batches(1), Course(epochs=1))
    with pytest.raises(InputError, match="layer must name at least one"):
        SpectralNormalisation(layer=())
