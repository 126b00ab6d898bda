"""Weights have the variance of He et al., biases are zero."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from corank.zoo import build, network_names


@pytest.mark.parametrize("name", network_names())
def test_weights_have_the_variance_of_he(name: str) -> None:
    for module in build(name, classes=10, generator=torch.Generator().manual_seed(0)).modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            weight = module.weight.detach()
            # The squares of n normal numbers have relative deviation sqrt(2 / n); six of them are allowed.
            allowed = 6 * (2 / weight.numel()) ** 0.5
            assert float(weight.square().mean()) == pytest.approx(2 / weight[0].numel(), rel=allowed)
            assert module.bias is None or not module.bias.any()
