"""Does a sketch of a million columns keep to O(r n) memory, and how fast does it take in rows?

Each size runs in a process of its own, whose peak memory above that of an empty sketch's imports is compared with
the bytes of the buffer, 2 l n numbers, and of what is read from it, l n more.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys

import torch
from _common import arguments, seconds, write

from corank.linalg import FrequentDirections


def main() -> None:
    """Measure and write the numbers."""
    options = arguments(__doc__.splitlines()[0], rank=10, rows=200, batch_size=10)
    rows = [_in_own_process(features, options) for features in (10_000, 100_000, 1_000_000)]
    write("sketch_memory", __doc__.splitlines()[0], {"setting": vars(options), "sizes": rows})


def measure(features: int, rank: int, rows: int, batch_size: int) -> dict[str, float]:
    """One sketch of random rows: bytes at the peak, bytes that the sketch promises, seconds."""
    generator = torch.Generator().manual_seed(0)
    len(FrequentDirections(2, 64).update(torch.randn(8, 64)).right_vectors)  # libraries are loaded
    before = _peak_bytes()
    batch = torch.randn(batch_size, features, generator=generator)
    sketch = FrequentDirections(2 * rank, features)
    time = seconds(lambda: [sketch.update(batch.roll(shift, 1)) for shift in range(rows // batch_size)])
    directions = len(sketch.right_vectors)
    numbers = (2 * sketch.size + sketch.size + 3 * batch_size) * features
    return {
        "features": features,
        "sketch_size": sketch.size,
        "directions": directions,
        "seconds": time,
        "peak_bytes": _peak_bytes() - before,
        "buffer_directions_and_batch_bytes": 4 * numbers,
        "matrix_bytes_if_kept": 4 * rows * features,
        "covariance_bytes_if_formed": 4 * features**2,
    }


def _in_own_process(features: int, options: argparse.Namespace) -> dict[str, float]:
    given = {"features": features, **{name: getattr(options, name) for name in ("rank", "rows", "batch_size")}}
    code = (
        f"import torch, json, sketch_memory; torch.set_num_threads({options.threads}); "
        f"print(json.dumps(sketch_memory.measure(**{given})))"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=sys.path[0])
    found: dict[str, float] = json.loads(out.stdout)
    return found


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
