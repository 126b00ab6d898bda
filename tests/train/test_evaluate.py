from __future__ import annotations

import pytest
import torch
from torch import nn

from corank.errors import InputError
from corank.train import accuracy, predict


def make_network() -> nn.Sequential:
    network = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout(0.5)).train()
    network[1].eval()
    return network


def batches_of(x: torch.Tensor, y: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return list(zip(x.split(5), y.split(5), strict=True))


def test_accuracy_is_the_share_of_right_answers_whatever_the_batches() -> None:
    scores = torch.eye(3)[torch.arange(17) % 3]
    y = torch.arange(17) % 3
    y[:4] = (y[:4] + 1) % 3
    assert accuracy(nn.Identity(), batches_of(scores, y)) == 13 / 17


def test_every_position_of_a_map_counts() -> None:
    scores = torch.zeros(2, 3, 4)
    scores[:, 1] = 1
    y = torch.ones(2, 4, dtype=torch.long)
    y[0, 0] = 2
    assert accuracy(nn.Identity(), [(scores, y)]) == 7 / 8


def test_predict_gives_the_outputs_of_evaluation_mode_in_order() -> None:
    network, x = make_network(), torch.randn(17, 4)
    outputs = predict(network, batches_of(x, torch.zeros(17)))
    with torch.no_grad():
        torch.testing.assert_close(outputs, network.eval()(x))


def test_outputs_can_be_learnt_from() -> None:
    outputs = predict(nn.Linear(4, 3), [(torch.randn(5, 4), torch.zeros(5))])
    weight = torch.ones(3, requires_grad=True)
    (outputs @ weight).sum().backward()
    assert weight.grad is not None


def test_the_network_comes_back_as_it_was() -> None:
    network = make_network()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    modes = [module.training for module in network.modules()]

    def interrupted():
        yield torch.randn(5, 4), torch.zeros(5, dtype=torch.long)
        assert [module.training for module in network.modules()] == modes, "between the batches"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        accuracy(network, interrupted())
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("verb", [accuracy, predict])
def test_no_samples_are_refused(verb) -> None:
    with pytest.raises(InputError, match="no samples"):
        verb(nn.Identity(), [])


def test_labels_that_do_not_belong_to_the_outputs_are_refused() -> None:
    with pytest.raises(InputError, match=r"got \(5, 3\) and \(5,\) of torch.float32"):
        accuracy(nn.Identity(), [(torch.zeros(5, 3), torch.zeros(5))])
