"""Every name builds a network that works, and chance comes only from where it should."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from corank.errors import InputError
from corank.zoo import build, input_shape, network_names


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def megabytes(network: nn.Module) -> str:
    return f"{4 * parameters(network) / 2**20:.2f}"


@pytest.mark.parametrize(
    ("name", "classes", "storage"),
    [("vgg19", 10, "76.45"), ("vgg19", 100, "76.62"), ("resnet110", 10, "6.59"), ("resnet110", 100, "6.61")],
)
def test_storage_is_that_of_the_tables(name: str, classes: int, storage: str) -> None:
    """Cui et al. 2020, Active Subspace of Neural Networks, tables 1 to 5, in units of 2^20 bytes."""
    assert megabytes(build(name, classes=classes)) == storage


@pytest.mark.parametrize("name", network_names())
@pytest.mark.parametrize(("classes", "in_channels"), [(10, None), (3, 2)])
def test_logits_and_gradients_of_every_network(name: str, classes: int, in_channels: int | None) -> None:
    channels, height, width = input_shape(name)
    network = build(name, classes=classes, in_channels=in_channels)
    logits = network(torch.rand(2, in_channels or channels, height, width))
    assert logits.shape == (2, classes)
    logits.square().sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in network.parameters())


@pytest.mark.parametrize("name", network_names())
def test_the_generator_decides_the_weights_and_nothing_else_is_drawn(name: str) -> None:
    def weights(seed: int) -> torch.Tensor:
        network = build(name, classes=10, generator=torch.Generator().manual_seed(seed))
        return torch.cat([weight.detach().flatten() for weight in network.parameters()])

    before = torch.get_rng_state()
    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))
    assert torch.equal(torch.get_rng_state(), before)


def test_without_a_generator_the_global_seed_decides() -> None:
    def weight(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return next(build("cnn4", classes=10).parameters()).detach()

    assert torch.equal(weight(1), weight(1))
    assert not torch.equal(weight(1), weight(2))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("vgg91", {"classes": 10}, r"unknown network 'vgg91': did you mean vgg19"),
        ("cnn4", {"classes": 0}, "classes of cnn4 must be at least 1, got 0"),
        ("cnn4", {"classes": 2, "in_channels": -1}, "in_channels of cnn4 must be at least 1, got -1"),
    ],
)
def test_wrong_options_are_refused(name: str, options: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(name, **options)
    with pytest.raises(InputError, match="unknown network 'vgg91'"):
        input_shape("vgg91")
