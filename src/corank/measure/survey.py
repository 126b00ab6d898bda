"""Every measure of a network in one pass over the data, each layer by layer, with what was left out and why.

The network runs forward and backward once a sample; all measures share what they need of it. Weight spectra need no
data. Nothing is recomputed for a second measure: the sketches, the held-out rows and their inner products are common.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

from torch import nn

from corank.discover import name_of
from corank.errors import InputError
from corank.measure.activation_spectrum import ActivationSpectra, ActivationSpectrum
from corank.measure.active_subspace import ActiveSubspace, ActiveSubspaces
from corank.measure.base import Batches, Measure, Measurement
from corank.measure.feature_probe import FeatureProbe, FeatureProbes
from corank.measure.labelling import Labelling
from corank.measure.layer_cushion import LayerCushion, LayerCushions
from corank.measure.layer_measure import LayerMeasure, PassOptions
from corank.measure.mutual_information import LayerInformation, MutualInformation
from corank.measure.observing import Skip
from corank.measure.running import run_pass
from corank.measure.weight_spectrum import WeightSpectra, WeightSpectrum
from corank.result import Scalar, jsonable

PRINCIPAL_ROWS_PER_DIRECTION = 2


@dataclass(frozen=True, kw_only=True)
class Surveyed(Measurement):
    """What all measures found; None where one found nothing, with the reason in `skipped`."""

    active: ActiveSubspaces | None
    activations: ActivationSpectra | None
    weights: WeightSpectra | None
    cushions: LayerCushions | None
    information: LayerInformation | None
    probes: FeatureProbes | None
    skipped: tuple[Skip, ...]

    def to_dict(self) -> dict[str, Any]:
        """A row a hidden layer with what each measure found there, a row a weight matrix, and what was left out."""
        by_name: dict[str, dict[str, Any]] = {}
        conditions: dict[str, Any] = {}
        parts = {
            "": self.active,
            "activations": self.activations,
            "information": self.information,
            "probe": self.probes,
        }
        for name, part in parts.items():
            values = part.to_dict() if part is not None else {}
            for row in values.pop("layers", []):
                layer = by_name.setdefault(row["layer"], {"layer": row["layer"], "index": row["index"]})
                layer.update(row if not name else {name: row})
            values.pop("skipped", None)
            conditions.update(values if not name else {name: values})
        return {
            **conditions,
            "layers": list(by_name.values()),
            "weights": jsonable(self.weights),
            "cushions": jsonable(self.cushions),
            "skipped": jsonable(self.skipped),
        }

    def row(self) -> dict[str, Scalar]:
        """How many layers each measure found."""
        parts = {
            "active subspaces": self.active, "activation spectra": self.activations, "weight spectra": self.weights,
            "cushions": self.cushions, "information": self.information, "probes": self.probes,
        }  # fmt: skip
        return {name: len(part.layers) if part else 0 for name, part in parts.items()}


@final
@dataclass(frozen=True, kw_only=True)
class Survey(PassOptions):
    """All measures of all wanted layers in one pass over the data.

    Args:
        rank: directions that are kept of gradients and of activations.
        sketch_size: rows of the sketches; None takes four times the rank for gradients, and twice the rank for
            activations, whose spectra fall faster.
        epsilon: share of the energy (or norm) that active neurons and principal directions may miss.
        labels: what the gradients are gradients of, see `ActiveSubspace`.
        centred: whether the mean is taken off the activations before their spectrum is.
        noise_variance: of the noise under which mutual information is finite, in squared units of the activations.
        replicates: of the bootstrap of eigenvalues and subspaces; 0 for none.

    Raises:
        InputError: an option out of its range.

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> data = [(torch.randn(16, 6), torch.arange(16) % 3) for _ in range(10)]
        >>> found = Survey(rank=2).measure(net, data)
        >>> found.active.layers[0].width, len(found.weights.layers)
        (8, 2)
    """

    rank: int = 50
    sketch_size: int | None = None
    epsilon: float = 0.05
    labels: Labelling = "true"
    centred: bool = False
    noise_variance: float = 0.1
    replicates: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        self._measures()

    def measure(self, network: nn.Module, batches: Batches) -> Surveyed:
        """Measure a network; see `Measure.measure`.

        Raises:
            InputError: an unknown layer, data that the network cannot take, or nothing that could be measured.
        """
        result = super().measure(network, batches)
        assert isinstance(result, Surveyed)
        return result

    def _measures(self) -> dict[str, LayerMeasure]:  # type: ignore[type-arg]
        """The measures of one pass by the fields of the result."""
        rank, epsilon = self.rank, self.epsilon
        rows = self.sketch_size or PRINCIPAL_ROWS_PER_DIRECTION * rank
        return {
            "active": ActiveSubspace(
                rank=rank, sketch_size=self.sketch_size, epsilon=epsilon, labels=self.labels, replicates=self.replicates
            ),
            "activations": ActivationSpectrum(rank=rank, sketch_size=rows, epsilon=epsilon, centred=self.centred),
            "cushions": LayerCushion(),
            "information": MutualInformation(noise_variance=self.noise_variance),
            "probes": FeatureProbe(rank=rank, sketch_size=rows),
        }

    def _measure(self, network: nn.Module, batches: Batches) -> Surveyed:
        measures: dict[str, Measure] = {**self._measures(), "weights": WeightSpectrum()}
        passed = run_pass(network, batches, self, {name_of(type(one)): one for one in self._measures().values()})
        found = {field: passed.get(name_of(type(measure))) for field, measure in measures.items()}
        try:
            found["weights"] = WeightSpectrum().measure(network, batches)
        except InputError as reason:
            found["weights"] = reason
        if isinstance(found["active"], InputError) and isinstance(found["activations"], InputError):
            raise found["active"]
        skipped: list[Skip] = []
        for field, value in found.items():
            if isinstance(value, InputError):
                skipped.append(Skip(layer="all layers", measure=name_of(type(measures[field])), reason=str(value)))
            else:
                skipped += [skip for skip in value.skipped if skip not in skipped]  # type: ignore[union-attr]
        parts = {field: value for field, value in found.items() if isinstance(value, Measurement)}
        return Surveyed(**{**dict.fromkeys(measures), **parts}, skipped=tuple(skipped))  # type: ignore[arg-type]
