"""Shapes, names and parameter counts of the papers, counted here by hand from the layers' sizes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from corank.errors import InputError
from corank.zoo import build, input_shape, network_names
from corank.zoo.nets import Block, Subsample

VGG19 = (64, 64, 128, 128, 256, 256, 256, 256, *(512,) * 8)


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def megabytes(network: nn.Module) -> str:
    return f"{4 * parameters(network) / 2**20:.2f}"


def resnet_parameters(depth: int, classes: int) -> int:
    """Convolutions without bias, two numbers a channel for each batch norm, a linear layer with bias."""
    blocks, count, incoming = (depth - 2) // 6, 9 * 3 * 16 + 2 * 16, 16
    for channels in (16, 32, 64):
        for _ in range(blocks):
            count += 9 * channels * (incoming + channels) + 4 * channels
            incoming = channels
    return count + (64 + 1) * classes


def vgg19_parameters(classes: int) -> int:
    """Convolutions with bias, two numbers a channel for each batch norm, a linear layer with bias."""
    incoming = (3, *VGG19[:-1])
    return sum(9 * i * o + 3 * o for i, o in zip(incoming, VGG19, strict=True)) + (512 + 1) * classes


@pytest.mark.parametrize("classes", [10, 100])
@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_resnets_have_their_published_size(depth: int, millions: float, classes: int) -> None:
    count = parameters(build(f"resnet{depth}", classes=classes))
    assert count == resnet_parameters(depth, classes)
    if classes == 10:  # He et al. 2016, table 6, to the printed digits
        assert round(count / 1e6, 2 if millions < 1 else 1) == millions


def test_vgg19_has_its_published_size() -> None:
    assert parameters(build("vgg19", classes=10)) == vgg19_parameters(10) == 20_040_522
    assert parameters(build("vgg19", classes=100)) == vgg19_parameters(100)


@pytest.mark.parametrize(
    ("name", "classes", "storage"),
    [("vgg19", 10, "76.45"), ("vgg19", 100, "76.62"), ("resnet110", 10, "6.59"), ("resnet110", 100, "6.61")],
)
def test_storage_is_that_of_the_tables(name: str, classes: int, storage: str) -> None:
    """Cui et al. 2020, Active Subspace of Neural Networks, tables 1 to 5, in units of 2^20 bytes."""
    assert megabytes(build(name, classes=classes)) == storage


def test_cnn4_has_the_sizes_of_the_paper() -> None:
    shapes = [
        tuple(weight.shape) for weight in build("cnn4", classes=10).state_dict().values() if weight.ndim > 1
    ]
    assert shapes == [(20, 1, 5, 5), (50, 20, 5, 5), (500, 800), (10, 500)]


def test_vgg_digits_has_at_least_six_weighted_layers() -> None:
    modules = build("vgg_digits", classes=10).modules()
    assert sum(isinstance(module, nn.Conv2d | nn.Linear) for module in modules) >= 6


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


@pytest.mark.parametrize("name", network_names())
def test_weights_have_the_variance_of_he(name: str) -> None:
    for module in build(name, classes=10, generator=torch.Generator().manual_seed(0)).modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            weight = module.weight.detach()
            # The squares of n normal numbers have relative deviation sqrt(2 / n); six of them are allowed.
            allowed = 6 * (2 / weight.numel()) ** 0.5
            assert float(weight.square().mean()) == pytest.approx(2 / weight[0].numel(), rel=allowed)
            assert module.bias is None or not module.bias.any()


def test_state_dict_names_of_vgg() -> None:
    network = build("vgg19", classes=10)
    kinds = [type(module).__name__ for module in network.features]  # type: ignore[union-attr,arg-type]
    assert kinds[:7] == ["Conv2d", "BatchNorm2d", "ReLU", "Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d"]
    assert len(kinds) == 3 * 16 + 5
    assert {name.split(".")[0] for name in network.state_dict()} == {"features", "classifier"}


def test_state_dict_names_of_resnet() -> None:
    expected = {"conv1.weight", "linear.weight", "linear.bias"}
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected |= {f"bn1.{part}" for part in norm}
    for place in (f"layer{stage}.{block}" for stage in (1, 2, 3) for block in range(3)):
        expected |= {f"{place}.conv{i}.weight" for i in (1, 2)}
        expected |= {f"{place}.bn{i}.{part}" for i in (1, 2) for part in norm}
    assert set(build("resnet20", classes=10).state_dict()) == expected


def test_the_shortcut_slices_pixels_and_pads_channels_with_zeros() -> None:
    x = torch.rand(2, 3, 6, 6)
    y = Subsample(new_channels=4)(x)
    assert torch.equal(y[:, 2:5], x[:, :, ::2, ::2])
    assert not y[:, :2].any()
    assert not y[:, 5:].any()


def test_a_block_whose_branch_is_zero_is_its_shortcut() -> None:
    x = torch.rand(2, 16, 8, 8)
    for block, shortcut in ((Block(16, 16, 1), x), (Block(16, 32, 2), Subsample(16)(x))):
        nn.init.zeros_(block.bn2.weight)
        assert torch.equal(block(x), shortcut)


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


def test_the_trained_vgg19_fits() -> None:
    folders = [os.environ.get("CORANK_WEIGHTS"), *_beside(os.environ.get("CORANK_DATA"))]
    files = [Path(folder) / "vgg19-cifar10-jpeg.safetensors" for folder in folders if folder]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        pytest.skip("no vgg19-cifar10-jpeg.safetensors in CORANK_WEIGHTS or in weights beside CORANK_DATA")
    network = build("vgg19", classes=10)
    stored = {name: weight.float() for name, weight in load_file(file).items()}
    counters = {name: value for name, value in network.state_dict().items() if "num_batches_tracked" in name}
    network.load_state_dict(stored | counters, strict=True)
    assert sum(weight.numel() for name, weight in stored.items() if "running" not in name) == 20_040_522


def _beside(data: str | None) -> list[str]:
    return [str(Path(data).parent / "weights")] if data else []
