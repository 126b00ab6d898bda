"""Random pixels: each with some probability gets Gaussian noise, and the network is asked what it sees.

Robust Deep Networks via Low-Rank Representations (Sanyal et al. 2020), sec. 3.2 and Table 4, reads "noise drawn from
N(0, 128/255)" for pixels that a Bernoulli draw picks; 128/255 is taken as the standard deviation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from corank.attack.checks import Bounds, check_samples
from corank.attack.interval import wilson
from corank.attack.sample import at_work
from corank.attack.victim import Victim
from corank.errors import InputError
from corank.result import Result, Scalar

DEVIATION = 128 / 255
PROBABILITIES = (0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True, kw_only=True)
class NoisyAccuracy(Result):
    """What noise at one probability leaves of a network's accuracy.

    Attributes:
        probability: of a pixel to be noisy.
        accuracy: share of inputs that is classified rightly.
        low: end of its 95 % interval (Wilson).
        high: the other end.
        fooled: share of inputs whose class changes.
        fooled_of_right: share of those classified rightly whose class changes; None where none is.
    """

    probability: float
    accuracy: float
    low: float
    high: float
    fooled: float
    fooled_of_right: float | None

    def row(self) -> dict[str, Scalar]:
        """Probability, accuracy with its interval."""
        return {"probability": self.probability, "accuracy": self.accuracy, "low": self.low, "high": self.high}


@dataclass(frozen=True, kw_only=True)
class NoiseStability(Result):
    """Accuracy under random pixel noise.

    Attributes:
        deviation: standard deviation of the noise, in the units of the inputs.
        per_channel: whether each channel of a pixel was drawn by itself.
        bounds: to which noisy inputs were clipped; None where they were not.
        samples: how many inputs.
        accuracy: on the inputs as they are.
        noisy: by probability.
    """

    deviation: float
    per_channel: bool
    bounds: Bounds | None
    samples: int
    accuracy: float
    noisy: tuple[NoisyAccuracy, ...]

    def row(self) -> dict[str, Scalar]:
        """Accuracy without noise and at each probability."""
        noisy: dict[str, Scalar] = {f"noise {each.probability:g}": each.accuracy for each in self.noisy}
        return {"samples": self.samples, "accuracy": self.accuracy, **noisy}


def pixel_noise(
    like: Tensor,
    probability: float,
    generator: torch.Generator,
    *,
    deviation: float = DEVIATION,
    per_channel: bool = False,
) -> Tensor:
    """Noise for inputs, to be added: zero at each pixel with the probability that it is spared.

    The same seed draws the same noise at every probability: pixels that are noisy at one are so at all larger ones.

    Args:
        like: inputs `(m, channels, height, width)`, or of any other number of dimensions, where each number is a pixel.
        probability: of a pixel to be noisy.
        generator: of the draws, on the CPU.
        deviation: of the noise, in the units of the inputs.
        per_channel: whether each channel of a pixel is drawn by itself; otherwise all get the same noise.

    Raises:
        InputError: a probability outside 0 to 1, or a deviation that is not positive and finite.

    Example:
        >>> noise = pixel_noise(torch.zeros(1, 3, 4, 4), 1.0, torch.Generator().manual_seed(0))
        >>> noise.shape, torch.equal(noise[:, 0], noise[:, 2])
        (torch.Size([1, 3, 4, 4]), True)
    """
    if not 0 <= probability <= 1:
        raise InputError(f"probability must lie from 0 to 1, got {probability}")
    if not 0 < deviation < math.inf:
        raise InputError(f"deviation must be positive and finite, got {deviation}")
    shape = like.shape if per_channel or like.ndim != 4 else (len(like), 1, *like.shape[2:])
    is_noisy = torch.rand(shape, generator=generator) < probability
    values = torch.randn(shape, generator=generator, dtype=like.dtype) * deviation
    return (is_noisy * values).to(like.device).expand_as(like)


def noise_stability(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    probabilities: Sequence[float] = PROBABILITIES,
    deviation: float = DEVIATION,
    per_channel: bool = False,
    bounds: Bounds | None = None,
    seed: int = 0,
) -> NoiseStability:
    """Accuracy on inputs some of whose pixels are noisy.

    Args:
        network: any `nn.Module` that returns logits, in evaluation mode; it comes back bit for bit.
        images: `(m, ...)` inputs.
        labels: `(m,)` their true classes.
        probabilities: of a pixel to be noisy.
        deviation: standard deviation of the noise, in the units of the inputs.
        per_channel: whether each channel of a pixel is drawn by itself; otherwise all get the same noise.
        bounds: to which noisy inputs are clipped; None leaves them as they are.
        seed: of the noise, and of a network that is random itself.

    Raises:
        InputError: no probability or one outside 0 to 1, a deviation that is not positive and finite, inputs that
            are not finite or not within the bounds, labels out of range, a network in training mode.

    Example:
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).eval()
        >>> found = noise_stability(network, torch.rand(20, 1, 2, 2), torch.zeros(20, dtype=torch.long))
        >>> [row.probability for row in found.noisy]
        [0.4, 0.6, 0.8, 1.0]
    """
    if not probabilities:
        raise InputError("expected at least one probability, got none")
    with at_work({network}, seed, images.device):
        check_samples(network, images, labels, bounds)
        victim = Victim(network, bounds)
        clean = victim.classes(images)
        rows = []
        for probability in probabilities:
            generator = torch.Generator().manual_seed(seed)
            noise = pixel_noise(images, probability, generator, deviation=deviation, per_channel=per_channel)
            rows.append(_row(probability, labels, clean, victim.classes(victim.clipped(images + noise))))
    return NoiseStability(
        deviation=deviation, per_channel=per_channel, bounds=bounds, samples=len(images),
        accuracy=float((clean == labels).double().mean()), noisy=tuple(rows),
    )  # fmt: skip


def _row(probability: float, labels: Tensor, clean: Tensor, classes: Tensor) -> NoisyAccuracy:
    right, changed, still_right = clean == labels, classes != clean, int((classes == labels).sum())
    low, high = wilson(still_right, len(labels))
    return NoisyAccuracy(
        probability=probability, accuracy=still_right / len(labels), low=low, high=high,
        fooled=float(changed.double().mean()),
        fooled_of_right=float(changed[right].double().mean()) if bool(right.any()) else None,
    )  # fmt: skip
