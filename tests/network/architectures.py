"""Small networks of many kinds, each with something that cutting, reading or storing a network could get wrong."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from corank.network import GraphNetwork, Layers, Normalised, capture
from corank.zoo.nets import VGG, ResNet, cnn4


@dataclass(frozen=True)
class Architecture:
    """A network in evaluation mode with lively running statistics, and the inputs it takes."""

    name: str
    network: nn.Module
    shape: tuple[int, ...]
    vocabulary: int = 0

    def batch(self, size: int) -> Tensor:
        generator = torch.Generator().manual_seed(size)
        if self.vocabulary:
            return torch.randint(self.vocabulary, (size, *self.shape), generator=generator)
        dtype = next(self.network.parameters()).dtype
        return torch.randn(size, *self.shape, generator=generator, dtype=dtype)


class FunctionalCNN(nn.Module):
    """Activation, pooling and flattening are functions, not modules."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 6, 3, padding=1)
        self.fc1 = nn.Linear(24, 7)
        self.fc2 = nn.Linear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        return self.fc2(torch.tanh(self.fc1(torch.flatten(x, 1))))


class SharedModule(nn.Module):
    """One linear layer is called three times."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 5)
        self.l = nn.Linear(5, 5)
        self.last = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.first(x))
        for _ in range(3):
            x = torch.tanh(self.l(x))
        return self.last(x)


class NestedShared(nn.Module):
    """A block that is called twice, and a layer that has two names."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 4)
        self.b = self.a
        self.block = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
        self.last = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.b(self.block(self.block(self.a(x)))))


class TiedWeights(nn.Module):
    """An autoencoder: the decoder's weight is the encoder's transposed, and one bias has two names."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Linear(6, 4)
        self.middle = nn.Linear(4, 4)
        self.middle.bias = self.encode.bias

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu(self.middle(torch.relu(self.encode(x))))
        return functional.linear(hidden, self.encode.weight.t())


class InPlace(nn.Module):
    """In-place activations, `+=` and `*=` around a residual branch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, padding=1)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.elu = nn.ELU(inplace=True)
        self.conv3 = nn.Conv2d(4, 4, 3, padding=1)
        self.last = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu1(self.conv1(x))
        y = self.elu(self.conv2(x)) + 1.0
        y *= 2.0
        x = x + 1.0
        x += y
        x = functional.relu(self.conv3(x), inplace=True)
        return self.last(x.mean((2, 3)))


class TextTransformer(nn.Module):
    """Integer tokens, an embedding with positions, an encoder and mean pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 8)
        self.position = nn.Parameter(torch.randn(1, 5, 8))
        layer = nn.TransformerEncoderLayer(8, 2, dim_feedforward=12, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.norm(self.encoder(self.embed(tokens) + self.position)).mean(1))


class VisionTransformer(nn.Module):
    """Patches by a strided convolution, a class token expanded to the batch, positions as parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(2, 8, 4, stride=4)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.position = nn.Parameter(torch.randn(1, 5, 8))
        self.block = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=True, norm_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patch(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(x.size(0), -1, -1), patches], dim=1) + self.position
        return self.head(self.block(tokens)[:, 0])


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions beside a 1x1 shortcut where the shape changes."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(2)
        self.conv2 = nn.Conv2d(2, 2, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(2)
        self.conv3 = nn.Conv2d(2, channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = nn.Identity()
        if in_channels != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride=stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(y)))))
        y += self.downsample(x)
        return self.relu(y)


def bottleneck_resnet() -> nn.Module:
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            stem=nn.Conv2d(2, 4, 3, padding=1),
            block1=Bottleneck(4, 6, 2),
            block2=Bottleneck(6, 6, 1),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            fc=nn.Linear(6, 3),
        )
    )


class DenseNet(nn.Module):
    """Every layer reads all before it, concatenated."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 3, 3, padding=1)
        self.conv2 = nn.Conv2d(5, 3, 3, padding=1)
        self.conv3 = nn.Conv2d(8, 3, 3, padding=1)
        self.transition = nn.Conv2d(11, 4, 1)
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for conv in (self.conv1, self.conv2, self.conv3):
            features.append(torch.relu(conv(torch.cat(features, 1))))
        x = functional.avg_pool2d(torch.relu(self.transition(torch.cat(features, 1))), 2)
        return self.fc(x.mean((2, 3)))


class UNet(nn.Module):
    """A long skip from the first convolution over pooling and upsampling."""

    def __init__(self) -> None:
        super().__init__()
        self.down1 = nn.Conv2d(2, 3, 3, padding=1)
        self.down2 = nn.Conv2d(3, 4, 3, padding=1)
        self.up = nn.ConvTranspose2d(4, 3, 2, stride=2)
        self.out = nn.Conv2d(6, 2, 3, padding=1)
        self.last = nn.Conv2d(2, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        high = torch.relu(self.down1(x))
        low = torch.relu(self.down2(functional.max_pool2d(high, 2)))
        return self.last(torch.relu(self.out(torch.cat([high, self.up(low)], 1))))


def depthwise_separable() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.ReLU6(inplace=True),
        nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False),
        nn.BatchNorm2d(4),
        nn.Hardswish(inplace=True),
        nn.Conv2d(4, 6, 1),
        nn.GroupNorm(2, 6),
        nn.GELU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.4),
        nn.Linear(6, 3),
    )


class Recurrent(nn.Module):
    """An LSTM and a GRU, which return tuples; the first state is made for the batch that comes."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 4, batch_first=True)
        self.gru = nn.GRU(4, 4, batch_first=True)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.lstm(x)
        z, _ = self.gru(y, torch.ones(1, x.size(0), 4, dtype=x.dtype))
        return self.head(z[:, -1])


