"""What do streaming active subspaces cost beside the forward and backward passes that they need anyway?

VGG-19, the papers' layers 5, 6 and 7 together (16,384 features each). The floor is a plain loop of forward and
backward passes without parameter gradients, over the same samples in the same batches; the rival is the paper's
algorithm, one singular value decomposition a row, timed on a few rows; the reference for accuracy are the exact
singular vectors of all gradients.
"""

from __future__ import annotations

import torch
from _common import arguments, batches, seconds, spread, vgg19_with_data, write
from torch import Tensor
from torch.nn import functional

from corank.measure import ActiveSubspace, ActiveSubspaces
from corank.measure.heldout import AT_MOST, EVERY
from corank.network import cut, evaluation_mode
from corank.zoo import Split

LAYERS = (5, 6, 7)


def main() -> None:
    """Measure and write the numbers."""
    options = arguments(__doc__.splitlines()[0], samples=4096, rank=50, batch_size=64, repeats=3, svd_rows=5)
    total = min(options.samples + AT_MOST, options.samples * EVERY // (EVERY - 1))
    network, split, said = vgg19_with_data(total)
    method = ActiveSubspace(layer=LAYERS, rank=options.rank, samples=options.samples)
    passes, streaming = [], []
    for _ in range(options.repeats):
        floor = Passes(network, split, options.batch_size)
        passes.append(seconds(floor.run))
        streaming.append(seconds(lambda: _keep(method.measure(network, batches(split, options.batch_size)))))
    found = _KEPT[-1]
    with_svd = svd_a_row_seconds(options.rank, options.svd_rows) * options.samples * len(LAYERS)
    ratios = [ours / floor for ours, floor in zip(streaming, passes, strict=True)]
    overhead = max(1e-9, spread(streaming)["median"] - spread(passes)["median"])
    write(
        "streaming_active_subspaces",
        __doc__.splitlines()[0],
        {
            "setting": {**vars(options), "network_and_data": said, "layers": LAYERS,
                        "samples_in_sketch": found.samples, "samples_held_out": found.samples_heldout},
            "passes_seconds": spread(passes),
            "streaming_seconds": spread(streaming),
            "ratio_to_passes": {**spread(ratios), "bar": 1.25},
            "svd_a_row_seconds_extrapolated": with_svd,
            "faster_than_svd_a_row": {"everything": with_svd / spread(streaming)["median"],
                                      "beyond_the_passes": with_svd / overhead, "bar": 50},
            "energy_captured_of_exact": [
                {"layer": layer, "share": share, "bar": 0.995}
                for layer, share in zip(LAYERS, captured_of_exact(network, split, found), strict=True)
            ],
        },
    )  # fmt: skip


_KEPT: list[ActiveSubspaces] = []


def _keep(found: ActiveSubspaces) -> None:
    _KEPT.append(found)


class Passes:
    """A plain loop over the network cut by hand: gradients at the three layers, thrown away."""

    def __init__(self, network: torch.nn.Module, split: Split, batch_size: int) -> None:
        example = next(iter(batches(split, 2)))[0]
        self.parts = []
        rest: torch.nn.Module = network
        for place, layer in enumerate(LAYERS):
            halves = cut(rest, layer if place == 0 else 1, example)
            self.parts.append(halves.pre)
            rest, example = halves.post, torch.zeros(2, *halves.shape)
        self.parts.append(rest)
        self.batches = batches(split, batch_size)
        for part in self.parts:
            part.requires_grad_(False).eval()

    def run(self) -> None:
        """All samples, forward and backward."""
        for x, y in self.batches:
            self.gradients(x, y)

    def gradients(self, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        """The gradients at the three layers for one batch."""
        points = [self.parts[0](x).requires_grad_()]
        for part in self.parts[1:-1]:
            points.append(part(points[-1]))
        loss = functional.cross_entropy(self.parts[-1](points[-1]), y, reduction="sum")
        return torch.autograd.grad(loss, points)


def svd_a_row_seconds(rank: int, rows: int, features: int = 16_384) -> float:
    """The time of one step of the paper's algorithm, the median of a few."""
    buffer = torch.randn(features, rank)
    return spread([seconds(lambda: torch.linalg.svd(buffer, full_matrices=False)) for _ in range(rows)])["median"]


def captured_of_exact(network: torch.nn.Module, split: Split, found: ActiveSubspaces) -> list[float]:
    """The gradient energy in our directions over that in the exact ones, over the samples of the sketch."""
    floor = Passes(network, split, 64)
    rows: list[list[Tensor]] = [[] for _ in LAYERS]
    held = 0
    with evaluation_mode(network):
        for x, y in floor.batches:
            aside = torch.arange(len(x)) % EVERY == EVERY - 1
            keep = torch.ones(len(x), dtype=torch.bool) if held >= AT_MOST else ~aside
            held += int((~keep).sum())
            for place, gradient in enumerate(floor.gradients(x[keep], y[keep])):
                rows[place].append(gradient.flatten(1))
    shares = []
    for place, layer in enumerate(found.layers):
        matrix = torch.cat(rows[place])[: found.samples]
        rows[place].clear()
        exact = torch.linalg.eigvalsh((matrix @ matrix.T).double()).flip(0)[: len(layer.directions)].sum()
        ours = (matrix @ layer.directions.T).double().square().sum()
        shares.append(float(ours / exact))
    return shares


if __name__ == "__main__":
    main()
