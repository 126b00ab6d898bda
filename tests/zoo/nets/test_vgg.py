"""The VGG networks have the sizes and names of their publications; VGG-19 has trained weights that work."""

from __future__ import annotations

import io
import os
import tarfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from corank.experiment import open_network
from corank.zoo import build
from corank.zoo.nets import VGG, Unpadded

VGG7 = (32, 32, 64, 64, 128, 128, 256)
VGG16 = (64, 64, 128, 128, *(256,) * 3, *(512,) * 6)
VGG19 = (64, 64, 128, 128, *(256,) * 4, *(512,) * 8)
TEACHER = "vgg19-cifar10-jpeg.safetensors"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def vgg_parameters(widths: tuple[int, ...], hidden: tuple[int, ...], classes: int) -> int:
    """Convolutions with bias, two numbers a channel for each batch norm, linear layers with bias."""
    convolutions = sum(9 * i * o + 3 * o for i, o in zip((3, *widths[:-1]), widths, strict=True))
    linear = (widths[-1], *hidden, classes)
    return convolutions + sum((i + 1) * o for i, o in pairwise(linear))


@pytest.mark.parametrize(
    ("name", "widths", "hidden", "published"),
    [
        ("vgg16", VGG16, (), 14_728_266),  # Sun et al. 2024, NeuralFuse, table 7, and so for vgg19
        ("vgg19", VGG19, (), 20_040_522),
        ("vgg16_3fc", VGG16, (512, 512), 15_253_578),  # the common vgg16_bn for CIFAR-10 with three linear layers
        ("vgg19_3fc", VGG19, (512, 512), None),
        ("vgg7", VGG7, (), None),
    ],
)
def test_vggs_have_their_published_size(
    name: str, widths: tuple[int, ...], hidden: tuple[int, ...], published: int | None
) -> None:
    count = parameters(build(name, classes=10))
    assert count == vgg_parameters(widths, hidden, 10)
    assert published in (count, None)
    assert parameters(build(name, classes=100)) == vgg_parameters(widths, hidden, 100)


def test_vgg7_without_what_its_batch_norms_add_is_the_published_network() -> None:
    """The published one has no scale and shift, so 2 numbers less for each of its 704 channels: 584,746."""
    network = build("vgg7", classes=10)
    scales = sum(parameters(module) for module in network.modules() if isinstance(module, nn.BatchNorm2d))
    assert (scales, parameters(network) - scales) == (2 * 704, 9 * 64_608 + 704 + 2_570)


def test_an_unpadded_convolution_leaves_out_the_border() -> None:
    padded, unpadded = (VGG((step,), classes=2, in_channels=1).features for step in (4, Unpadded(4)))
    unpadded.load_state_dict(padded.state_dict())
    x = torch.rand(2, 1, 6, 6)
    assert torch.allclose(padded.eval()(x)[:, :, 1:-1, 1:-1], unpadded.eval()(x), atol=1e-6)


def test_three_linear_layers_have_relu_between_them() -> None:
    network = build("vgg16_3fc", classes=7)
    one, two, three = (module for module in network.classifier if isinstance(module, nn.Linear))  # type: ignore[union-attr]
    x = torch.randn(5, 512)
    expected = three(two(one(x).clamp(min=0)).clamp(min=0))
    assert torch.equal(network.classifier(x), expected)  # type: ignore[operator]


def test_vgg_digits_has_at_least_six_weighted_layers() -> None:
    modules = build("vgg_digits", classes=10).modules()
    assert sum(isinstance(module, nn.Conv2d | nn.Linear) for module in modules) >= 6


def test_state_dict_names_of_vgg() -> None:
    network = build("vgg19", classes=10)
    kinds = [type(module).__name__ for module in network.features]  # type: ignore[union-attr,arg-type]
    assert kinds[:7] == ["Conv2d", "BatchNorm2d", "ReLU", "Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d"]
    assert len(kinds) == 3 * 16 + 5
    assert {name.split(".")[0] for name in network.state_dict()} == {"features", "classifier"}


@pytest.fixture
def teacher() -> Path:
    """The trained VGG-19, from CORANK_WEIGHTS or the folder `weights` beside CORANK_DATA."""
    named, data = os.environ.get("CORANK_WEIGHTS"), os.environ.get("CORANK_DATA")
    folders = [Path(named)] if named else [Path(data).parent / "weights"] if data else []
    if not folders or not (folders[0] / TEACHER).is_file():
        pytest.skip(f"no {TEACHER} in CORANK_WEIGHTS or in weights beside CORANK_DATA")
    return folders[0] / TEACHER


def test_the_trained_vgg19_fits(teacher: Path) -> None:
    opened = open_network("vgg19", weights=teacher)
    assert opened.is_trained
    assert opened.network.mean.tolist() == pytest.approx([0.4914, 0.4822, 0.4465])  # type: ignore[union-attr,operator]
    assert opened.network.std.tolist() == pytest.approx([0.2470, 0.2435, 0.2616])  # type: ignore[union-attr,operator]
    assert parameters(opened.network) == 20_040_522


def test_the_trained_vgg19_has_its_accuracy(teacher: Path, data_root: Path) -> None:
    """85.78 % of the 10,000 test images of cifar10-jpeg; of 300, three standard deviations are 6.1 %."""
    archive = data_root / "cifar10-jpeg.tar.xz"
    if not archive.is_file():
        pytest.skip("CORANK_DATA holds no cifar10-jpeg.tar.xz")
    images, labels = first_test_images(archive, each=30)
    network = open_network("vgg19", weights=teacher).network
    with torch.inference_mode():
        answers = torch.cat([network(some).argmax(1) for some in images.split(100)])
    assert float((answers == labels).float().mean()) == pytest.approx(0.8578, abs=0.061)


def first_test_images(archive: Path, *, each: int) -> tuple[torch.Tensor, torch.Tensor]:
    """As many test images of each class, `(N, 3, 32, 32)` in [0, 1], read from the front of the archive."""
    pixels, labels = [], []
    with tarfile.open(archive) as stored:
        for member in stored:
            *_, kind, name, _ = ("", "", *member.name.split("/"))
            if kind == "test" and labels.count(CLASSES.index(name)) < each:
                with Image.open(io.BytesIO(stored.extractfile(member).read())) as image:  # type: ignore[union-attr]
                    pixels.append(np.asarray(image.convert("RGB")))
                labels.append(CLASSES.index(name))
            if len(labels) == each * len(CLASSES):
                break
    stacked = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)
    return stacked / 255, torch.tensor(labels)
