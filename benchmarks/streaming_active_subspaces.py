"""What do streaming active subspaces cost beside the forward and backward passes that they need anyway?

VGG-19, the papers' layers 5, 6 and 7 together (16,384 features each). The floor is a plain loop of forward and
backward passes without parameter gradients, over the same samples in the same batches. The rival is the paper's
algorithm, one singular value decomposition a row, timed on a few rows at the same sketch size and at the paper's,
against our sketch alone on the same rows. The reference for accuracy are the exact singular vectors of all gradients.
"""

from __future__ import annotations

import torch
from _common import arguments, batches, seconds, spread, vgg19_with_data, write
from torch import Tensor
from torch.nn import functional

from corank.linalg import FrequentDirections
from corank.measure import ActiveSubspace, ActiveSubspaces, HeldOut
from corank.measure.heldout import AT_MOST, EVERY
from corank.network import cut
from corank.zoo import Split

LAYERS = (5, 6, 7)


def main() -> None:
    """Measure and write the numbers."""
    options = arguments(__doc__.splitlines()[0], samples=4096, rank=50, batch_size=64, repeats=3, svd_rows=9)
    total = min(options.samples + AT_MOST, options.samples * EVERY // (EVERY - 1))
    network, split, said = vgg19_with_data(total)
    method = ActiveSubspace(layer=LAYERS, rank=options.rank, samples=options.samples)
    floor = Passes(network, split, options.batch_size)
    passes, streaming = [], []
    for _ in range(options.repeats):
        passes.append(seconds(floor.run))
        streaming.append(seconds(lambda: method.measure(network, batches(split, options.batch_size))))
    found = method.measure(network, batches(split, options.batch_size))
    rows = gradients_of_sketch(floor)
    captured = [
        {"layer": place, **captured_of_exact(matrix[: found.samples], layer.directions), "bar": 0.995}
        for place, matrix, layer in zip(LAYERS, rows, found.layers, strict=True)
    ]
    ratios = [ours / least for ours, least in zip(streaming, passes, strict=True)]
    write(
        "streaming_active_subspaces",
        __doc__.splitlines()[0],
        {
            "setting": {**vars(options), "network_and_data": said, "layers": LAYERS, **described(found)},
            "passes_seconds": spread(passes),
            "streaming_seconds": spread(streaming),
            "ratio_to_passes": {**spread(ratios), "bar": 1.25},
            "sketch_against_svd_a_row": against_svd(rows[0][: found.samples], options),
            "energy_captured_of_exact": captured,
        },
    )


def described(found: ActiveSubspaces) -> dict[str, int]:
    """How many samples were used and how large the sketches were."""
    return {
        "samples_in_sketch": found.samples,
        "samples_held_out": found.samples_heldout,
        "sketch_size": found.layers[0].sketch_size,
    }


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


def gradients_of_sketch(floor: Passes) -> list[Tensor]:
    """All gradients of the samples that are not held out, a matrix a layer."""
    heldout = HeldOut()
    kept: list[list[Tensor]] = [[] for _ in LAYERS]
    for x, y in floor.batches:
        for rows, gradient in zip(kept, floor.gradients(*heldout.take(x, y)), strict=True):
            rows.append(gradient.flatten(1))
    return [torch.cat(rows) for rows in kept]


def captured_of_exact(rows: Tensor, directions: Tensor) -> dict[str, float]:
    """The gradient energy in our directions over that in as many exact ones."""
    exact = torch.linalg.eigvalsh((rows @ rows.T).double()).flip(0)[: len(directions)].sum()
    ours = (rows @ directions.T).double().square().sum()
    return {"share": float(ours / exact), "exact_share_of_all": float(exact / rows.double().square().sum())}


def against_svd(rows: Tensor, options: object) -> dict[str, object]:
    """Our sketch of one layer's gradients against one decomposition a row, extrapolated from a few rows."""
    settings = vars(options)
    size = 2 * settings["rank"]
    times = []
    for _ in range(settings["repeats"]):
        sketch = FrequentDirections(size, rows.shape[1])
        times.append(
            seconds(lambda sketch=sketch: [sketch.update(part) for part in rows.split(settings["batch_size"])])
        )
    ours = spread(times)
    rivals = []
    for kept in (size, settings["rank"]):
        buffer = rows[:kept].T.contiguous()
        one = [
            seconds(lambda buffer=buffer: torch.linalg.svd(buffer, full_matrices=False))
            for _ in range(settings["svd_rows"])
        ]
        whole = spread(one)["median"] * len(rows)
        rivals.append(
            {"rows_kept": kept, "seconds_extrapolated": whole, "times_slower": whole / ours["median"], "bar": 50}
        )
    return {"rows": len(rows), "features": rows.shape[1], "sketch_seconds": ours, "svd_a_row": rivals}


if __name__ == "__main__":
    main()
