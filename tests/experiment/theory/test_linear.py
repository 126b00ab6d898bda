from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import nn
from torch.nn import functional

from corank.errors import InputError
from corank.experiment.theory import SignData, SignPoints, TheoryTraining, linear_run
from corank.experiment.theory.linear import _drawn, accuracy_of, train_linear


def test_a_step_is_that_of_backpropagation_through_both_layers() -> None:
    data = SignData.drawn(6, torch.Generator().manual_seed(0))
    options = TheoryTraining(width=30, epochs=2, batch_size=16)
    found = train_linear(data, options, torch.Generator().manual_seed(4), seed=5)
    weights = torch.Generator().manual_seed(4)
    layers = OrderedDict(first=nn.Linear(6, 30, bias=False), second=nn.Linear(30, 2, bias=False))
    network = nn.Sequential(layers)
    network.first.weight.data = _drawn(30, 6, weights)
    network.second.weight.data = _drawn(2, 30, weights)
    adam = torch.optim.Adam(network.parameters(), lr=options.learning_rate)
    batches = SignPoints(data, options.batch_of(6), seed=5)
    for epoch in range(2):
        batches.set_epoch(epoch)
        for x, y in batches:
            adam.zero_grad()
            functional.cross_entropy(network(x), y).backward()
            adam.step()
    expected = network.second.weight @ network.first.weight
    assert found.numpy() == pytest.approx(expected.detach().numpy(), abs=1e-5)


def test_initial_weights_are_drawn_as_pytorch_draws_them() -> None:
    ours, theirs = _drawn(400, 25, torch.Generator().manual_seed(0)), nn.Linear(25, 400).weight.detach()
    assert float(ours.abs().max()) <= 1 / 5
    assert float(ours.std()) == pytest.approx(float(theirs.std()), rel=0.03)


@pytest.mark.parametrize("seed", range(6))
def test_the_accuracy_is_one_where_the_last_sign_outweighs_all_others(seed: int) -> None:
    """All sign vectors being there, the worst of them decides."""
    chance = torch.Generator().manual_seed(seed)
    data = SignData.drawn(7, chance)
    along = torch.rand(7, dtype=torch.float64, generator=chance) / 6
    along[-1] = -1.0
    weights = torch.linalg.solve(data.matrix.T, along)
    assert accuracy_of(data, weights) == 1.0
    along[-1] = -float(along[:-1].sum()) * 0.9
    worst = accuracy_of(data, torch.linalg.solve(data.matrix.T, along))
    assert 0.5 < worst < 1
    assert accuracy_of(data, -weights) == 0.0


def test_an_accurate_network_looks_at_what_is_predicted() -> None:
    """Theorem 6; the mean distance over ten runs was 0.03 in the paper's table for larger networks."""
    options = TheoryTraining(width=1000)
    runs = [linear_run(8, seed, options) for seed in range(10)]
    valid = [run for run in runs if run.is_valid]
    assert len(valid) >= 3
    assert sum(run.gap for run in valid) / len(valid) < 0.05
    assert linear_run(8, 3, options) == runs[3]


def test_options_out_of_range_are_refused() -> None:
    for name, wrong in [
        ("width", 0), ("epochs", 0), ("batch_size", -1), ("learning_rate", 0.0), ("learning_rate", float("nan")),
        ("scale", float("inf")),
    ]:  # fmt: skip
        with pytest.raises(InputError, match=f"{name} must be .*, got {wrong}"):
            TheoryTraining(**{name: wrong})  # type: ignore[arg-type]
