"""In whichever space a network is attacked, it sees what it saw in pixel space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from corank.attack.checks import check_bounds
from corank.errors import InputError
from corank.experiment import Opened
from corank.experiment.attack_setting import Setting, scene_of
from corank.network import Normalised
from corank.zoo import Dataset
from corank.zoo.data.dataset import Split

Make = Callable[..., Opened]
SPACES = pytest.mark.parametrize("space", ["pixel", "normalised"])


@SPACES
def test_a_network_sees_the_same_in_every_space(make_opened: Make, pixels: Dataset, space: str) -> None:
    network = make_opened("residual").network
    attacked = Setting(space=space).attacked(network, pixels)
    inputs, labels = attacked.samples(pixels.test, 20, seed=3)
    assert torch.equal(attacked.network(inputs), network(_where(pixels, labels, attacked.pixels(inputs))))


def _where(pixels: Dataset, labels: Tensor, images: Tensor) -> Tensor:
    """The images themselves, once it is seen that they are the data's: the way back is rounded."""
    stored = pixels.test.images.float() / 255
    distances = (stored.flatten(1)[None] - images.flatten(1)[:, None]).abs().amax(2)
    least, places = distances.min(1)
    assert float(least.max()) < 1e-6, "two roundings of numbers of at most 1"
    assert torch.equal(pixels.test.labels[places], labels)
    return stored[places]


@SPACES
def test_a_perturbation_is_the_same_in_pixels(make_opened: Make, pixels: Dataset, space: str) -> None:
    attacked = Setting(space=space).attacked(make_opened("tiny").network, pixels)
    inputs, _ = attacked.samples(pixels.test, 5)
    moved = inputs + torch.full_like(inputs, 0.25)
    expected = attacked.pixels(moved) - attacked.pixels(inputs)
    torch.testing.assert_close(attacked.in_pixels(moved - inputs), expected, rtol=0, atol=1e-6)


def test_what_is_clipped_lies_within_the_bounds_of_the_data(make_opened: Make, pixels: Dataset) -> None:
    network = make_opened("tiny").network
    for space in ("pixel", "normalised"):
        attacked = Setting(space=space, clip=True).attacked(network, pixels)
        inputs, _ = attacked.samples(pixels.train, len(pixels.train))
        check_bounds(inputs, attacked.bounds)
        low, high = attacked.pixels(torch.tensor(attacked.bounds).reshape(2, 1, 1, 1)).flatten().tolist()
        assert (low, high) == pytest.approx((0.0, 1.0), abs=1e-6)
        assert Setting(space=space, clip=False).attacked(network, pixels).bounds is None
    assert Setting().clips
    assert not Setting(space="normalised").clips


def test_one_class_alone_is_taken_and_drawn_by_the_seed(make_opened: Make, pixels: Dataset) -> None:
    attacked = Setting().attacked(make_opened("tiny").network, pixels)
    inputs, labels = attacked.samples(pixels.train, 7, label=2, seed=1)
    assert labels.tolist() == [2] * 7
    assert torch.equal(inputs, attacked.samples(pixels.train, 7, label=2, seed=1)[0])
    assert not torch.equal(inputs, attacked.samples(pixels.train, 7, label=2, seed=2)[0])
    assert len(attacked.samples(pixels.train, 10**9)[1]) == len(pixels.train)
    scene = scene_of(make_opened("tiny"), pixels, Setting(class_="1"), images=5, heldout=6, seed=0)
    assert (scene.train[1].tolist(), scene.heldout[1].tolist()) == ([1] * 5, [1] * 6)


@SPACES
def test_test_images_outside_the_training_images_range_are_told_what_to_do(
    make_opened: Make, pixels: Dataset, space: str
) -> None:
    wider = replace(pixels, test=Split(pixels.test.images.float() / 100, pixels.test.labels))
    network = make_opened("tiny").network
    with pytest.raises(InputError, match=r"where the training images lie, .* or perturb with --no-clip"):
        Setting(space=space, clip=True).attacked(network, wider).samples(wider.test, 10)
    Setting(space=space, clip=False).attacked(network, wider).samples(wider.test, 10)


def test_a_class_without_images_is_refused(make_opened: Make, pixels: Dataset) -> None:
    kept = pixels.test.labels != 1
    without = replace(pixels, test=Split(pixels.test.images[kept], pixels.test.labels[kept]))
    with pytest.raises(InputError, match=r"no image of class 1"):
        scene_of(make_opened("tiny"), without, Setting(class_="1"), images=5, heldout=5, seed=0)


def test_a_space_that_is_not_there_is_refused(make_opened: Make, pixels: Dataset) -> None:
    network = make_opened("tiny").network
    with pytest.raises(InputError, match="space must be one of pixel, normalised, got 'fourier'"):
        Setting(space="fourier")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="normalisation, which this network has not"):
        Setting(space="normalised").attacked(network.network, pixels)  # type: ignore[arg-type]
    attacked = Setting(space="normalised").attacked(network, pixels)
    inside = network.network
    assert Setting(space="normalised").beside(attacked, network, "twin") is inside
    for other in (inside, Normalised(inside, [0.0], [1.0])):  # type: ignore[arg-type]
        with pytest.raises(InputError, match="'twin' is not"):
            Setting(space="normalised").beside(attacked, other, "twin")  # type: ignore[arg-type]


def test_channels_of_different_ranges_are_not_clipped_as_one() -> None:
    images = torch.randint(0, 256, (30, 2, 4, 4), dtype=torch.uint8)
    split = Split(images, torch.arange(30) % 2)
    data = Dataset("two", split, split, split, ("a", "b"), (0.0, 1.0), (0.5, 0.5), (0.2, 0.3))
    network = Normalised(nn.Sequential(nn.Flatten(), nn.Linear(32, 2)), [0.5, 0.5], [0.2, 0.3]).eval()
    with pytest.raises(InputError, match="one range for all channels"):
        Setting(space="normalised", clip=True).attacked(network, data)
    assert Setting(clip=True).attacked(network, data).bounds == (0.0, 1.0)
