from __future__ import annotations

from functools import partial

import torch
from torch import nn

from corank.train import L1, fit


def test_its_proximal_step_is_the_soft_threshold() -> None:
    network = nn.Linear(4, 1)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[3.0, -0.5, 0.2, -2.0]]))
    L1(strength=2.0).proximal_step(network, 0.25)
    torch.testing.assert_close(network.weight.data, torch.tensor([[2.5, 0.0, 0.0, -1.5]]))


def test_proximal_steps_find_the_few_inputs_that_matter() -> None:
    x = torch.randn(200, 12)
    y = (x[:, 3] > 0).long()
    penalty, network = L1(strength=0.05), nn.Linear(12, 2)

    def sparse(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        optimiser = torch.optim.SGD(parameters, lr=0.5)
        optimiser.register_step_post_hook(lambda *_: penalty.proximal_step(network, optimiser.param_groups[0]["lr"]))
        return optimiser

    history = fit(network, [(x, y)], epochs=200, optimiser=sparse)
    used = network.weight.abs().sum(0) > 0
    assert used.tolist() == [index == 3 for index in range(12)]
    assert history.rows[-1].accuracy > 0.9


def test_as_a_term_of_the_loss_it_shrinks_the_weights() -> None:
    batch = torch.randn(32, 6), torch.arange(32) % 2
    sizes = []
    for penalties in ([], [L1(strength=0.02)]):
        torch.manual_seed(0)
        network = nn.Linear(6, 2)
        fit(network, [batch], epochs=100, optimiser=partial(torch.optim.SGD, lr=0.1), penalties=penalties)
        sizes.append(network.weight.abs().sum().item())
    assert sizes[1] < 0.8 * sizes[0]
