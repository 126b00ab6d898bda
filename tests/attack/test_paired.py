from __future__ import annotations

import pytest
import torch
from scipy.stats import binomtest
from torch import Tensor, nn

from corank.attack.budget import Norm
from corank.attack.evaluation import Evaluation, evaluate
from corank.attack.paired import paired
from corank.attack.pgd import PGD
from corank.errors import InputError


def evaluation_of(
    seed: int, images: Tensor, labels: Tensor, radii: tuple[float, ...] = (0.02, 0.1), norm: Norm = "linf"
) -> Evaluation:
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Flatten(), nn.Linear(9, 16), nn.ReLU(), nn.Linear(16, 2)).eval()
    attacks = {"pgd": PGD(norm=norm, radius=1.0, steps=5)}
    return evaluate(network, images, labels, radii=radii, norm=norm, attacks=attacks, progress=False)


def samples() -> tuple[Tensor, Tensor]:
    return torch.rand(80, 1, 3, 3), torch.randint(2, (80,))


def test_pairs_are_counted_input_by_input() -> None:
    images, labels = samples()
    first, second = (evaluation_of(seed, images, labels) for seed in (0, 1))
    pairings = paired(first, second)
    assert [each.radius for each in pairings] == [0.0, 0.02, 0.1]
    for each in pairings:
        own = [(one.of("worst") if each.radius else one.of("clean")) for one in (first, second)]
        shares = [next(row.accuracy for row in rows if row.radius == each.radius) for rows in own]
        assert [each.both + each.only_first, each.both + each.only_second] == [round(80 * share) for share in shares]
        assert each.both + each.only_first + each.only_second + each.neither == 80
        uneven = each.only_first + each.only_second
        assert each.p_value == pytest.approx(binomtest(each.only_first, uneven).pvalue if uneven else 1.0)
    assert pairings[0].only_first > 0


def test_a_network_is_as_good_as_itself() -> None:
    evaluation = evaluation_of(0, *samples())
    assert {(each.only_first, each.only_second, each.p_value) for each in paired(evaluation, evaluation)} == {(0, 0, 1)}


def test_only_radii_of_both_are_compared() -> None:
    images, labels = samples()
    pairings = paired(evaluation_of(0, images, labels), evaluation_of(1, images, labels, (0.1, 0.3)))
    assert [each.radius for each in pairings] == [0.0, 0.1]


def test_evaluations_that_cannot_be_compared_are_refused() -> None:
    images, labels = samples()
    first = evaluation_of(0, images, labels)
    with pytest.raises(InputError, match="in one norm, got linf and l2"):
        paired(first, evaluation_of(1, images, labels, norm="l2"))
    for wrong in (evaluation_of(1, images.flip(0), labels), evaluation_of(1, images[:9], labels[:9])):
        with pytest.raises(InputError, match="of the same inputs"):
            paired(first, wrong)
