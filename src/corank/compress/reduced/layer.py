"""What is known of one layer of a reduced-order network: its spectrum, its rows, its errors and their bounds."""

from __future__ import annotations

from dataclasses import dataclass

from corank.result import Result, Scalar


@dataclass(frozen=True, kw_only=True)
class ReducedLayer(Result):
    """One layer of a reduced-order network and how well it stands for the original one.

    Errors are relative root mean squares over samples that took no part in the basis, `|error| / |z|`; not a number
    where no sample was held out.

    Attributes:
        layer: the point whose values z are kept in a few coordinates, after activation and max-pooling.
        index: the number of the convolution that it ends; None where it ends none.
        features: of z, D.
        rank: directions kept, R.
        rows: features kept, P: the width of the layer.
        width: rows of the linear maps into the layer; more than `rows` where a max-pooling takes several of them.
        singular_values: of the activation matrix over the square root of its samples, leading ones, all that are known.
        energy: share of the mean square of z that the directions hold, on the samples they were found from.
        rank_energy: the rank that would hold 99 %; None where more directions are needed than are known.
        rank_vbmf: the rank of analytic variational Bayes.
        rank_gavish_donoho: the number of singular values above the optimal hard threshold.
        has_noise_floor: whether the spectrum ends in a floor of noise, which these two ranks presuppose.
        constant: `1 / sigma_min(S V)` of the chosen rows.
        constant_a_priori: `sqrt(1 + (D - P) R / (P + 1 - R))`, which rows of maximum volume keep.
        projection_error: of `V V^T z`, the least that any network on this basis has.
        interpolation_error: of `V (S V)^+ S z`, from the kept features of the true z.
        bound: `constant` times the projection error, which the interpolation error cannot exceed.
        bound_a_priori: `constant_a_priori` times the projection error.
        propagated_error: of `V (S V)^+ s`, from the features that the small network itself computes.
    """

    layer: str
    index: int | None
    features: int
    rank: int
    rows: int
    width: int
    singular_values: tuple[float, ...]
    energy: float
    rank_energy: int | None
    rank_vbmf: int
    rank_gavish_donoho: int
    has_noise_floor: bool
    constant: float
    constant_a_priori: float
    projection_error: float
    interpolation_error: float
    bound: float
    bound_a_priori: float
    propagated_error: float

    def row(self) -> dict[str, Scalar]:
        """Layer, sizes, errors and the bound."""
        return {
            "layer": self.layer, "features": self.features, "rank": self.rank, "rows": self.rows,
            "energy": self.energy, "constant": self.constant, "projection error": self.projection_error,
            "interpolation error": self.interpolation_error, "bound": self.bound,
            "propagated error": self.propagated_error,
        }  # fmt: skip
