"""Which universal attack fools most for so many sample-gradients, and in so many seconds?

LeNet on MNIST and ResNet-20 on cifar10-jpeg, with weights also VGG-19, at equal l2 radii in pixel space, clipped to
[0, 1], 500 training images, five seeds. Every method may take 100,000 sample-gradients; those that end earlier are
stopped where their own rule ends. The held-out ratio along the way is asked of the vectors afterwards, outside the
timing. Each run is one line of `universal_curves.jsonl`, and what is there is not run again: an interrupted
benchmark goes on, and whatever is done is summed up.

CORANK_RUNS names the folder with the run folders `lenet` and `resnet20`.
"""

from __future__ import annotations

import json
import os
import statistics
from pathlib import Path
from typing import Any

import torch
from _common import RESULTS, arguments, vgg19_with_data, write
from torch import Tensor, nn

import corank.attack
from corank import load, load_data
from corank.attack.shares import Step
from corank.attack.universal import UniversalAttack
from corank.attack.victim import Victim
from corank.discover import methods_of
from corank.zoo import Split

MOST = 100_000
POINTS = (1_000, 2_500, 5_000, 10_000, 20_000, 50_000, 100_000)
SETTINGS = {
    "lenet": ("mnist", (2.0, 3.0)),
    "resnet20": ("cifar10-jpeg", (1.0, 2.0)),
    "vgg19": ("cifar10-jpeg", (1.0, 2.0)),
}
DONE = RESULTS / "universal_curves.jsonl"


def main() -> None:
    """Run what is missing, write a line each, sum up."""
    options = arguments(__doc__.splitlines()[0], images=500, seeds=5, test=2000, networks=3)
    methods = methods_of(corank.attack, UniversalAttack)
    RESULTS.mkdir(exist_ok=True)
    rows = [json.loads(line) for line in DONE.read_text().splitlines()] if DONE.is_file() else []
    done = {key(row) for row in rows}
    for place in list(SETTINGS)[: options.networks]:
        data, radii = SETTINGS[place]
        network = opened(place)
        for seed in range(options.seeds):
            train, test = images_of(data, options.images, options.test, seed)
            for radius in radii:
                for name, method in methods.items():
                    told = {"network": place, "method": name, "radius": radius, "seed": seed}
                    if key(told) in done:
                        continue
                    row = {**told, **curve(method(radius=radius, seed=seed, most_gradients=MOST), network, train, test)}
                    rows.append(row)
                    with DONE.open("a") as file:
                        file.write(json.dumps(row) + "\n")
                    print(told, row["fooled_heldout"], row["sample_gradients"], round(row["seconds"], 1), flush=True)
    write("universal_curves", __doc__.splitlines()[0], {"setting": vars(options), "summary": summary(rows)})


def key(row: dict[str, Any]) -> tuple[Any, ...]:
    """What tells one run from another."""
    return row["network"], row["method"], row["radius"], row["seed"]


def opened(place: str) -> nn.Module:
    """A network in evaluation mode, its normalisation inside."""
    if place == "vgg19":
        return vgg19_with_data(2)[0].eval()
    return load(Path(os.environ["CORANK_RUNS"]) / place)


def images_of(data: str, images: int, test: int, seed: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Training images drawn by the seed, and the same test images always."""
    dataset = load_data(data)

    def some(split: Split, count: int, by: int) -> tuple[Tensor, Tensor]:
        chosen = split.select(torch.randperm(len(split), generator=torch.Generator().manual_seed(by))[:count])
        return chosen.images.float() / 255, chosen.labels

    return some(dataset.train, images, seed), some(dataset.test, test, 0)


def curve(
    attack: UniversalAttack, network: nn.Module, train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]
) -> dict[str, Any]:
    """A run, with the held-out ratio of the best vector so far whenever there was a better one."""
    kept: list[tuple[Step, Tensor]] = []

    def told(step: Step, best: Tensor) -> None:
        if not kept or step.fooled > kept[-1][0].fooled:
            kept.append((step, best))

    found = attack.attack(network, *train, heldout=test, bounds=(0.0, 1.0), told=told)
    judge = Victim(network, (0.0, 1.0))
    clean = judge.classes(test[0])
    points = [
        {"gradients": step.gradients, "forward": step.forward, "seconds": step.seconds, "fooled_train": step.fooled,
         "fooled_heldout": float((judge.classes_under(test[0], [best])[0] != clean).double().mean())}
        for step, best in kept
    ]  # fmt: skip
    assert found.heldout is not None
    return {"fooled_train": found.train.fooled, "fooled_heldout": found.heldout.fooled, "seconds": found.seconds,
            "sample_gradients": found.gradients, "forward_passes": found.forward, "message": found.message,
            "points": points}  # fmt: skip


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Medians over the seeds, at the end and at equal numbers of sample-gradients."""
    found = []
    for network, method, radius in dict.fromkeys(key(row)[:3] for row in rows):
        these = [row for row in rows if key(row)[:3] == (network, method, radius)]
        found.append(
            {"network": network, "radius": radius, "method": method, "seeds": len(these),
             **{name: statistics.median(row[name] for row in these)
                for name in ("fooled_heldout", "fooled_train", "sample_gradients", "forward_passes", "seconds")},
             "heldout_at_gradients": [
                 {"gradients": most, "fooled_heldout": statistics.median(at(row["points"], most) for row in these)}
                 for most in POINTS
             ]}
        )  # fmt: skip
    return found


def at(points: list[dict[str, float]], most: int) -> float:
    """The last ratio within so many gradients."""
    return max((point for point in points if point["gradients"] <= most), key=lambda point: point["gradients"],
               default={"fooled_heldout": 0.0})["fooled_heldout"]  # fmt: skip


if __name__ == "__main__":
    main()
