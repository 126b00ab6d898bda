"""Tensors in, tensors out: sketches of tall matrices, counts, polynomial bases, least squares, whitening."""

from corank.linalg.active import count_energy, count_norm
from corank.linalg.frequent_directions import FrequentDirections
from corank.linalg.hermite import HermiteBasis, evaluate_hermite, multi_indices, number_of_terms
from corank.linalg.least_squares import StreamingLeastSquares
from corank.linalg.rows import check_rows, energy_of
from corank.linalg.sketch import Sketch
from corank.linalg.whitening import StreamingMoments, Whitening

__all__ = [
    "FrequentDirections",
    "HermiteBasis",
    "Sketch",
    "StreamingLeastSquares",
    "StreamingMoments",
    "Whitening",
    "check_rows",
    "count_energy",
    "count_norm",
    "energy_of",
    "evaluate_hermite",
    "multi_indices",
    "number_of_terms",
]
