from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from torch import Tensor, nn

from corank.errors import InputError
from corank.measure import FeatureProbe, ProbeLayer, feature_probe
from corank.measure.heldout_gram import HeldoutGram

from .by_hand import chance, normal, result_by_hand


def labels_of(samples: int, classes: int, seed: int = 3) -> Tensor:
    return torch.randint(classes, (samples,), generator=chance(seed))


def clouds(samples: int, features: int, classes: int = 3, spread: float = 2.0) -> tuple[Tensor, Tensor]:
    """Classes that overlap, about a mean that is far from zero."""
    y = labels_of(samples, classes)
    centres = normal(classes, features, seed=1)
    return (centres[y] + spread * normal(samples, features, seed=2)) * 0.9 ** torch.arange(features) + 20, y


def probed(heldout: Tensor, labels: Tensor, rank: int = 4, **more: Any) -> ProbeLayer:
    options = {name: more.pop(name) for name in ("folds", "ridge", "seed", "sketch_size") if name in more}
    found = result_by_hand(FeatureProbe(rank=rank, **options), heldout, labels, **more)
    assert isinstance(found, ProbeLayer)
    return found


def answers(features: Tensor, labels: Tensor, ridge: float, folds: int, seed: int = 0) -> np.ndarray:
    """What scikit-learn says of every sample from all the features, cross-validated, at a tight tolerance."""
    rows = (features - features.mean(0)).numpy()
    rows = rows / math.sqrt((rows**2).sum(1).mean())
    samples = len(rows) * (folds - 1) // folds
    classifier = LogisticRegression(C=1 / (ridge * samples), tol=1e-9, max_iter=10000)
    kept = StratifiedKFold(folds, shuffle=True, random_state=seed)
    said: np.ndarray = cross_val_predict(classifier, rows, labels.numpy(), cv=kept)
    return said


@pytest.mark.parametrize("ridge", [1e-2, 1e-3])
@pytest.mark.parametrize(("features", "folds"), [(400, 5), (400, 2), (12, 4)])
def test_it_is_scikit_learn_on_all_features_and_on_projected_ones(features: int, folds: int, ridge: float) -> None:
    heldout, y = clouds(200, features)
    steep = 0.3 ** torch.arange(features)  # so that a sketch of 16 rows has the leading directions exactly
    rows, gradients = normal(300, features, seed=7) * steep, normal(300, features, seed=8) * steep.roll(3)
    found = probed(heldout, y, rows=rows, gradients=gradients, folds=folds, ridge=ridge)
    expected = {"all_features": heldout}
    for name, seen in (("principal", rows), ("active", gradients)):
        expected[name] = heldout @ torch.linalg.svd(seen, full_matrices=False).Vh[:4].T
    for name, projected in expected.items():
        exact = float((answers(projected, y, ridge, folds) == y.numpy()).mean())
        # a tolerance of 1e-4 for the gradient may turn the answer for a sample between two classes
        assert getattr(found, name) == pytest.approx(exact, abs=1 / 200 + 1e-9), name
    assert 0.4 < found.all_features < 0.99
    assert found.converged
    assert found.samples == 200


def test_the_coordinates_give_the_very_classifier_that_all_features_give() -> None:
    """The representer theorem: probabilities agree, with more features than samples or less."""
    for features in (15, 600):
        heldout, y = clouds(120, features)
        rows = (heldout - heldout.mean(0)).numpy()
        ours = HeldoutGram.of([heldout]).coordinates.numpy()
        train, test = slice(90), slice(90, None)
        said = [
            LogisticRegression(C=1e-2, tol=1e-10, max_iter=10000).fit(x[train], y[train]).predict_proba(x[test])
            for x in (rows, ours)
        ]
        np.testing.assert_allclose(said[0], said[1], atol=1e-6)


def test_directions_of_the_gradient_find_what_principal_ones_miss() -> None:
    """The label is in a feature of small variance, where the gradient points."""
    y = labels_of(250, 2)
    heldout = normal(250, 30) * torch.where(torch.arange(30) == 9, 0.1, 10.0)
    heldout[:, 9] += y - 0.5
    gradients = torch.zeros(100, 30, dtype=torch.float64)
    gradients[:, 9] = normal(100)
    found = probed(heldout, y, gradients=gradients, rank=2)
    assert found.active > 0.95
    assert found.principal < 0.65
    assert found.chance == pytest.approx(max(float(y.double().mean()), 1 - float(y.double().mean())))


