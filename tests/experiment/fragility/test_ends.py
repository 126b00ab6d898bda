from __future__ import annotations

import torch
from torch import Tensor, nn

from corank.experiment.fragility.ends import given_end, nearest_ends
from corank.measure import nearest_pairs
from corank.train.evaluate import predict
from corank.zoo import Batches, Dataset
from corank.zoo.data.batches import to_pixels


class Unreliable(nn.Module):
    """The true class of images, but for some of them."""

    def __init__(self, images: Tensor, labels: Tensor, is_wrong: Tensor) -> None:
        super().__init__()
        self.images, self.said = images.flatten(1), torch.where(is_wrong, (labels + 1) % 3, labels)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.one_hot(self.said[torch.cdist(x.flatten(1), self.images).argmin(1)], 3).float()


def test_an_example_that_the_network_gets_wrong_is_passed_over(pixels: Dataset) -> None:
    train, labels = to_pixels(pixels.train.images), pixels.train.labels
    x, y = to_pixels(pixels.test.images[:12]), pixels.test.labels[:12]
    plain = nearest_pairs(x, y, Batches(pixels.train, 50))
    assert plain.end_indices is not None
    is_wrong = torch.zeros(len(train), dtype=torch.bool)
    is_wrong[plain.end_indices[:5]] = True
    is_wrong |= torch.rand(len(train), generator=torch.Generator().manual_seed(0)) < 0.2
    network = Unreliable(train, labels, is_wrong)
    found = nearest_ends(network, x, y, pixels)
    distances = torch.cdist(x.flatten(1).double(), train.flatten(1).double())
    distances[(labels == y[:, None]) | is_wrong] = torch.inf
    assert torch.equal(found.pairs.end_indices, distances.argmin(1))  # type: ignore[arg-type]
    assert torch.equal(found.pairs.ends, train[distances.argmin(1)])
    assert torch.equal(found.pairs.end_classes, labels[distances.argmin(1)])
    assert torch.equal(found.passed_over, is_wrong[plain.end_indices])
    assert bool(found.passed_over[:5].all())


def test_where_the_network_gets_all_others_wrong_the_nearest_stays(pixels: Dataset) -> None:
    x, y = to_pixels(pixels.test.images[:3]), torch.zeros(3, dtype=torch.int64)
    constant = nn.Sequential(nn.Flatten(), nn.Linear(36, 3)).eval()
    with torch.no_grad():
        constant[1].weight.zero_()
        constant[1].bias.copy_(torch.tensor([1.0, 0.0, 0.0]))
    found = nearest_ends(constant, x, y, pixels)
    assert bool(found.passed_over.all())
    assert bool((found.pairs.end_classes != 0).all())
    assert predict(constant, [(found.pairs.ends, y)]).argmax(1).tolist() == [0, 0, 0]


def test_all_paths_may_lead_to_one_image(pixels: Dataset) -> None:
    x = to_pixels(pixels.test.images[:4])
    found = given_end(x, torch.zeros(4, dtype=torch.int64), x[0] / 2, 2).pairs
    assert torch.equal(found.ends, (x[0] / 2).expand_as(x))
    assert (found.end_classes.tolist(), found.end_indices) == ([2] * 4, None)
