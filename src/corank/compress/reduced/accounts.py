"""The layers of a small network as the rows of a table: spectra, ranks by all rules, constants, errors, bounds."""

from __future__ import annotations

from corank.compress.reduced.assessment import Assessment, LayerErrors
from corank.compress.reduced.bases import Bases, Basis
from corank.compress.reduced.layer import ReducedLayer
from corank.compress.reduced.ranks import ENERGY, bayesian, thresholded
from corank.compress.reduced.reduction import Reduced
from corank.compress.reduced.sizes import Size
from corank.compress.reduced.stages import Stage, Tail
from corank.linalg import a_priori_constant, rank_by_energy


def reduced_layers(tail: Tail, bases: Bases, reduced: Reduced, assessment: Assessment) -> tuple[ReducedLayer, ...]:
    """What is known of every layer of a small network."""
    parts = zip(tail.stages, bases.layers, reduced.sizes, reduced.selections, assessment.layers, strict=True)
    return tuple(
        _layer(stage, basis, size, selection.constant, errors) for stage, basis, size, selection, errors in parts
    )


def _layer(stage: Stage, basis: Basis, size: Size, constant: float, errors: LayerErrors) -> ReducedLayer:
    inferred = bayesian(basis)
    a_priori = a_priori_constant(stage.features, size.rank, size.rows)
    return ReducedLayer(
        layer=stage.label,
        index=stage.index,
        features=stage.features,
        rank=size.rank,
        rows=size.rows,
        width=size.width,
        singular_values=tuple(basis.singular_values.tolist()),
        energy=min(1.0, float(basis.singular_values[: size.rank].square().sum()) / basis.energy),
        rank_energy=rank_by_energy(basis.singular_values, basis.energy, ENERGY),
        rank_vbmf=inferred.rank,
        rank_gavish_donoho=thresholded(basis),
        has_noise_floor=inferred.has_noise_floor,
        constant=constant,
        constant_a_priori=a_priori,
        projection_error=errors.projection,
        interpolation_error=errors.interpolation,
        bound=constant * errors.projection,
        bound_a_priori=a_priori * errors.projection,
        propagated_error=errors.propagated,
    )
