from __future__ import annotations

import pytest
import torch

from corank.attack import FGSM, PGD
from corank.attack.budget import Norm
from corank.errors import InputError

from .nets import digits, linear, nearest_boundary, right


def test_it_is_that_of_the_outside_library() -> None:
    attacks = pytest.importorskip("foolbox.attacks")
    network, x, y = digits()
    model = pytest.importorskip("foolbox.models.pytorch").PyTorchModel(network, bounds=(0, 1), device="cpu")
    for radius in (0.02, 0.05, 0.2):
        theirs = attacks.LinfFastGradientAttack()(model, x, y, epsilons=radius)[1]
        ours = FGSM(radius=radius).attack(network, x, y)
        some = ours.clean == y
        assert torch.allclose(ours.inputs[some], theirs[some], atol=1e-6)
        assert ours.accuracy == float(((model(theirs).argmax(1) == y) & some).double().mean())


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_of_two_linear_classes_no_attack_fools_more(norm: Norm) -> None:
    network = linear(2)
    x, y = right(network, 50)
    distances = nearest_boundary(network, x, y, norm)
    for radius in distances.quantile(torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)).tolist():
        found = FGSM(norm=norm, radius=radius).attack(network, x, y)
        sure = (distances / radius - 1).abs() > 1e-9
        assert torch.equal(found.succeeded[sure], (distances <= radius)[sure])


def test_it_is_a_descent_of_one_step_from_the_input() -> None:
    one = FGSM(radius=0.05, loss="margin").attack(*digits())
    two = PGD(radius=0.05, steps=1, step_size=0.05, random_start=False, loss="margin").attack(*digits())
    assert torch.equal(one.succeeded, two.succeeded)
    assert (one.gradients, one.forward) == (two.gradients, two.forward)


def test_an_unknown_loss_is_refused() -> None:
    with pytest.raises(InputError, match=r"loss must be one of .* got 'hinge'"):
        FGSM(radius=0.1, loss="hinge")  # type: ignore[arg-type]