class LastState(nn.Module):
    """A classifier of the last states of an LSTM in both directions; its sequence of outputs is not used."""

    def __init__(self) -> None:
        super().__init__()
        self.before = nn.Sequential(nn.Linear(3, 3), nn.Tanh())
        self.lstm = nn.LSTM(3, 4, batch_first=True, bidirectional=True)
        self.head = nn.Sequential(nn.Linear(8, 4), nn.Tanh(), nn.Linear(4, 3))

    def forward(self, x: Tensor) -> Tensor:
        _, (state, _) = self.lstm(self.before(x))
        return self.head(torch.cat([state[-2], state[-1]], 1))


class SqueezeExcitation(nn.Module):
    """Channels are weighted by a small network of their means."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.squeeze = nn.Linear(4, 2)
        self.excite = nn.Linear(2, 4)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.silu(self.conv(x), inplace=True)
        gate = torch.sigmoid(self.excite(functional.relu(self.squeeze(x.mean((2, 3))))))
        x = torch.relu(self.conv2(x * gate[:, :, None, None]))
        return self.fc(functional.adaptive_avg_pool2d(x, 1).flatten(1))


class PreactivationBlock(nn.Module):
    """Norm and activation come before the convolutions; the shortcut starts after the first of them."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.shortcut = nn.Conv2d(in_channels, channels, 1, bias=False) if in_channels != channels else None

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(x))
        around = x if self.shortcut is None else self.shortcut(y)
        return self.conv2(torch.relu(self.bn2(self.conv1(y)))) + around


def preactivation_resnet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1, bias=False),
        PreactivationBlock(3, 4),
        PreactivationBlock(4, 4),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    )


class BatchSizes(nn.Module):
    """The batch size is read again and again, also to fold a dimension into the batch and to make a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)
        self.word = nn.Linear(6, 4)
        self.last = nn.Linear(24, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv(x))
        x = x.view(x.size(0), -1)
        x = x.reshape(x.size(0) * 6, 6)
        x = torch.relu(self.word(x))
        x = x.view(x.size(0) // 6, 24) + torch.ones(x.size(0) // 6, 1, dtype=x.dtype)
        return self.last(torch.sin(x.view(x.size(0), -1)))


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))


def small_vgg() -> nn.Module:
    return VGG((4, 4, "pool", 6, "pool", 8, "pool"), classes=3, in_channels=2)


BUILDERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int]] = {
    "mlp": (mlp, (6,), 0),
    "functional": (FunctionalCNN, (2, 8, 8), 0),
    "shared": (SharedModule, (4,), 0),
    "nested_shared": (NestedShared, (4,), 0),
    "tied": (TiedWeights, (6,), 0),
    "in_place": (InPlace, (2, 5, 5), 0),
    "text_transformer": (TextTransformer, (5,), 11),
    "vision_transformer": (VisionTransformer, (2, 8, 8), 0),
    "bottleneck": (bottleneck_resnet, (2, 6, 6), 0),
    "dense": (DenseNet, (2, 6, 6), 0),
    "unet": (UNet, (2, 6, 6), 0),
    "depthwise": (depthwise_separable, (2, 6, 6), 0),
    "recurrent": (Recurrent, (6, 3), 0),
    "last_state": (LastState, (6, 3), 0),
    "squeeze_excitation": (SqueezeExcitation, (2, 6, 6), 0),
    "preactivation": (preactivation_resnet, (2, 6, 6), 0),
    "batch_sizes": (BatchSizes, (2, 6, 5), 0),
    "normalised": (lambda: Normalised(InPlace(), [0.3, -0.2], [0.5, 2.0]), (2, 5, 5), 0),
    "vgg": (small_vgg, (2, 8, 8), 0),
    "resnet": (lambda: ResNet(1, classes=3), (3, 8, 8), 0),
    "cnn4": (lambda: cnn4(classes=10), (1, 28, 28), 0),
}


def build(name: str, dtype: torch.dtype = torch.float32) -> Architecture:
    """The architecture of that name; the same weights every time."""
    make, shape, vocabulary = BUILDERS[name]
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = make().to(dtype).eval()
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 2.0)
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0, 0.2)
    return Architecture(name, network, shape, vocabulary)


@dataclass(frozen=True)
class Captured:
    """An architecture with its graph and the points of it, for tests that change none of them."""

    architecture: Architecture
    graph: GraphNetwork
    layers: Layers


@cache
def captured(name: str, dtype: torch.dtype = torch.float32) -> Captured:
    architecture = build(name, dtype)
    example = architecture.batch(2)
    graph = capture(architecture.network, example)
    return Captured(architecture, graph, Layers(graph, architecture.shape, example.dtype))
