"""A variational autoencoder of images whose posterior a continuous normalising flow makes.

Daulbaev's thesis, sections 2.5.1.3 and 2.5.3; Grathwohl et al. 2019, FFJORD, section 4.2. The encoder gives a
Gaussian `q0(z0 | x)`, the flow carries its draws to `zT` and says what becomes of their density, and the decoder gives
each pixel a logistic distribution over its 256 values: `-log p(x) <= E[log q(zT | x) - log p(x | zT) - log p(zT)]`.
Here the flow is the same for all images; FFJORD lets the encoder change its weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, softplus

from corank.errors import InputError
from corank.ode.flow import Flow

LEVELS = 256
_LEAST_SCALE = -7.0  # of the logarithm of a pixel's scale: sharper than a level


class FlowVAE(nn.Module):
    """An image's pixels, a few latent numbers, and a flow between the encoder's Gaussian and the posterior.

    Args:
        flow: on the latent numbers, without mean and standard deviation of its own.
        pixels: of an image, all channels.
        hidden: units of the encoder's hidden layers; the decoder's are the same from the other side.

    Raises:
        InputError: no pixels, or no hidden units.

    Example:
        >>> from corank.ode.flow_options import FlowOptions
        >>> vae = FlowVAE(FlowOptions(hidden=(8,)).build(3), pixels=16, hidden=(12,))
        >>> images = torch.randint(256, (5, 1, 4, 4), dtype=torch.uint8)
        >>> vae.bound(images).shape, vae.sample(2).shape
        (torch.Size([5]), torch.Size([2, 16]))
    """

    def __init__(self, flow: Flow, *, pixels: int, hidden: Sequence[int] = (300, 300)) -> None:
        super().__init__()
        if pixels < 1 or not hidden or min(hidden) < 1:
            raise InputError(f"pixels and hidden units must be at least 1, got {pixels} and {tuple(hidden)}")
        self.flow = flow
        self.pixels = pixels
        self.encoder = _dense((pixels, *hidden, 2 * flow.dimension))
        self.decoder = _dense((flow.dimension, *reversed(tuple(hidden)), pixels))
        self.log_scale = nn.Parameter(torch.full((pixels,), -2.0))

    def forward(self, images: Tensor) -> Tensor:
        """`bound`, so that it trains as any network does; images may be bytes or shares of the whole."""
        return self.bound(images)

    def bound(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The bound on `-log p(x)` of images, `(B,)`, in nats, from one draw of the posterior for each.

        Args:
            images: `(B, ...)` bytes, or bytes divided by 255.
            generator: of the draws; by default torch's global one.

        Raises:
            InputError: images of another number of pixels.
        """
        level = self._levels(images)
        mean, raw = self.encoder(level / LEVELS - 0.5).chunk(2, 1)
        spread = softplus(raw) + 1e-3
        noise = torch.randn(mean.shape, generator=generator).to(mean)
        log_posterior = _gaussian(noise) - spread.log().sum(1)
        # The flow's way from data to its Gaussian, taken for that from the encoder's Gaussian to the posterior.
        latent, change = self.flow.encoded(mean + spread * noise, generator)
        bound: Tensor = log_posterior + change - _gaussian(latent) - self.log_likelihood(level, latent)
        return bound

    def log_likelihood(self, level: Tensor, latent: Tensor) -> Tensor:
        """The logarithm of the probability of pixels' levels `(B, pixels)`, 0 to 255, given latent numbers."""
        mean, scale = self._distribution(latent)
        upper = (level + 1) / LEVELS - mean
        lower = level / LEVELS - mean
        # Of a logistic distribution over the whole line, the lowest level has all below it and the highest all above.
        above = logsigmoid(-lower / scale).masked_fill(level == 0, 0.0)
        share = -torch.expm1((_log_survival(upper, scale, level) - above).clamp(max=-1e-7))
        return (above + share.log()).sum(1)

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """The mean images `(count, pixels)`, from 0 to 1, of latent numbers drawn from the prior.

        Raises:
            InputError: no images are asked for.
        """
        if count < 1:
            raise InputError(f"at least one image must be drawn, got {count}")
        mean, _ = self._distribution(torch.randn(count, self.flow.dimension, generator=generator).to(self.log_scale))
        return mean.clamp(0, 1)

    def bits_per_dimension(self, nats: float) -> float:
        """A bound of an image in bits a pixel (Daulbaev's thesis, section 1.1)."""
        return nats / (self.pixels * math.log(2))

    def _distribution(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        return torch.sigmoid(self.decoder(latent)), self.log_scale.clamp(min=_LEAST_SCALE).exp()

    def _levels(self, images: Tensor) -> Tensor:
        flat = images.flatten(1)
        if flat.shape[1] != self.pixels:
            raise InputError(f"images must have {self.pixels} pixels, got {flat.shape[1]}")
        return flat.to(self.log_scale) if images.dtype == torch.uint8 else (flat * (LEVELS - 1)).round()


@final
@dataclass(frozen=True, kw_only=True)
class BoundPerDimension:
    """The objective of an autoencoder: the mean bound in bits a pixel; labels are not looked at."""

    def __call__(self, network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """The mean over images `x`."""
        mean: Tensor = network(x).mean()
        return mean / (x[0].numel() * math.log(2))


def _dense(sizes: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.Softplus()]
    return nn.Sequential(*layers[:-1])


def _gaussian(z: Tensor) -> Tensor:
    return -0.5 * (z * z).sum(1) - 0.5 * z.shape[1] * math.log(2 * math.pi)


def _log_survival(upper: Tensor, scale: Tensor, level: Tensor) -> Tensor:
    """The logarithm of the share of a logistic distribution above an edge; nothing is above the highest level's."""
    return logsigmoid(-upper / scale).masked_fill(level == LEVELS - 1, -torch.inf)
