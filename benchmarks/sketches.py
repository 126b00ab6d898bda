"""What do the sketches lose of the best 50 directions, and what do they cost on one thread?

A tall matrix with known coordinates: m rows are Gaussian coordinates of given variances times orthonormal directions,
so the exact leading energies come from the small coordinates. Lost is the share of the energy in the best 50 directions
that the sketch's leading 50 do not hold, in percent. Seconds are of the processor, with reading, without making the
rows. The bar are the figures of a study of the same methods at the same size (one seed; the floor under the spikes and
the strengths in the drifting stream are ours): an error within a quarter of its error, as much as one seed
differs from another, and 1.3 times its seconds.
"""

from __future__ import annotations

import statistics
import time
from argparse import Namespace
from collections.abc import Callable
from typing import Any

import torch
from _common import arguments, write
from torch import Tensor

from corank.linalg import FrequentDirections, HashingSketch, Nystrom, RandomisedRange, Sketch

RANK = 50
SPECTRA = ("exp(-i/17)", "1/i", "1/i^2", "50 spikes", "drift")
# method: (bar in seconds, bars in percent, in the order of the spectra; None where the study has none)
BARS: dict[str, tuple[float | None, tuple[float | None, ...]]] = {
    "Frequent Directions 50": (1.9, (0.52, 10.2, None, 0.90, 0.00)),
    "Frequent Directions 100": (3.3, (0.000, 1.58, 0.000, 0.000, 0.00)),
    "Frequent Directions 100 with coordinates": (3.3, (0.000, 1.58, 0.000, 0.000, 0.00)),
    "Frequent Directions 200": (5.6, (0.000, 0.021, None, 0.000, None)),
    "Nystrom 100": (1.1, (0.043, 4.10, 0.049, 0.19, 0.92)),
    "Nystrom 200": (1.8, (0.000, 1.44, 0.005, 0.046, 0.00)),
    "Nystrom 400": (3.4, (0.000, 0.35, None, None, None)),
    "two passes 100": (1.5, (0.015, 3.8, 0.032, 0.19, None)),
    "two passes 72": (1.5, (0.015, 3.8, 0.032, 0.19, None)),
    "hashing 400": (None, (None, None, None, None, None)),
}
SLACK, ROUNDING, SLOWER = 1.25, 0.005, 1.3


def main() -> None:
    """Measure and write the numbers."""
    options = arguments(__doc__.splitlines()[0], threads=1, rows=10_000, features=16_384, batch_size=100)
    chance = torch.Generator().manual_seed(0)
    directions = torch.linalg.qr(torch.randn(options.features, 1000, generator=chance))[0].T.contiguous()
    rows: list[dict[str, Any]] = []
    for place, spectrum in enumerate(SPECTRA):
        coordinates = coordinates_of(spectrum, options.rows, chance)
        matrix = coordinates.float() @ directions[: coordinates.shape[1]]
        for name, make in methods(options.features).items():
            rows.append(
                row(name, spectrum, measure(make, matrix, coordinates, directions, options), BARS[name][1][place])
            )
            print(rows[-1], flush=True)
    write(
        "sketches",
        __doc__.splitlines()[0],
        {"setting": vars(options), "rows": rows, "times": times(rows)},
    )


def coordinates_of(spectrum: str, rows: int, chance: torch.Generator) -> Tensor:
    """Float64 coordinates in orthonormal directions, a row a sample."""
    number = torch.arange(1, 1001, dtype=torch.float64)
    variances = {
        "exp(-i/17)": torch.exp(-number / 17),
        "1/i": 1 / number,
        "1/i^2": number**-2,
        "50 spikes": torch.where(number <= RANK, 1.0, 0.002),
        "drift": torch.ones(150),
    }[spectrum]
    coordinates = torch.randn(rows, len(variances), generator=chance, dtype=torch.float64) * variances.sqrt()
    if spectrum == "drift":  # strong samples in 100 directions first, then weaker ones in 50 others, which end dominant
        early = rows // 20
        coordinates[:early, :RANK] = 0
        coordinates[early:, RANK:] = 0
        coordinates[early:] *= (0.05 / RANK * early) ** 0.5
    return coordinates


def methods(features: int) -> dict[str, Callable[[], Sketch]]:
    """The sketches by name, empty."""
    return {
        "Frequent Directions 50": lambda: FrequentDirections(50, features),
        "Frequent Directions 100": lambda: FrequentDirections(100, features),
        "Frequent Directions 100 with coordinates": lambda: FrequentDirections(100, features, coordinates=True),
        "Frequent Directions 200": lambda: FrequentDirections(200, features),
        "Nystrom 100": lambda: Nystrom(100, features),
        "Nystrom 200": lambda: Nystrom(200, features),
        "Nystrom 400": lambda: Nystrom(400, features),
        "two passes 100": lambda: RandomisedRange(100, features),
        "two passes 72": lambda: RandomisedRange(72, features),
        "hashing 400": lambda: HashingSketch(400, features),
    }


def measure(
    make: Callable[[], Sketch], matrix: Tensor, coordinates: Tensor, directions: Tensor, options: Namespace
) -> dict[str, float]:
    """Processor seconds and percent lost."""
    start = time.process_time()
    sketch = make()
    for rows in matrix.split(options.batch_size):
        sketch.update(rows)
    if isinstance(sketch, RandomisedRange):
        sketch.next_pass()
        for rows in matrix.split(options.batch_size):
            sketch.update(rows)
    found = sketch.right_vectors[:RANK]
    seconds = time.process_time() - start
    held = (coordinates @ (directions[: coordinates.shape[1]].double() @ found.double().T)).square().sum()
    best = torch.linalg.eigvalsh(coordinates.T @ coordinates)[-RANK:].sum()
    return {"lost_percent": 100 * max(0.0, 1 - float(held / best)), "seconds": seconds}


def row(name: str, spectrum: str, found: dict[str, float], bar: float | None) -> dict[str, Any]:
    """A line of the table."""
    within = None if bar is None else found["lost_percent"] <= SLACK * bar + ROUNDING
    return {"method": name, "spectrum": spectrum, **found, "bar_lost_percent": bar, "error_within_bar": within}


def times(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The median seconds of each method over the spectra, beside the bar."""
    found = []
    for name, (bar, _) in BARS.items():
        median = statistics.median(line["seconds"] for line in rows if line["method"] == name)
        within = None if bar is None else median <= SLOWER * bar
        found.append({"method": name, "seconds": median, "bar_seconds": bar, "time_within_bar": within})
    return found


if __name__ == "__main__":
    main()
