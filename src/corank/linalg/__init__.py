"""Tensors in, tensors out: sketches of tall matrices, counts, bootstrap, norms, polynomials, least squares."""

from corank.linalg.active import count_energy, count_norm
from corank.linalg.bootstrap import Bootstrap, bootstrap_subspace
from corank.linalg.box import shortest_steps
from corank.linalg.centring import centred
from corank.linalg.d_optimal import d_optimal_rows
from corank.linalg.frequent_directions import FrequentDirections
from corank.linalg.gaussian_products import factors_of_products, lower_tail_bound, products_of_factors
from corank.linalg.hashing import HashingSketch
from corank.linalg.hermite import HermiteBasis, evaluate_hermite, multi_indices, number_of_terms
from corank.linalg.kernel_density import Information, information_bounds, pairwise_squared_distances
from corank.linalg.least_squares import StreamingLeastSquares
from corank.linalg.matrix_norms import MatrixNorms, matrix_norms
from corank.linalg.nearest import Nearest, nearest_of_another_class
from corank.linalg.nuclear_norm import nuclear_norm
from corank.linalg.nystrom import Nystrom
from corank.linalg.orthonormal import orthonormal_transform
from corank.linalg.probing import Probed, exchanging_perturbation, probed_distance
from corank.linalg.proximal import group_norms, group_soft_threshold, singular_value_threshold, soft_threshold
from corank.linalg.pursuit import SparseFit, cross_validated_pursuit
from corank.linalg.range_finder import RandomisedRange
from corank.linalg.ranks import merge_ranks
from corank.linalg.response_surface import ResponseSurface, fit_response_surface
from corank.linalg.ridge import RidgeFit, leave_one_out_ridge
from corank.linalg.row_selection import RowSelection, a_priori_constant, select_rows
from corank.linalg.rows import check_rows, energy_of
from corank.linalg.sketch import Sketch
from corank.linalg.spectrum_ranks import gavish_donoho_rank, rank_by_energy
from corank.linalg.symmetric_factors import SymmetricFactors, ensemble_nystrom, sketched_projection
from corank.linalg.vbmf import VBMF, analytic_vbmf
from corank.linalg.whitening import StreamingMoments, Whitening

__all__ = [
    "VBMF",
    "Bootstrap",
    "FrequentDirections",
    "HashingSketch",
    "HermiteBasis",
    "Information",
    "MatrixNorms",
    "Nearest",
    "Nystrom",
    "Probed",
    "RandomisedRange",
    "ResponseSurface",
    "RidgeFit",
    "RowSelection",
    "Sketch",
    "SparseFit",
    "StreamingLeastSquares",
    "StreamingMoments",
    "SymmetricFactors",
    "Whitening",
    "a_priori_constant",
    "analytic_vbmf",
    "bootstrap_subspace",
    "centred",
    "check_rows",
    "count_energy",
    "count_norm",
    "cross_validated_pursuit",
    "d_optimal_rows",
    "energy_of",
    "ensemble_nystrom",
    "evaluate_hermite",
    "exchanging_perturbation",
    "factors_of_products",
    "fit_response_surface",
    "gavish_donoho_rank",
    "group_norms",
    "group_soft_threshold",
    "information_bounds",
    "leave_one_out_ridge",
    "lower_tail_bound",
    "matrix_norms",
    "merge_ranks",
    "multi_indices",
    "nearest_of_another_class",
    "nuclear_norm",
    "number_of_terms",
    "orthonormal_transform",
    "pairwise_squared_distances",
    "probed_distance",
    "products_of_factors",
    "rank_by_energy",
    "select_rows",
    "shortest_steps",
    "singular_value_threshold",
    "sketched_projection",
    "soft_threshold",
]
