"""Where a network is attacked: in the pixel space of its data or behind its normalisation, clipped or not.

In pixel space an input is what the data holds, and a perturbed one is clipped to the bounds of the data. The papers of
universal perturbations work behind the normalisation and do not clip, so that a radius there is another length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from corank.attack.checks import Bounds, check_counts
from corank.errors import InputError
from corank.experiment.networks import Opened
from corank.network import Normalised
from corank.train.evaluate import device_of
from corank.zoo import Dataset
from corank.zoo.data.batches import to_pixels
from corank.zoo.data.dataset import Split
from corank.zoo.data.subset import label_of

Space = Literal["pixel", "normalised"]
Samples = tuple[Tensor, Tensor]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where a network is attacked, and on which class.

    Args:
        space: pixel, that of the data, or normalised, behind the network's normalisation.
        clip: whether perturbed inputs are clipped to the bounds of the data; by default in pixel space only.
        class_: the name or number of the only class whose images are taken; by default all are.

    Raises:
        InputError: an unknown space.
    """

    space: Space = "pixel"
    clip: bool | None = None
    class_: str | None = None

    def __post_init__(self) -> None:
        if self.space not in get_args(Space):
            raise InputError(f"space must be one of {', '.join(get_args(Space))}, got {self.space!r}")

    @property
    def clips(self) -> bool:
        """Whether perturbed inputs are clipped."""
        return self.space == "pixel" if self.clip is None else self.clip

    def attacked(self, network: nn.Module, dataset: Dataset) -> Attacked:
        """A network as it is attacked in this setting.

        Raises:
            InputError: a network without a normalisation has no normalised space; bounds that differ by channel.
        """
        if self.space == "pixel":
            found = Attacked(network=network, normalisation=None, bounds=None)
        elif isinstance(network, Normalised):
            found = Attacked(network=network.network, normalisation=network, bounds=None)
        else:
            raise InputError(
                "space 'normalised' is that behind a network's normalisation, which this network has not: attack it "
                "in pixel space"
            )
        if not self.clips:
            return found
        return Attacked(found.network, found.normalisation, _bounds_in(found, dataset))

    def beside(self, attacked: Attacked, network: nn.Module, name: str) -> nn.Module:
        """Another network as it takes the inputs of an attacked one.

        Raises:
            InputError: it is normalised in another way, so that its space behind the normalisation is another.
        """
        if attacked.normalisation is None:
            return network
        if isinstance(network, Normalised):
            own, other = ((one.mean.tolist(), one.std.tolist()) for one in (attacked.normalisation, network))
            if own == other:
                return network.network
        raise InputError(
            f"in normalised space all networks must be normalised alike, {name!r} is not: attack them in pixel space"
        )

    def label(self, dataset: Dataset) -> int | None:
        """The label of the only class; None for all.

        Raises:
            InputError: there is no such class.
        """
        return None if self.class_ is None else label_of(dataset, self.class_)

    def described(self, attacked: Attacked, dataset: Dataset) -> dict[str, Any]:
        """What a result says of it."""
        label = self.label(dataset)
        return {
            "data": dataset.name, "space": self.space, "clipped": self.clips, "bounds": attacked.bounds,
            "class": None if label is None else dataset.class_names[label],
        }  # fmt: skip


def rows_drawn(
    split: Split, most: int, *, label: int | None = None, other_than: int | None = None, seed: int
) -> Tensor:
    """The places of some images of a split, drawn evenly.

    Args:
        split: where they are drawn from.
        most: how many, if there are as many.
        label: of the only class; None for all.
        other_than: the class that none is of; None for none.
        seed: of the draw.

    Raises:
        InputError: no image is left to draw.
    """
    wanted = torch.ones_like(split.labels, dtype=torch.bool) if label is None else split.labels == label
    rows = (wanted if other_than is None else wanted & (split.labels != other_than)).nonzero()[:, 0]
    if not len(rows):
        raise InputError(f"the split has no image of class {label}: choose another class")
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    return rows[order[:most]]


