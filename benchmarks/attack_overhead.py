"""What does a descent cost beyond its passes forward and back?

Our PGD, with everything that the evaluation asks of it (checks, the path, the best inputs, the network asked again, the
guard that it is unchanged), beside a bare loop of the same steps from the same starts and beside foolbox, in turns. All
end in the same accuracy, which is reported. Stopping early is off: all do the same passes.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path

import torch
from _common import arguments, seconds, spread, write
from torch import Tensor, nn
from torch.nn import functional

import corank
from corank.attack.budget import Budget
from corank.attack.transferred import TransferredDescent
from corank.experiment import open_network
from corank.zoo import load_data

RADIUS = 0.1


def main() -> None:
    """Measure and write the numbers."""
    options = arguments((__doc__ or "").splitlines()[0], threads=1, images=256, steps=40, repeats=7)
    data = load_data("mnist")
    folder = Path("runs/cnn4")
    network = corank.load(folder) if folder.is_dir() else open_network("cnn4", dataset=data).network.eval()
    x = data.test.images[: options.images].float() / 255
    with torch.no_grad():
        y = network(x).argmax(1)
    rows = []
    for threads in sorted({1, options.threads}):
        torch.set_num_threads(threads)
        rows += measured(network, x, y, options.steps, options.repeats, threads)
    setting = {**vars(options), "network": "cnn4", "trained": folder.is_dir(), "radius": RADIUS}
    write("attack_overhead", (__doc__ or "").splitlines()[0], {"setting": setting, "rows": rows})


def measured(
    network: nn.Module, x: Tensor, y: Tensor, steps: int, repeats: int, threads: int
) -> list[dict[str, object]]:
    """Seconds of each in turns, and how often the bare loop's in the same turn."""
    works = {"bare loop": bare, "corank": ours, "foolbox": foolbox}
    times: dict[str, list[float]] = {name: [] for name in works}
    ends: dict[str, Tensor] = {}
    for turn in range(repeats + 1):
        for name, work in works.items():
            took = seconds(lambda work=work, name=name: ends.__setitem__(name, work(network, x, y, steps)))
            if turn:  # the first is to warm up
                times[name].append(took)
    return [
        {
            "threads": threads, "method": name, "seconds": spread(taken),
            "times_bare": spread([one / two for one, two in zip(taken, times["bare loop"], strict=True)]),
            "ratio_of_medians": statistics.median(taken) / statistics.median(times["bare loop"]),
            "accuracy": float((network(ends[name]).argmax(1) == y).double().mean()),
        }
        for name, taken in times.items()
    ]  # fmt: skip


Work = Callable[[nn.Module, Tensor, Tensor, int], Tensor]


def ours(network: nn.Module, x: Tensor, y: Tensor, steps: int) -> Tensor:
    """By the attack."""
    return TransferredDescent(radius=RADIUS, steps=steps).attack(network, x, y).inputs


def bare(network: nn.Module, x: Tensor, y: Tensor, steps: int) -> Tensor:
    """The loop that anybody would write."""
    size = 2.5 * RADIUS / steps
    moved = (x + Budget(norm="linf", radius=RADIUS).random(x, torch.Generator().manual_seed(0))).clamp(0, 1)
    for _ in range(steps):
        moved.requires_grad_()
        loss = functional.cross_entropy(network(moved), y, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, moved)
        moved = moved.detach() + size * gradient.sign()
        moved = (x + (moved - x).clamp(-RADIUS, RADIUS)).clamp(0, 1)
    return moved


def foolbox(network: nn.Module, x: Tensor, y: Tensor, steps: int) -> Tensor:
    """By the library; it fills the gradients of the parameters, which are taken away again."""
    from foolbox import PyTorchModel
    from foolbox.attacks import LinfPGD

    model = PyTorchModel(network, bounds=(0, 1), device=x.device)
    found: Tensor = LinfPGD(steps=steps, abs_stepsize=2.5 * RADIUS / steps)(model, x, y, epsilons=RADIUS)[1]
    network.zero_grad()
    return found


if __name__ == "__main__":
    main()
