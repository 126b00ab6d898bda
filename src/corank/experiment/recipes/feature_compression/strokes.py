"""Sevens whose upper left stroke is blocked out until a network takes them for ones (Gao et al., section 6).

The paper does not say how the stroke is blocked out. Here: of all rectangles that stand in the upper left corner of the
digit's bounding box and reach down to its middle at most, blocked by the background, the one that makes the network say
the other class with the smallest Euclidean change. Images are taken in the order of the test split.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from corank.attack.victim import Victim
from corank.errors import InputError
from corank.experiment.bench import Bench, Teacher, Wanted
from corank.experiment.recipe import digest
from corank.experiment.recipes.feature_compression.paths import ALPHAS, experiments_on
from corank.measure import Pairs
from corank.zoo.data.batches import to_pixels

INK = 0.2  # share of the range of pixels above which one belongs to the digit


@dataclass(frozen=True, kw_only=True)
class Strokes:
    """Under which circumstances digits are blocked out.

    Attributes:
        network: the teacher, a name of the zoo.
        data: it learnt.
        teacher_epochs: of its training.
        own: the class of the images.
        other: the class that they are to look like.
        experiments: how many images.
        steps: of the minimum-norm attack.
    """

    network: str = "cnn_fc"
    data: str = "mnist"
    teacher_epochs: int = 2
    own: int = 7
    other: int = 1
    experiments: int = 5
    steps: int = 200


PUBLISHED = Strokes()
SMALL = Strokes(network="vgg_digits", data="digits", teacher_epochs=1, other=4, experiments=2, steps=20)
"""A case that takes seconds, for the preset smoke."""


@dataclass(frozen=True, eq=False)
class Blocked:
    """An image without its stroke.

    Attributes:
        image: `(channels, height, width)`.
        height: of the rectangle that is blocked.
        width: of it.
    """

    image: Tensor
    height: int
    width: int


def rows_of(options: Strokes, bench: Bench, seed: int) -> list[dict[str, Any]]:
    """The experiments, computed once for all tables that want them."""
    key = f"feature_compression/strokes/{options.network}-{options.data}-{digest(asdict(options))}/seed-{seed}"
    rows: list[dict[str, Any]] = bench.store.once(key, lambda: {"rows": _experiments(options, bench)})["rows"]
    return rows


def without_stroke(
    network: nn.Module, image: Tensor, other: int, bounds: tuple[float, float] = (0.0, 1.0)
) -> Blocked | None:
    """The image with the least of its upper left blocked out that the network takes for the other class.

    Args:
        network: in evaluation mode.
        image: `(channels, height, width)`, bright ink on a dark background.
        other: the class that it is to look like.
        bounds: of pixels; the lower one is the background.

    Returns:
        None where no rectangle does it.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False)).eval()  # class 0 by the pixel in the corner
        >>> _ = net[1].weight.data.copy_(torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.5]]))
        >>> found = without_stroke(net, torch.ones(1, 2, 2), 1)
        >>> found.image.flatten().tolist(), found.height, found.width
        ([0.0, 1.0, 1.0, 1.0], 1, 1)
    """
    low, high = bounds
    ink = (image > low + INK * (high - low)).any(0)
    lines, columns = ink.any(1).nonzero()[:, 0], ink.any(0).nonzero()[:, 0]
    if not len(lines):
        return None
    top, left = int(lines[0]), int(columns[0])
    deepest, widest = -(-(int(lines[-1]) + 1 - top) // 2), int(columns[-1]) + 1 - left
    sizes = [(height, width) for height in range(1, deepest + 1) for width in range(1, widest + 1)]
    candidates = image.repeat(len(sizes), 1, 1, 1)
    for candidate, (height, width) in zip(candidates, sizes, strict=True):
        candidate[:, top : top + height, left : left + width] = low
    changes = (candidates - image).flatten(1).norm(dim=1)
    changes[Victim(network).classes(candidates) != other] = torch.inf
    best = int(changes.argmin())
    if not bool(changes[best].isfinite()):
        return None
    return Blocked(candidates[best], *sizes[best])


def _experiments(options: Strokes, bench: Bench) -> list[dict[str, Any]]:
    """The first images of the class that the network gets right and for which a rectangle does it."""
    wanted = Wanted(
        network=options.network, data=options.data, epochs=options.teacher_epochs, train_images=None, test_images=None
    )
    teacher = bench.teacher(wanted)
    places, images, blocked = _found(options, teacher)
    bench.report(f"{len(images)} paths of {options.network} on {options.data}")
    starts, ends = torch.stack(images), torch.stack([one.image for one in blocked])
    classes = torch.full((len(images),), options.own, device=starts.device)
    pairs = Pairs(starts=starts, ends=ends, start_classes=classes, end_classes=torch.full_like(classes, options.other))
    rows = experiments_on(teacher.network, pairs, teacher.data.bounds, points=len(ALPHAS), steps=options.steps)
    return [
        {**row, "test_image": place, "blocked_height": one.height, "blocked_width": one.width}
        for row, place, one in zip(rows, places, blocked, strict=True)
    ]


def _found(options: Strokes, teacher: Teacher) -> tuple[list[int], list[Tensor], list[Blocked]]:
    places: list[int] = []
    images: list[Tensor] = []
    blocked: list[Blocked] = []
    for place in (teacher.data.test.labels == options.own).nonzero()[:, 0].tolist():
        image = to_pixels(teacher.data.test.images[place][None])[0].to(next(teacher.network.parameters()).device)
        if int(Victim(teacher.network).classes(image[None])[0]) != options.own:
            continue
        one = without_stroke(teacher.network, image, options.other, teacher.data.bounds)
        if one is not None:
            places.append(place)
            images.append(image)
            blocked.append(one)
        if len(images) == options.experiments:
            return places, images, blocked
    raise InputError(
        f"of the test images of class {options.own} only {len(images)} look like {options.other} to {options.network} "
        f"without their upper left stroke, {options.experiments} are needed"
    )
