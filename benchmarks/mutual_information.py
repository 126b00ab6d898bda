"""How long do the bounds of mutual information take, where do they saturate, and what do crossed bounds say?

Ten thousand samples of 512 features on two threads; Gaussian samples in 1 to 100 dimensions until both bounds equal
log m; and ten classes whose information about the label lies between the crossed bounds, where the difference of the
upper bounds alone is no bound at all. The bars are the figures of a study of the same estimators.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from _common import arguments, seconds, spread, write

from corank.linalg import information_bounds

BAR_SECONDS = 4.0


def main() -> None:
    """Measure and write the numbers."""
    options = arguments(__doc__.splitlines()[0], samples=10_000, features=512, repeats=3)
    chance = torch.Generator().manual_seed(0)
    h = torch.randn(options.samples, options.features, generator=chance)
    labels = torch.randint(10, (options.samples,), generator=chance)
    took = [seconds(lambda: information_bounds(h, labels=labels)) for _ in range(options.repeats)]
    write(
        "mutual_information",
        __doc__.splitlines()[0],
        {
            "setting": vars(options),
            "seconds": {**spread(took), "bar": BAR_SECONDS, "within_bar": spread(took)["median"] <= BAR_SECONDS},
            "saturation": [saturation(dimensions, chance) for dimensions in (1, 2, 5, 10, 20, 50, 100)],
            "labels": [about_labels(distance, chance) for distance in (1.0, 2.0, 4.0)],
        },
    )


def saturation(dimensions: int, chance: torch.Generator, samples: int = 5000) -> dict[str, Any]:
    """Standard normal samples, whose true information with noise of variance 0.1 is `d/2 log 11`."""
    found = information_bounds(torch.randn(samples, dimensions, generator=chance))
    return {
        "dimensions": dimensions,
        "samples": samples,
        "lower_nats": found.lower,
        "upper_nats": found.upper,
        "limit_nats": found.limit,
        "saturated": found.lower_saturated,
        "of_the_density_nats": dimensions / 2 * math.log(11),
    }


def about_labels(distance: float, chance: torch.Generator, classes: int = 10, samples: int = 5000) -> dict[str, Any]:
    """Ten classes in five dimensions: the bounds that cross, and the difference of the upper ones."""
    labels = torch.arange(samples) % classes
    centres = torch.randn(classes, 5, generator=chance) * distance
    h = centres[labels] + 0.05 * torch.randn(samples, 5, generator=chance)
    found = information_bounds(h, labels=labels)
    within = [information_bounds(h[labels == label]).upper for label in range(classes)]
    return {
        "distance": distance,
        "lower_nats": found.label_lower,
        "upper_nats": found.label_upper,
        "entropy_of_labels_nats": found.label_entropy,
        "upper_minus_upper_nats": found.upper - sum(within) / classes,
    }


if __name__ == "__main__":
    main()
