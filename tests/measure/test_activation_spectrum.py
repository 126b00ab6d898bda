from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn

from corank.errors import InputError
from corank.linalg import count_energy
from corank.measure import ActivationLayer, ActivationSpectrum

from .by_hand import chance, normal, result_by_hand


def activations(samples: int = 300, features: int = 40, offset: float = 2.0) -> Tensor:
    """Rows of a decaying spectrum about a mean that is not zero."""
    return normal(samples, features) * 0.8 ** torch.arange(features) + offset * normal(features, seed=5)


def spectrum(heldout: Tensor, labels: Tensor | None = None, **options: Any) -> ActivationLayer:
    more = {name: options.pop(name) for name in ("rows", "classes", "batch") if name in options}
    y = torch.randint(3, (len(heldout),), generator=chance(1)) if labels is None else labels
    found = result_by_hand(ActivationSpectrum(**options), heldout, y, **more)
    assert isinstance(found, ActivationLayer)
    return found


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_it_is_the_singular_value_decomposition(centred: bool, dtype: torch.dtype, rounding: float) -> None:
    rows = activations().to(dtype)
    found = spectrum(rows[:60], rows=rows, rank=10, sketch_size=50, centred=centred)
    exact = rows.double() - (rows.double().mean(0) if centred else 0)
    _, values, vectors = torch.linalg.svd(exact, full_matrices=False)
    energy = float(values.square().sum())
    expected = values[:10] / math.sqrt(300)
    assert found.singular_values == pytest.approx(expected.tolist(), abs=rounding * float(expected[0]))
    assert found.mean_squared_activation == pytest.approx(energy / 300, rel=rounding)
    assert found.uncertainty <= rounding * float(expected[0]) ** 2
    ratios = (values.square().cumsum(0) / energy)[:10]
    assert found.variance_ratios == pytest.approx(ratios.tolist(), abs=10 * rounding)
    needed = count_energy(values.square(), 0.0, energy, 0.05)
    assert found.directions_needed == needed
    alignment = (found.directions.double() * vectors[:10]).sum(1).abs()
    torch.testing.assert_close(alignment, torch.ones(10, dtype=torch.float64), atol=20 * rounding, rtol=0)
    assert (found.layer, found.index, found.width, found.samples) == ("body", 3, 40, 300)
    assert found.row()["first direction"] == found.variance_ratios[0]


def test_centred_it_is_scikit_learns_principal_component_analysis() -> None:
    rows = activations()
    found, pca = spectrum(rows, rank=12, centred=True), PCA(12).fit(rows.numpy())
    assert found.variance_ratios == pytest.approx(np.cumsum(pca.explained_variance_ratio_).tolist())
    assert found.mean_squared_activation == pytest.approx(float(rows.var(0, correction=0).sum()))


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("size", [6, 12, 25])
def test_a_small_sketch_certifies_what_it_says(size: int, centred: bool) -> None:
    rows = normal(400, 60) * 0.95 ** torch.arange(60) + 3 * normal(60, seed=5) * (torch.arange(60) > 40)
    found = spectrum(rows[:50], rows=rows, rank=4, sketch_size=size, centred=centred)
    exact = rows - (rows.mean(0) if centred else 0)
    squares = torch.linalg.svdvals(exact).square() / 400
    for value, true in zip(found.singular_values, squares.tolist(), strict=False):
        assert value**2 <= true * (1 + 1e-9)
        assert true <= value**2 + found.uncertainty * (1 + 1e-9)
    needed = count_energy(squares, 0.0, float(squares.sum()), 0.05).low or 0
    low, high = found.directions_needed.low, found.directions_needed.high
    assert (low or 0) <= needed <= (high or 60)
    assert found.uncertainty > 0
    assert found.mean_squared_activation == pytest.approx(float(squares.sum()))


@pytest.mark.parametrize("centred", [False, True])
def test_held_out_energy_is_counted_in_the_directions(centred: bool) -> None:
    rows, heldout = activations(), activations(70) + 0.3 * normal(70, 40, seed=9)
    found = spectrum(heldout, rows=rows, rank=6, centred=centred)
    away = heldout - (rows.mean(0) if centred else 0)
    along = (away @ found.directions.T).square().sum(0).cumsum(0) / away.square().sum()
    assert found.captured_heldout_by_rank == pytest.approx(along.tolist())


