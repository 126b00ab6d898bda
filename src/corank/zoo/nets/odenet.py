"""Neural ODEs for images: ODENet4, ODENet10, and the pre-activation network with Meta ODE blocks.

Daulbaev's thesis, section 3.3: a ResNet of 4 or 10 weighted layers in which the residual blocks that keep size and
channels are ODE blocks, with a choice of normalisation after the first convolution, in the residual blocks and in the
fields. Section 2.5.1.1: the CIFAR network with a single ODE block is ODENet4 with weight-normalised field. Section
4.3.2: three pairs of a pre-activation block and an ODE block. What is not printed (widths 64, 128 and 256, strides) is
that of the residual networks these come from. Images of one channel and 28 pixels or more go through a strided stem
down to a quarter of their size: 7 x 7 maps for MNIST, on which a solver's evaluations stay cheap.
"""

from __future__ import annotations

from torch import Tensor, nn

from corank.zoo.nets.normalisations import Normalisation, normalised_convolution
from corank.zoo.nets.ode_options import ODEOptions

ODENET = ODEOptions(
    solver="euler", steps=8, gradient="auto", stem_norm="batch", block_norm="batch", field_norm="layer",
    activation="relu", channels=64,
)  # fmt: skip
"""The best row of Table 3.1."""
SINGLE_BLOCK = ODEOptions(solver="dopri5", rtol=1e-3, atol=1e-3, field_norm="weight").filled(ODENET)
META = ODEOptions(solver="rk2", u=0.5, steps=8, activation="gelu").filled(ODENET)
_SMALL = 28  # pixels from which images of one channel are strided down


class ConvolutionField(nn.Module):
    """Two 3 x 3 convolutions, each followed by its normalisation and the activation; time does not enter.

    Args:
        channels: of input and output.
        options: normalisation and activation.

    Example:
        >>> import torch
        >>> ConvolutionField(4, ODENET)(torch.tensor(0.0), torch.zeros(2, 4, 7, 7)).shape
        torch.Size([2, 4, 7, 7])
    """

    def __init__(self, channels: int, options: ODEOptions) -> None:
        super().__init__()
        norm = options.field_norm or "none"
        self.first = normalised_convolution(channels, channels, norm)
        self.first_activation = options.activated()
        self.second = normalised_convolution(channels, channels, norm)
        self.second_activation = options.activated()

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The field at maps `(B, channels, height, width)`."""
        inner = self.first_activation(self.first(z))
        output: Tensor = self.second_activation(self.second(inner))
        return output

    def layers(self) -> tuple[nn.Module, ...]:
        """The modules in a row."""
        return (*self.first, self.first_activation, *self.second, self.second_activation)


class PreActivationField(nn.Module):
    """Normalisation, activation and a 3 x 3 convolution, twice; time does not enter.

    Args:
        channels: of input and output.
        options: normalisation and activation.
    """

    def __init__(self, channels: int, options: ODEOptions) -> None:
        super().__init__()
        self.branch = _pre_activated(channels, channels, 1, options.field_norm or "none", options)

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The field at maps `(B, channels, height, width)`."""
        output: Tensor = self.branch(z)
        return output

    def layers(self) -> tuple[nn.Module, ...]:
        """The modules in a row."""
        flat: list[nn.Module] = []
        for module in self.branch:
            flat += list(module) if isinstance(module, nn.Sequential) else [module]
        return tuple(flat)


