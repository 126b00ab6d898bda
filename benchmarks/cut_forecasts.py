"""Does the accuracy that is forecast of a cut come out, before fine-tuning, at nine cuts of VGG-19?

One measuring pass and one forward pass forecast cuts 5, 6 and 7 with 25, 50 and 75 directions; then each is built from
its own measuring pass and its own samples. Forecasts are judged on the validation split, and so are the networks; the
loss on the test images is what the forecast of the loss is compared with besides. The teacher has learnt the images of
the validation split, the polynomials have not.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from _common import arguments, seconds, write
from torch import nn

from corank.compress import ASNet, CutForecast, CutForecasts, forecast_cuts
from corank.experiment import accuracies, open_network
from corank.measure import ActiveSubspace
from corank.zoo import Batches, Dataset, load_data

LAYERS, RANKS = (5, 6, 7), (25, 50, 75)


def main() -> None:
    """Forecast, build, compare and write the numbers."""
    options = arguments((__doc__ or "").splitlines()[0], gradients=4096, batch=64)
    data = load_data("cifar10-jpeg")
    weights = Path(os.environ["CORANK_WEIGHTS"]) / "vgg19-cifar10-jpeg.safetensors"
    network = open_network("vgg19", dataset=data, weights=weights).network
    batches = Batches(data.train, options.batch, shuffle=True)
    found: list[CutForecasts] = []
    took = seconds(lambda: found.append(forecasts(network, data, batches, options.gradients)))
    original = accuracies(network, data)
    rows: list[dict[str, Any]] = []
    for said in found[0].cuts:
        compressor = ASNet(layer=said.layer, rank=said.rank, samples=options.gradients, epochs=0)
        built = accuracies(compressor.compress(network, batches).network, data)
        rows.append(row(said, built.validation, original.validation, original.test - built.test))
        print(rows[-1], flush=True)
    write(
        "cut_forecasts",
        (__doc__ or "").splitlines()[0],
        {
            "gradients": options.gradients, "forecast_seconds": took, "samples_forecast": found[0].samples,
            "validation_accuracy": original.validation, "test_accuracy": original.test,
            "largest_error_points": max(abs(row["error_points"]) for row in rows),
            "within_two_points": sum(abs(row["error_points"]) <= 2 for row in rows), "bar": "8 of 9", "rows": rows,
        },
    )  # fmt: skip


def forecasts(network: nn.Module, data: Dataset, batches: Batches, gradients: int) -> CutForecasts:
    """All nine, from one measuring pass."""
    measure = ActiveSubspace(layer=LAYERS, rank=max(RANKS), samples=gradients, replicates=0)
    active = measure.measure(network, batches)
    return forecast_cuts(
        network, active.layers, batches, Batches(data.validation, 500), ranks=RANKS, available=batches.samples
    )


def row(said: CutForecast, built: float, original: float, lost_on_test: float) -> dict[str, Any]:
    """What was said and what came out."""
    return {
        "layer": said.index, "rank": said.rank, "forecast": said.accuracy, "came_out": built,
        "error_points": 100 * (built - said.accuracy), "loss_forecast_points": 100 * (original - said.accuracy),
        "loss_points": 100 * (original - built), "loss_on_test_points": 100 * lost_on_test,
    }  # fmt: skip


if __name__ == "__main__":
    main()
