"""What does a virtual low-rank layer of 16,384 features and rank 500 add to a training step of ResNet-18?

Batches of 128, a projection every ten steps: the layer before the fourth stage in Sanyal et al. 2020, Robustness via
Deep Low-Rank Representations. The dense W alone would take 1 GB.
"""

from __future__ import annotations

import resource
import statistics

import torch
from _common import arguments, seconds, spread, write
from torch import Tensor, nn

from corank.defend import LowRankLayer
from corank.zoo import build

FEATURES, RANK, BATCH, EVERY = 16_384, 500, 128, 10


def peak_mb() -> float:
    """The most memory that this process has held, in MB of 2^20 bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def layer_steps(projections: int) -> dict[str, object]:
    """The time of a step with its share of the projections, and the memory that the layer took."""
    chance = torch.Generator().manual_seed(0)
    plane = torch.randn(600, FEATURES, generator=chance) / FEATURES**0.5

    def activations() -> Tensor:
        drawn = torch.randn(BATCH, 600, generator=chance) @ plane
        return torch.relu(drawn).requires_grad_()

    layer = LowRankLayer(FEATURES, rank=RANK, every=EVERY)
    start = torch.cat([activations().detach() for _ in range(8)])
    layer.start(start)
    del start
    before = peak_mb()
    steps: list[float] = []
    for _ in range(projections * EVERY):
        a = activations()

        def step(a: Tensor = a) -> None:
            layer(a).backward()  # type: ignore[no-untyped-call]
            layer.project()

        steps.append(seconds(step))
    cycles = [statistics.mean(steps[at : at + EVERY]) for at in range(0, len(steps), EVERY)]
    largest = (RANK + EVERY * BATCH) * FEATURES * 4 / 2**20
    return {
        "step_with_its_share_of_projections_s": spread(cycles),
        "step_without_projection_s": spread([time for place, time in enumerate(steps) if (place + 1) % EVERY]),
        "step_with_projection_s": spread(steps[EVERY - 1 :: EVERY]),
        "memory_taken_mb": peak_mb() - before,
        "factors_at_most_mb": largest,
        "dense_w_mb": FEATURES**2 * 4 / 2**20,
        "rank": int(torch.linalg.matrix_rank((layer.rows * layer.values[:, None]).double() @ layer.rows.T.double())),
    }


def resnet_steps(repeats: int) -> dict[str, float]:
    """The time of a training step of ResNet-18."""
    network = build("resnet18", classes=10, generator=torch.Generator().manual_seed(0)).train()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    x, y = torch.rand(BATCH, 3, 32, 32), torch.randint(10, (BATCH,))

    def step() -> None:
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(x), y).backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    step()
    return spread([seconds(step) for _ in range(repeats)])


def main() -> None:
    """The layer first, so that its memory is not hidden by the network's."""
    options = arguments(__doc__ or "", threads=1, projections=3, repeats=5)
    layer = layer_steps(options.projections)
    network = resnet_steps(options.repeats)
    taken = layer["step_with_its_share_of_projections_s"]
    assert isinstance(taken, dict)
    found = {"features": FEATURES, "rank_wanted": RANK, "batch": BATCH, "every": EVERY, "layer": layer,
             "resnet18_step_s": network, "overhead": taken["median"] / network["median"]}  # fmt: skip
    write("low_rank_layer", "What does a low-rank layer add to a training step of ResNet-18?", found)


if __name__ == "__main__":
    main()
