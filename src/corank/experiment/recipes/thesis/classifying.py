"""What the tables of Chapters 3 and 4 share: neural ODEs that classify images, trained once for all that want them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from corank.experiment.bench import EVALUATION_BATCH, Bench, thinned
from corank.experiment.networks import Opened, open_network
from corank.experiment.ode.blocks import block_rows
from corank.experiment.recipe import digest
from corank.experiment.run_folder import load_weights
from corank.network import load_tensors, save_tensors
from corank.train import accuracy, fit
from corank.train.devices import checked_device
from corank.train.loop import Perturb
from corank.train.schedules import OneCycle, Steps
from corank.zoo import Batches, Dataset, load_data, training_defaults
from corank.zoo.nets import ode_names


@dataclass(frozen=True, kw_only=True)
class Classifying:
    """Under which circumstances networks are trained.

    Attributes:
        network: a name of the zoo.
        data: a name of the zoo.
        epochs: of stochastic gradient descent with momentum 0.9.
        batch_size: images a step.
        learning_rate: the largest of the schedule.
        drops: shares of the training after which the rate is a tenth; None has one cycle.
        channels: of the first convolution of a neural ODE.
        train_images: that are trained on.
        test_images: that decide on accuracies.
    """

    network: str
    data: str
    epochs: int
    batch_size: int = 128
    learning_rate: float = 0.1
    drops: tuple[float, ...] | None = field(default=None, metadata={"none": "one cycle"})
    channels: int = 64
    train_images: int | None = field(default=None, metadata={"none": "all"})
    test_images: int | None = field(default=None, metadata={"none": "all"})


@final
@dataclass(frozen=True, kw_only=True)
class FastPerturbation:
    """The inputs of fast adversarial training: one signed step from a random start (Wong, Rice and Kolter 2020).

    Attributes:
        radius: of the perturbation's largest entry.
        step: of the one step; the result is brought back within the radius.
        bounds: of the inputs.
    """

    radius: float = 8 / 255
    step: float = 10 / 255
    bounds: tuple[float, float] = (0.0, 1.0)

    def __call__(self, network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """The perturbed inputs."""
        start = self.radius * (2 * torch.rand_like(x) - 1)
        asked = (x + start).clamp(*self.bounds).requires_grad_()
        (slope,) = torch.autograd.grad(functional.cross_entropy(network(asked), y), asked)
        moved = (asked.detach() - x + self.step * slope.sign()).clamp(-self.radius, self.radius)
        return (x + moved).clamp(*self.bounds)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained network.

    Attributes:
        network: in evaluation mode.
        data: as much of it as is used.
        accuracy: on the test images.
        seconds: of its training.
        evaluations: of the field in the last step of the training, forward and backward, over all blocks.
    """

    network: nn.Module
    data: Dataset
    accuracy: float
    seconds: float
    evaluations: int


def trained(
    options: Classifying,
    built: Mapping[str, Any],
    bench: Bench,
    seed: int,
    *,
    perturb: Perturb | None = None,
    how: str = "",
) -> Trained:
    """A network with its data; trained where the store has it not yet.

    Args:
        options: of the training.
        built: options of the network.
        bench: whose store keeps the weights.
        seed: of weights, order and noise.
        perturb: of the inputs, for adversarial training.
        how: what the perturbation is, as the store names it.
    """
    whole = load_data(options.data, bench.sources.data_root)
    data = replace(
        whole, train=thinned(whole.train, options.train_images), test=thinned(whole.test, options.test_images)
    )
    own = {"channels": options.channels, **built} if options.network in ode_names() else dict(built)
    opened = open_network(options.network, dataset=data, options=own, seed=seed)
    training = {field.name: getattr(options, field.name) for field in fields(Classifying)}  # attacks are no part of it
    key = f"thesis/networks/{options.network}-{digest([training, dict(built), how])}/seed-{seed}"
    file = bench.store.path(f"{key}.safetensors")

    def train() -> Mapping[str, Any]:
        bench.report(f"training {options.network} on {options.data}: {dict(built)} {how}".rstrip())
        opened.network.to(checked_device(bench.sources.device))
        seconds = _fitted(options, opened, data, seed, perturb)
        cost = sum(row.evaluations_forward + row.evaluations_backward for row in block_rows(opened.network))
        file.parent.mkdir(parents=True, exist_ok=True)
        save_tensors(opened.network.cpu().state_dict(), file)
        return {"accuracy": accuracy_of(opened.network, data), "seconds": seconds, "evaluations": cost}

    found = bench.store.once(key, train)
    load_weights(opened.network, load_tensors(file), file)
    return Trained(network=opened.network.eval(), data=data, **found)


def accuracy_of(network: nn.Module, data: Dataset) -> float:
    """The share of test images that a network is right about."""
    return accuracy(network, Batches(data.test, EVALUATION_BATCH))


def _fitted(options: Classifying, opened: Opened, data: Dataset, seed: int, perturb: Perturb | None) -> float:
    defaults = training_defaults(options.network, options.data)

    def optimiser(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.SGD(
            parameters, lr=options.learning_rate, momentum=defaults.momentum, weight_decay=defaults.weight_decay
        )

    schedule: OneCycle | Steps = OneCycle() if options.drops is None else Steps(at=options.drops)
    history = fit(
        opened.network,
        Batches(data.train, options.batch_size, shuffle=True, seed=seed, augment=defaults.augment),
        epochs=options.epochs,
        optimiser=optimiser,
        schedule=schedule,
        perturb=perturb,
        seed=seed,
        label=f"training {options.network}",
    )
    return sum(row.seconds for row in history.rows)
