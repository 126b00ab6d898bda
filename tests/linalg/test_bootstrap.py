"""The bootstrap agrees with a plain one on the same draws, and its intervals cover what they should."""

import numpy as np
import pytest
import torch
from torch import Tensor

from corank.errors import InputError
from corank.linalg import Bootstrap, bootstrap_subspace


def normal(rows: int, columns: int, seed: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def chance(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def plain_bootstrap(rows: np.ndarray, rank: int, replicates: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and distances of every replicate, with the rows repeated and projectors formed in full."""
    generator, values, distances = chance(seed), [], []
    axes = np.linalg.eigh(rows.T @ rows)[1][:, ::-1]
    for _ in range(replicates):
        drawn = torch.randint(len(rows), (len(rows),), generator=generator).numpy()
        squares, turned = np.linalg.eigh(rows[drawn].T @ rows[drawn] / len(rows))
        values.append(squares[::-1][:rank])
        turned = turned[:, ::-1]
        distances.append(
            [
                np.linalg.norm(axes[:, :j] @ axes[:, :j].T - turned[:, :j] @ turned[:, :j].T, 2)
                for j in range(1, rank + 1)
            ]
        )
    return np.array(values), np.array(distances)


def test_agrees_with_a_plain_bootstrap() -> None:
    rows = normal(80, 7, 1) * 0.7 ** torch.arange(7) + 0.2
    found = bootstrap_subspace(rows, rank=7, replicates=40, level=0.8, generator=chance(5))
    values, distances = plain_bootstrap(rows.numpy(), 7, 40, 5)
    expected = {
        "eigenvalues": np.linalg.eigvalsh(rows.numpy().T @ rows.numpy() / 80)[::-1].copy(),
        "eigenvalue_intervals": np.quantile(values, [0.1, 0.9], axis=0).T,
        "distance_mean": distances.mean(0),
        "distance_intervals": np.quantile(distances, [0.1, 0.9], axis=0).T,
        "distance_max": distances.max(0),
    }
    for name, value in expected.items():
        torch.testing.assert_close(getattr(found, name), torch.from_numpy(value), rtol=0, atol=1e-7, msg=name)
    assert float(found.distance_max[-1]) == 0  # the whole space
    assert (found.samples, found.replicates, found.coordinates_used, found.level) == (80, 40, 7, 0.8)
    assert found.energy_left_out == 0


def test_any_orthonormal_basis_will_do() -> None:
    rows = normal(100, 6, 2) * 0.5 ** torch.arange(6)
    turned = rows @ torch.linalg.qr(normal(6, 6, 3))[0]
    one, other = (bootstrap_subspace(given, rank=3, replicates=20, generator=chance(1)) for given in (rows, turned))
    for name in ("eigenvalues", "eigenvalue_intervals", "distance_mean", "distance_max"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=0, atol=1e-7)


def test_intervals_cover_the_eigenvalues_of_the_population() -> None:
    spectrum = torch.tensor([9.0, 4.0, 1.0, 0.25], dtype=torch.float64)
    trials, covered = 60, torch.zeros(4)
    for trial in range(trials):
        rows = normal(400, 4, trial) * spectrum.sqrt()
        low, high = bootstrap_subspace(
            rows, rank=4, replicates=60, level=0.9, generator=chance(trial)
        ).eigenvalue_intervals.T
        covered += (low <= spectrum) & (spectrum <= high)
    # 0.90 +- 0.04 for sixty trials; percentile intervals of a few hundred rows are known to fall a little short
    assert bool((covered / trials > 0.78).all())
    assert bool((covered / trials < 1).all())


def test_distances_are_those_of_perturbation_theory() -> None:
    spectrum = torch.tensor([4.0, 1.0], dtype=torch.float64)
    rows = normal(20_000, 2, 4) * spectrum.sqrt()
    found = bootstrap_subspace(rows, rank=1, replicates=300, generator=chance(2))
    # one angle: normal with variance lambda_1 lambda_2 / (lambda_1 - lambda_2)^2 / m; sought is its mean modulus
    deviation = (4.0 * 1.0 / 9.0 / 20_000) ** 0.5
    assert float(found.distance_mean[0]) == pytest.approx(deviation * (2 / torch.pi) ** 0.5, rel=0.15)


def test_more_rows_make_it_surer() -> None:
    rows = normal(8000, 10, 6) * 0.8 ** torch.arange(10)
    few, many = (bootstrap_subspace(rows[:count], rank=5, generator=chance(3)) for count in (500, 8000))
    assert bool((many.distance_mean < 0.5 * few.distance_mean).all())
    widths = [found.eigenvalue_intervals.diff(dim=1).squeeze(1) for found in (few, many)]
    assert bool((widths[1] < 0.5 * widths[0]).all())


def test_few_leading_coordinates_suffice_where_the_rest_is_small() -> None:
    rows = normal(600, 40, 7) * 0.7 ** torch.arange(40)
    whole = bootstrap_subspace(rows, rank=5, replicates=30, leading=40, generator=chance(4))
    some = bootstrap_subspace(rows, rank=5, replicates=30, leading=15, generator=chance(4))
    assert some.coordinates_used == 15
    assert some.energy_left_out == pytest.approx(float(rows[:, 15:].square().sum() / rows.square().sum()), rel=1e-6)
    torch.testing.assert_close(some.eigenvalue_intervals, whole.eigenvalue_intervals, rtol=1e-4, atol=0)
    torch.testing.assert_close(some.distance_mean, whole.distance_mean, rtol=1e-2, atol=0)


def test_default_number_of_coordinates() -> None:
    def used(columns: int, rank: int) -> int:
        return bootstrap_subspace(torch.ones(3, columns), rank=rank, replicates=1).coordinates_used

    assert (used(150, 10), used(300, 10), used(300, 120)) == (150, 200, 240)


def test_one_row_and_rows_of_zeros() -> None:
    one = bootstrap_subspace(torch.tensor([[3.0, 4.0]]), rank=2, replicates=5)
    assert one.eigenvalues.tolist() == [25, 0]
    assert one.eigenvalue_intervals[0].tolist() == [25, 25]
    assert float(one.distance_max.max()) < 1e-7
    zeros = bootstrap_subspace(torch.zeros(4, 2), rank=1, replicates=5)
    assert zeros.eigenvalues.tolist() == [0]
    assert zeros.energy_left_out == 0


def test_one_generator_gives_one_result() -> None:
    rows = normal(50, 4, 8).float()
    results = [bootstrap_subspace(rows, rank=2, generator=chance(seed)) for seed in (1, 1, 2)]
    assert isinstance(results[0], Bootstrap)
    assert torch.equal(results[0].distance_mean, results[1].distance_mean)
    assert not torch.equal(results[0].distance_mean, results[2].distance_mean)


def test_wrong_input_is_refused() -> None:
    rows = normal(20, 4, 9)
    refused = [
        (lambda: bootstrap_subspace(rows[0], 1), r"both at least 1, got \(4,\)"),
        (lambda: bootstrap_subspace(rows[:0], 1), r"both at least 1, got \(0, 4\)"),
        (lambda: bootstrap_subspace(rows * float("nan"), 1), "coordinates must be finite, got nan in row 0"),
        (lambda: bootstrap_subspace(rows, 0), "rank must be between 1 and the 4 coordinates used, got 0"),
        (lambda: bootstrap_subspace(rows, 5), "rank must be between 1 and the 4 coordinates used, got 5"),
        (lambda: bootstrap_subspace(rows, 3, leading=2), "between 1 and the 2 coordinates used, got 3"),
        (lambda: bootstrap_subspace(rows, 1, leading=5), "between 1 and the 4 coordinates given, got 5"),
        (lambda: bootstrap_subspace(rows, 1, replicates=0), "replicates must be at least 1, got 0"),
        (lambda: bootstrap_subspace(rows, 1, level=1.0), "level must lie between 0 and 1, got 1.0"),
    ]
    for call, message in refused:
        with pytest.raises(InputError, match=message):
            call()