@dataclass(frozen=True, eq=False)
class Attacked:
    """A network in the space in which it is attacked.

    Attributes:
        network: takes inputs of this space.
        normalisation: what stands in front of it; None in pixel space.
        bounds: to which perturbed inputs are clipped; None where they are not.
    """

    network: nn.Module
    normalisation: Normalised | None
    bounds: Bounds | None

    def samples(self, split: Split, most: int, *, label: int | None = None, seed: int = 0) -> Samples:
        """Some images of a split in this space, with their labels.

        Args:
            split: where they are drawn from, evenly.
            most: how many, if there are as many.
            label: of the only class; None for all.
            seed: of the draw.

        Raises:
            InputError: a class without images; images outside the bounds, which are those of the training images.
        """
        drawn = split.select(rows_drawn(split, most, label=label, seed=seed))
        device = device_of(self.network)
        inputs = self.inputs(to_pixels(drawn.images).to(device))
        self._check(inputs)
        return inputs, drawn.labels.to(device)

    def inputs(self, pixels: Tensor) -> Tensor:
        """Images `(m, ...)` from pixel space into this one."""
        return pixels if self.normalisation is None else (pixels - self._mean(pixels)) / self._std(pixels)

    def pixels(self, inputs: Tensor) -> Tensor:
        """Images `(m, ...)` from this space into pixel space."""
        return inputs if self.normalisation is None else inputs * self._std(inputs) + self._mean(inputs)

    def in_pixels(self, perturbations: Tensor) -> Tensor:
        """Perturbations `(m, ...)` from this space into pixel space."""
        return perturbations if self.normalisation is None else perturbations * self._std(perturbations)

    def _check(self, inputs: Tensor) -> None:
        if self.bounds is None:
            return
        (low, high), (least, most) = self.bounds, (float(end) for end in inputs.aminmax())
        if least < low or most > high:
            raise InputError(
                f"images must lie within {low:g} to {high:g}, where the training images lie, these go from {least:.4g} "
                f"to {most:.4g}: bring both to one range, or perturb with --no-clip"
            )

    def _mean(self, like: Tensor) -> Tensor:
        assert self.normalisation is not None
        return self.normalisation.mean.view(-1, *[1] * (like.ndim - 2))

    def _std(self, like: Tensor) -> Tensor:
        assert self.normalisation is not None
        return self.normalisation.std.view(-1, *[1] * (like.ndim - 2))


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """What a universal perturbation is found and judged on.

    Attributes:
        attacked: the network.
        train: images and labels that it is found on.
        heldout: others that it is judged on.
    """

    attacked: Attacked
    train: Samples
    heldout: Samples


def scene_of(opened: Opened, dataset: Dataset, setting: Setting, *, images: int, heldout: int, seed: int) -> Scene:
    """Draw training images to find a perturbation on and test images to judge it.

    Raises:
        InputError: the setting does not fit the network or the data.
    """
    check_counts(images=images, heldout=heldout)
    label, attacked = setting.label(dataset), setting.attacked(opened.network, dataset)
    return Scene(
        attacked=attacked,
        train=attacked.samples(dataset.train, images, label=label, seed=seed),
        heldout=attacked.samples(dataset.test, heldout, label=label, seed=seed),
    )


def _bounds_in(attacked: Attacked, dataset: Dataset) -> Bounds:
    """The bounds of the data in this space, rounded as its inputs are."""
    if attacked.normalisation is None:
        return dataset.bounds
    channels = len(attacked.normalisation.mean)
    lowest, highest = (torch.full((1, channels, 1), bound, device=attacked.normalisation.mean.device)
                       for bound in dataset.bounds)  # fmt: skip
    low, high = attacked.inputs(lowest).flatten(), attacked.inputs(highest).flatten()
    if bool((low != low[0]).any() or (high != high[0]).any()):
        raise InputError(
            "--clip needs one range for all channels, and normalised channels of this network have ranges of their "
            "own: attack it in pixel space, or leave --clip out"
        )
    return float(low[0]), float(high[0])
