"""VGG-19 has the size, the names and the weights of its publications; the digits have a network like it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from safetensors.torch import load_file
from torch import nn

from corank.zoo import build

VGG19 = (64, 64, 128, 128, 256, 256, 256, 256, *(512,) * 8)


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def vgg19_parameters(classes: int) -> int:
    """Convolutions with bias, two numbers a channel for each batch norm, a linear layer with bias."""
    incoming = (3, *VGG19[:-1])
    return sum(9 * i * o + 3 * o for i, o in zip(incoming, VGG19, strict=True)) + (512 + 1) * classes


def test_vgg19_has_its_published_size() -> None:
    assert parameters(build("vgg19", classes=10)) == vgg19_parameters(10) == 20_040_522
    assert parameters(build("vgg19", classes=100)) == vgg19_parameters(100)


def test_vgg_digits_has_at_least_six_weighted_layers() -> None:
    modules = build("vgg_digits", classes=10).modules()
    assert sum(isinstance(module, nn.Conv2d | nn.Linear) for module in modules) >= 6


def test_state_dict_names_of_vgg() -> None:
    network = build("vgg19", classes=10)
    kinds = [type(module).__name__ for module in network.features]  # type: ignore[union-attr,arg-type]
    assert kinds[:7] == ["Conv2d", "BatchNorm2d", "ReLU", "Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d"]
    assert len(kinds) == 3 * 16 + 5
    assert {name.split(".")[0] for name in network.state_dict()} == {"features", "classifier"}


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