class ResidualBlock(nn.Module):
    """The field of `ConvolutionField` without its last activation beside a shortcut, activated after the sum.

    Args:
        in_channels: channels of the input.
        channels: of the output.
        stride: of the first convolution.
        options: normalisation and activation.
    """

    def __init__(self, in_channels: int, channels: int, stride: int, options: ODEOptions) -> None:
        super().__init__()
        norm = options.block_norm or "none"
        self.branch = nn.Sequential(
            normalised_convolution(in_channels, channels, norm, stride=stride),
            options.activated(),
            normalised_convolution(channels, channels, norm),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels:
            self.shortcut = normalised_convolution(in_channels, channels, norm, stride=stride, size=1)
        self.activation = options.activated()

    def forward(self, x: Tensor) -> Tensor:
        """`activation(branch(x) + shortcut(x))`."""
        output: Tensor = self.activation(self.branch(x) + self.shortcut(x))
        return output


class PreActivationResidual(nn.Module):
    """A residual block whose branch begins with normalisation and activation; nothing follows the sum.

    Args:
        in_channels: channels of the input.
        channels: of the output.
        stride: of the first convolution.
        options: normalisation and activation.
    """

    def __init__(self, in_channels: int, channels: int, stride: int, options: ODEOptions) -> None:
        super().__init__()
        self.branch = _pre_activated(in_channels, channels, stride, options.block_norm or "none", options)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels:
            self.shortcut = nn.Conv2d(in_channels, channels, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """`branch(x) + shortcut(x)`."""
        output: Tensor = self.branch(x) + self.shortcut(x)
        return output


class ODENet(nn.Module):
    """A stem, blocks of which some are ODE blocks, the mean over the pixels, and a linear layer.

    Args:
        stem: the first layers.
        body: the blocks.
        width: channels that the body ends with.
        classes: how many logits.
    """

    def __init__(self, stem: nn.Module, body: nn.Sequential, width: int, classes: int) -> None:
        super().__init__()
        self.stem = stem
        self.body = body
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.linear = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """The logits `(B, classes)` of images `(B, channels, height, width)`."""
        logits: Tensor = self.linear(self.flatten(self.pool(self.body(self.stem(x)))))
        return logits


def odenet4(*, classes: int, shape: tuple[int, int, int], options: ODEOptions) -> ODENet:
    """Convolution, normalisation, activation, ODE block, mean, linear layer.

    Args:
        classes: how many logits.
        shape: of one image.
        options: none open.

    Example:
        >>> import torch
        >>> odenet4(classes=10, shape=(1, 28, 28), options=ODENET)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """
    width = _channels(options)
    return ODENet(_stem(shape, options), nn.Sequential(options.block(ConvolutionField(width, options))), width, classes)


def odenet10(*, classes: int, shape: tuple[int, int, int], options: ODEOptions) -> ODENet:
    """Stem, residual block, ODE block, residual block of half the size and twice the channels, ODE block, head.

    Args:
        classes: how many logits.
        shape: of one image.
        options: none open.
    """
    width = _channels(options)
    body = nn.Sequential(
        ResidualBlock(width, width, 1, options),
        options.block(ConvolutionField(width, options)),
        ResidualBlock(width, 2 * width, 2, options),
        options.block(ConvolutionField(2 * width, options)),
    )
    return ODENet(_stem(shape, options), body, 2 * width, classes)


def meta_preresnet(*, classes: int, shape: tuple[int, int, int], options: ODEOptions) -> ODENet:
    """A convolution, three pairs of a pre-activation block and an ODE block, and the head, activated before the mean.

    Args:
        classes: how many logits.
        shape: of one image.
        options: none open.
    """
    width = _channels(options)
    body = nn.Sequential()
    for stage, (before, after) in enumerate(((width, width), (width, 2 * width), (2 * width, 4 * width))):
        body.append(PreActivationResidual(before, after, 1 if stage == 0 else 2, options))
        body.append(options.block(PreActivationField(after, options)))
    body.append(_norm(4 * width, options.block_norm or "none"))
    body.append(options.activated())
    return ODENet(_stem(shape, options, is_plain=True), body, 4 * width, classes)


def _channels(options: ODEOptions) -> int:
    assert options.channels is not None
    return options.channels


def _stem(shape: tuple[int, int, int], options: ODEOptions, *, is_plain: bool = False) -> nn.Sequential:
    """The first convolution; two strided ones for large images of one channel. A plain one is not activated."""
    norm, width = options.stem_norm or "none", _channels(options)
    is_strided = shape[0] == 1 and min(shape[1:]) >= _SMALL
    stem = nn.Sequential()
    if is_strided:
        stem.append(normalised_convolution(shape[0], width, norm, stride=2))
        stem.append(options.activated())
    in_channels, stride = (width, 2) if is_strided else (shape[0], 1)
    if is_plain:
        stem.append(nn.Conv2d(in_channels, width, 3, stride=stride, padding=1, bias=False))
    else:
        stem.append(normalised_convolution(in_channels, width, norm, stride=stride))
        stem.append(options.activated())
    return stem


def _pre_activated(
    in_channels: int, channels: int, stride: int, norm: Normalisation, options: ODEOptions
) -> nn.Sequential:
    """Twice: what normalises features, the activation, and a convolution, whose weights may be what is normalised."""
    weights: Normalisation = "none" if norm in ("batch", "layer") else norm
    return nn.Sequential(
        _norm(in_channels, norm),
        options.activated(),
        normalised_convolution(in_channels, channels, weights, stride=stride),
        _norm(channels, norm),
        options.activated(),
        normalised_convolution(channels, channels, weights),
    )


def _norm(channels: int, norm: Normalisation) -> nn.Module:
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(1, channels) if norm == "layer" else nn.Identity()
