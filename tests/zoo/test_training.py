"""Every network has a training, the optimiser is what the options say, the digits reach their accuracy."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from corank.zoo import Batches, Split, build, load_data, network_names, training_defaults


@pytest.mark.parametrize("name", [*network_names(), "my_module:my_network"])
def test_every_network_has_a_training_that_steps_downhill(name: str) -> None:
    options = training_defaults(name, "digits")
    assert options.augment is None
    assert options.optimiser == ("sgd" if name in network_names() else "adamw")  # the zoo's have rows of their own
    weight = torch.nn.Parameter(torch.tensor([3.0]))
    optimiser = options.make_optimiser([weight])
    assert optimiser.param_groups[0]["lr"] == options.learning_rate
    weight.square().sum().backward()
    optimiser.step()
    assert 0 < weight.item() < 3


def test_options_reach_the_optimiser() -> None:
    known = training_defaults("resnet20", "cifar10-jpeg")
    optimiser = known.make_optimiser([torch.nn.Parameter(torch.zeros(1))])
    assert isinstance(optimiser, torch.optim.SGD)
    assert (optimiser.defaults["momentum"], optimiser.defaults["weight_decay"]) == (0.9, 5e-4)
    unknown = training_defaults("my_module:my_network", "my.npz")
    optimiser = unknown.make_optimiser([torch.nn.Parameter(torch.zeros(1))])
    assert isinstance(optimiser, torch.optim.AdamW)
    assert optimiser.defaults["weight_decay"] == unknown.weight_decay


def test_only_photographs_are_flipped() -> None:
    assert training_defaults("vgg19", "cifar10-jpeg").augment is not None
    assert training_defaults("cnn4", "mnist").augment is None
    assert training_defaults("vgg19", "my.npz").augment is None


def right_answers(network: torch.nn.Module, split: Split, mean: float, std: float) -> float:
    network.eval()
    with torch.inference_mode():
        right = sum(int((network((x - mean) / std).argmax(1) == y).sum()) for x, y in Batches(split, 200))
    return right / len(split)


def test_the_digits_reach_their_accuracy_in_half_the_epochs() -> None:
    data, options = load_data("digits"), training_defaults("vgg_digits", "digits")
    network = build("vgg_digits", classes=10, generator=torch.Generator().manual_seed(0))
    optimiser = options.make_optimiser(network.parameters())
    batches = Batches(data.train, options.batch_size, shuffle=True)
    epochs, step = options.epochs // 2, 0
    (mean,), (std,) = data.mean, data.std
    for epoch in range(epochs):
        batches.set_epoch(epoch)
        for x, y in batches:
            factor = options.schedule((step + 0.5) / (epochs * len(batches)))
            optimiser.param_groups[0]["lr"] = options.learning_rate * factor
            optimiser.zero_grad()
            cross_entropy(network((x - mean) / std), y).backward()
            optimiser.step()
            step += 1
    assert right_answers(network, data.test, mean, std) >= 0.97  # the full training: 0.98 or more
