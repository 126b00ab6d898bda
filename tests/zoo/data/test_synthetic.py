"""Synthetic data obey their law: independent estimates find the answers that are claimed to be exact."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

from corank.errors import InputError
from corank.zoo.data import Dataset, Gaussians, Hypercube, Split, Subspace, load_data


def whole(data: Dataset) -> Split:
    parts = (data.train, data.validation, data.test)
    return Split(torch.cat([part.images for part in parts]), torch.cat([part.labels for part in parts]))


@pytest.mark.parametrize("name", ["synthetic-gaussians", "synthetic-subspace", "synthetic-hypercube"])
def test_names_give_float_vectors_in_three_splits(name: str) -> None:
    data = load_data(name)
    assert data.name == name
    assert len(data.shape) == 1
    assert data.train.images.dtype == torch.float32
    assert set(data.train.labels.tolist()) == set(range(data.classes))


@pytest.mark.parametrize("kind", [Gaussians, Subspace, Hypercube])
def test_the_seed_alone_decides(kind: Any) -> None:
    def drawn(seed: int) -> torch.Tensor:
        torch.rand(seed + 1)  # the global generator must not matter
        images: torch.Tensor = kind(seed=seed).dataset().train.images
        return images

    assert torch.equal(drawn(3), drawn(3))
    assert not torch.equal(drawn(3), drawn(4))


def test_gaussians_have_their_means_distances_and_covariance() -> None:
    law = Gaussians(features=6, classes=3, samples=60000, distance=3.0)
    assert torch.pdist(law.means()).tolist() == pytest.approx([3.0] * 3, rel=1e-5)
    data = whole(law.dataset())
    for label in range(3):
        images = data.images[data.labels == label]
        # A mean over 20,000 samples has deviation 0.0071 in each feature, a covariance at most 0.01; five of them.
        assert torch.allclose(images.mean(0), law.means()[label], atol=0.036)
        assert torch.allclose(images.T.cov(), torch.eye(6), atol=0.05)


def test_the_best_classifier_of_gaussians_is_linear_and_has_its_error() -> None:
    law = Gaussians(features=5, classes=2, samples=40000, distance=2.0)
    data = whole(law.dataset())
    mistaken = ((data.images @ law.means().T).argmax(1) != data.labels).double().mean().item()
    error = norm.cdf(-law.distance / 2)
    assert abs(mistaken - error) < 5 * math.sqrt(error * (1 - error) / 40000)
    fitted = LogisticRegression(C=1e6).fit(data.images.numpy(), data.labels.numpy())
    odds = (law.means()[1] - law.means()[0]).numpy()  # the log odds are odds^T x
    assert np.allclose(fitted.coef_[0], odds, atol=0.15)  # a weight has deviation 0.025 or less here
    assert abs(fitted.intercept_[0]) < 0.15


def test_labels_see_the_directions_and_nothing_else() -> None:
    law = Subspace(features=40, dimensions=3, samples=20000)
    directions = law.directions()
    assert torch.allclose(directions.T @ directions, torch.eye(3), atol=1e-6)
    data = whole(law.dataset())
    signs = 2 * (data.labels[:, None] >> torch.arange(3) & 1) - 1
    assert bool((signs * (data.images @ directions) > 0).all())
    # Found without knowing them: each linear classifier of one bit points along its direction.
    found = [LogisticRegression(C=10.0).fit(data.images.numpy(), signs[:, bit].numpy()).coef_[0] for bit in range(3)]
    cosines = [vector / np.linalg.norm(vector) @ directions[:, bit].numpy() for bit, vector in enumerate(found)]
    assert min(cosines) > 0.99
    # The rest of a vector says nothing of the label: class means across the directions are those of pure noise.
    across = data.images - data.images @ directions @ directions.T
    means = torch.stack([across[data.labels == label].mean(0) for label in range(8)])
    assert means.abs().max() < 6 / math.sqrt(20000 / 8)


def test_the_stated_gradients_have_the_stated_second_moment() -> None:
    law = Subspace(features=12, dimensions=3)
    signs = (2 * (torch.arange(8)[:, None] >> torch.arange(3) & 1) - 1).float()
    gradients = signs @ law.directions().T
    moment = gradients.T @ gradients / 8
    assert torch.allclose(moment, law.directions() @ law.directions().T, atol=1e-6)


def test_a_hypercube_is_all_corners_and_its_matrix_explains_it() -> None:
    cube = Hypercube(dimensions=7, seed=2)
    points = cube.points()
    corners = torch.linalg.solve(cube.matrix().double(), points.images.T.double()).T
    assert torch.allclose(corners.abs(), torch.ones(128, 7, dtype=torch.float64), atol=1e-4)
    assert len(torch.unique(corners.round(), dim=0)) == 128
    assert torch.equal(points.labels, (corners[:, -1] > 0).long())
    assert len(whole(cube.dataset())) == 128
    assert cube.dataset().class_names == ("-1", "+1")


def test_stretching_leaves_the_share_of_the_last_column() -> None:
    """The fraction `|R_dd| / |A_d|` does not change with the other columns (section 6)."""

    def fraction(stretch: float) -> float:
        matrix = Hypercube(dimensions=9, stretch=stretch).matrix().double()
        return abs(torch.linalg.qr(matrix).R[-1, -1].item()) / matrix[:, -1].norm().item()

    assert fraction(5.0) == pytest.approx(fraction(1.0), rel=1e-5)
    plain, stretched = (Hypercube(dimensions=9, stretch=stretch).matrix() for stretch in (1.0, 5.0))
    assert torch.equal(stretched[:, -1], plain[:, -1])
    assert torch.allclose(stretched[:, :-1], 5 * plain[:, :-1])


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (Gaussians, {"classes": 1}, "classes must be at least 2, got 1"),
        (Gaussians, {"classes": 5, "features": 4}, "features must be at least 5, got 4"),
        (Gaussians, {"samples": 0}, "samples must be at least 4, got 0"),
        (Gaussians, {"distance": 0.0}, "distance must be positive and finite, got 0.0"),
        (Gaussians, {"distance": math.nan}, "got nan"),
        (Subspace, {"dimensions": 0}, "dimensions must be at least 1, got 0"),
        (Subspace, {"dimensions": 3, "features": 2}, "features must be at least 3, got 2"),
        (Subspace, {"samples": 3}, "samples must be at least 4, got 3"),
        (Hypercube, {"dimensions": 1}, "dimensions must be between 2 and 20, got 1"),
        (Hypercube, {"dimensions": 21}, "got 21"),
        (Hypercube, {"stretch": -1.0}, "stretch must be positive and finite, got -1.0"),
    ],
)
def test_wrong_options_are_refused(kind: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        kind(**options)
