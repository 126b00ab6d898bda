from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from corank.attack import victim as module
from corank.attack.losses import cross_entropy
from corank.attack.victim import Victim

from .nets import linear, right


def test_gradients_are_those_of_the_formula_and_leave_none_behind() -> None:
    network = linear()
    x, y = right(network)
    logits, losses, gradients = Victim(network).seen(x, y, cross_entropy)
    assert torch.equal(logits, network(x))
    assert torch.allclose(losses, nn.functional.cross_entropy(logits, y, reduction="none"))
    error = logits.softmax(1) - nn.functional.one_hot(y, 3)
    assert torch.allclose(gradients.flatten(1), error @ network[1].weight)
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not logits.requires_grad


@pytest.mark.parametrize("chunk", [1, 7, 20, 100])
def test_chunks_do_not_matter(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    network = linear()
    x, y = right(network)
    whole = Victim(network).seen(x, y, cross_entropy), Victim(network).logits(x)
    monkeypatch.setattr(module, "CHUNK", chunk)
    parts = Victim(network).seen(x, y, cross_entropy), Victim(network).logits(x)
    for one, two in zip((*whole[0], whole[1]), (*parts[0], parts[1]), strict=True):
        assert torch.allclose(one, two, atol=1e-14)


def test_it_counts_what_it_is_asked() -> None:
    network = linear()
    x, y = right(network)
    victim = Victim(network, (0.0, 1.0))
    victim.logits(x)
    victim.gradients(x[:3], y[:3], cross_entropy)
    victim.classes_under(x, [torch.zeros_like(x[0]), torch.ones_like(x[0])])
    assert (victim.asked.forward, victim.asked.gradients) == (60, 3)


def test_perturbed_inputs_are_clipped_where_there_are_bounds() -> None:
    network = linear()
    x, _ = right(network)
    far = 9 * torch.ones_like(x[0])
    assert torch.equal(Victim(network, (0.0, 1.0)).classes_under(x, [far])[0], network(torch.ones_like(x)).argmax(1))
    assert torch.equal(Victim(network).classes_under(x, [far])[0], network(x + 9).argmax(1))


class Cut(nn.Module):
    """Its outputs do not know their inputs."""

    def forward(self, x: Tensor) -> Tensor:
        return x.detach().flatten(1)[:, :2]


class Blind(nn.Module):
    """Its outputs do not depend on its inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.tensor([1.0, 2.0]))

    def forward(self, x: Tensor) -> Tensor:
        return self.bias.expand(len(x), 2)


@pytest.mark.parametrize("network", [Cut(), Blind()])
def test_a_network_that_hides_its_gradient_has_zeros(network: nn.Module) -> None:
    x = torch.rand(3, 1, 6, 6)
    found = Victim(network).gradients(x, torch.zeros(3, dtype=torch.long), cross_entropy)
    assert torch.equal(found, torch.zeros_like(x))


class Wrapped(nn.Module):
    """Logits in a dictionary."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"logits": self.network(x), "hidden": x}


def test_logits_are_found_in_what_a_network_returns() -> None:
    network = linear()
    x, y = right(network)
    one, two = (Victim(each).seen(x, y, cross_entropy) for each in (network, Wrapped(network)))
    assert all(map(torch.equal, one, two))