def test_the_networks_own_answers_are_counted_on_the_same_samples() -> None:
    heldout, y = clouds(100, 20)
    said = nn.functional.one_hot(torch.where(torch.arange(100) < 70, y, (y + 1) % 3), 3).double()
    assert probed(heldout, y, logits=said).network == pytest.approx(0.7)


def test_classes_with_fewer_samples_than_folds_are_left_out_and_counted() -> None:
    heldout, y = clouds(100, 20)
    more, rare = torch.cat([normal(4, 20), heldout]), torch.cat([torch.tensor([3, 3, 5, 3]), y])
    said = nn.functional.one_hot(rare, 6).double()
    said[4:] = 0.0  # which names the first class
    found, expected = probed(more, rare, logits=said), probed(heldout, y)
    assert (found.samples, found.samples_left_out, found.chance) == (100, 4, expected.chance)
    assert found.network == pytest.approx(float((y == 0).double().mean()))
    assert expected.samples_left_out == 0


def test_too_few_classes_are_refused_with_what_there_is() -> None:
    heldout, y = clouds(20, 20)
    with pytest.raises(InputError, match=r"two classes of at least 15 held-out samples, got \[\d+, \d+\]"):
        probed(heldout, y, folds=15)
    with pytest.raises(InputError, match="no sample was held out"):
        probed(heldout[:0], y[:0])


def test_a_fit_that_does_not_converge_is_reported_and_warns_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_probe, "STEPS", 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        assert not probed(*clouds(100, 20)).converged


def test_the_tokens_of_a_sample_are_projected_apart_and_joined() -> None:
    tokens, y = clouds(150, 60)
    joined = tokens.reshape(150, 6, 10)
    found = probed(joined, y, rank=3, sketch_size=11)
    assert found.all_features == probed(tokens, y).all_features
    directions = torch.linalg.svd(joined.reshape(-1, 10), full_matrices=False).Vh[:3]
    exact = float((answers((joined @ directions.T).flatten(1), y, 1e-3, 5) == y.numpy()).mean())
    assert found.principal == pytest.approx(exact, abs=1 / 150 + 1e-9)
    assert found.width == 60


def test_a_dead_gradient_has_no_direction() -> None:
    heldout, y = clouds(100, 20)
    with pytest.raises(InputError, match="gradients at layer 'body' have no direction"):
        probed(heldout, y, gradients=torch.zeros(10, 20))


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e20])
def test_the_unit_of_the_activations_does_not_matter(scale: float) -> None:
    heldout, y = clouds(120, 40)
    assert probed((heldout * scale).float(), y) == probed(heldout.float(), y)


@pytest.mark.parametrize(
    ("option", "wrong"), [("rank", 0), ("folds", 1), ("ridge", 0.0), ("ridge", -1.0), ("ridge", math.inf)]
)
def test_an_option_out_of_range_is_refused(option: str, wrong: float) -> None:
    with pytest.raises(InputError, match=f"^{option} must be .*, got {wrong}$"):
        FeatureProbe(**{option: wrong})


def test_a_network_is_probed_at_its_layers_with_the_folds_of_its_seed() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(8, 30), nn.ReLU(), nn.Linear(30, 3)).double()
    x, y = clouds(700, 8)
    data = list(zip(((x - 20) / 3).split(50), y.split(50), strict=True))
    found = [FeatureProbe(rank=3, seed=seed).measure(network, data) for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]
    heldout = torch.arange(700) % 5 == 4
    hidden = network[:2]((x[heldout] - 20) / 3).detach()
    (layer,) = found[0].layers
    right = network((x[heldout] - 20) / 3).argmax(1) == y[heldout]
    assert layer.network == pytest.approx(float(right.double().mean()))
    for seed in (0, 1):
        exact = float((answers(hidden, y[heldout], 1e-3, 5, seed) == y[heldout].numpy()).mean())
        assert found[2 * seed].layers[0].all_features == pytest.approx(exact, abs=1 / 140 + 1e-9)
    assert (found[0].samples, found[0].folds, found[0].ridge) == (140, 5, 1e-3)