def test_the_first_direction_of_each_class_is_that_of_its_own_rows() -> None:
    rows, y = activations(120), torch.randint(4, (120,), generator=chance(2))
    y[y == 2] = 3  # a class without a sample
    y[7] = 4  # a class of one
    for centred in (False, True):
        found = spectrum(rows, y, centred=centred, classes=6)
        for number in (0, 1, 3):
            own = rows[y == number].numpy()
            squares = np.linalg.svd(own - (own.mean(0) if centred else 0), compute_uv=False) ** 2
            assert found.class_variance_ratios[number] == pytest.approx(squares[0] / squares.sum())
        assert found.class_variance_ratios[2] is found.class_variance_ratios[5] is None
        assert found.class_variance_ratios[4] == (None if centred else pytest.approx(1.0))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("centred", [False, True])
def test_a_class_without_energy_has_no_first_direction(centred: bool, dtype: torch.dtype) -> None:
    rows, y = activations(40, 3000).to(dtype), torch.arange(40) % 2
    rows[y == 1] = rows[1].clone() if centred else 0
    found = spectrum(rows, y, centred=centred)
    assert found.class_variance_ratios[0] is not None
    assert found.class_variance_ratios[1] is None


def test_the_picture_is_the_principal_plane_of_the_held_out_samples() -> None:
    heldout = activations(90)
    y = torch.randint(3, (90,), generator=chance(4))
    found, exact = spectrum(heldout, y, batch=17), PCA(2).fit_transform(heldout.numpy())
    signs = np.sign((found.components.numpy() * exact).sum(0))
    np.testing.assert_allclose(found.components.numpy() * signs, exact, atol=1e-5)
    assert torch.equal(found.component_labels, y)
    assert spectrum(heldout[:, :1], y).components[:, 1].tolist() == [0.0] * 90


def test_tokens_are_rows_of_the_spectrum_and_samples_of_the_picture() -> None:
    tokens, y = activations(80).reshape(80, 5, 8), torch.arange(80) % 2
    found, whole = spectrum(tokens, y, rank=8), spectrum(tokens.flatten(1), y)
    values = torch.linalg.svdvals(tokens.reshape(-1, 8)) / math.sqrt(400)
    assert found.singular_values == pytest.approx(values.tolist())
    assert (found.width, found.samples) == (8, 400)
    assert found.class_variance_ratios == whole.class_variance_ratios
    assert torch.equal(found.components, whole.components)


def test_without_held_out_samples_there_is_a_spectrum_still() -> None:
    found = spectrum(torch.zeros(0, 40), torch.zeros(0).long(), rows=activations(), rank=3, classes=2)
    assert len(found.singular_values) == 3
    assert (found.captured_heldout_by_rank, found.class_variance_ratios) == ((), (None, None))
    assert found.components.shape == (0, 2)


def test_a_layer_that_does_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="'body' are zero for all 30 rows"):
        spectrum(torch.zeros(30, 5))
    with pytest.raises(InputError, match="same"):
        spectrum(torch.ones(30, 5), centred=True)


@pytest.mark.parametrize(
    ("option", "wrong"), [("rank", 0), ("epsilon", 0.0), ("epsilon", 1.0), ("epsilon", math.nan), ("sketch_size", 49)]
)
def test_an_option_out_of_range_is_refused(option: str, wrong: float) -> None:
    with pytest.raises(InputError, match=f"^{option} must .*, got {wrong}$"):
        ActivationSpectrum(**{option: wrong})


@pytest.mark.parametrize("centred", [False, True])
def test_a_network_is_measured_at_its_layers(centred: bool) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 9), nn.ReLU(), nn.Linear(9, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    x, y = normal(200, 4), torch.randint(3, (200,), generator=chance(3))
    batches = list(zip(x.split(30), y.split(30), strict=True))
    found = ActivationSpectrum(centred=centred).measure(network, batches)
    kept = torch.arange(200) % 5 != 4
    for layer, end in zip(found.layers, (2, 4), strict=True):
        rows = network[:end](x[kept]).detach()
        rows = rows - (rows.mean(0) if centred else 0)
        exact = (torch.linalg.svdvals(rows) / math.sqrt(160)).tolist()
        assert layer.singular_values == pytest.approx(exact, rel=1e-6)
    assert (found.samples, found.samples_heldout, found.centred) == (160, 40, centred)
    again = ActivationSpectrum(centred=centred).measure(network, batches)
    assert again.to_dict() == found.to_dict()
