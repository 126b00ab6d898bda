"""The pass itself: the network runs forward and backward once a batch, and every measure sees what it needs.

Held-out samples (every fifth, up to a thousand) are put aside and run last, when the sketches are finished. Several
processes share the work if there is a process group, see `sharing`; a memory limit decides in how many passes the
layers are measured, see `plan`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.linalg import FrequentDirections
from corank.measure.base import Batches, Measurement, first_batch, taking
from corank.measure.heldout import HeldOut
from corank.measure.labelling import IN_WORDS, Losses, check_labels
from corank.measure.observing import LAYOUTS, LayerBatch, Needs, Observed, Observer, Passed, Skip
from corank.measure.plan import default_memory_mb, plan_passes
from corank.measure.sharing import Sharing
from corank.network import Reader, Reading, Through
from corank.network.inputs import Inputs, batch_size, select
from corank.result import Result
from corank.train.evaluate import device_of

if TYPE_CHECKING:
    from corank.measure.layer_measure import LayerMeasure, PassOptions

READING_SHARE = 2 / 3  # of a time budget; held-out samples and the results take the rest

Found = dict[tuple[str, str], Result | InputError]
"""What a measure found at a layer, or why it found nothing, by the names of both."""


def run_pass(
    network: nn.Module, batches: Batches, options: PassOptions, measures: Mapping[str, LayerMeasure[Any]]
) -> dict[str, Measurement | InputError]:
    """Measure layers of a network by several measures at once.

    Args:
        network: any; it runs in evaluation mode.
        batches: re-iterable, where the network is.
        options: which layers, how many samples, and how they are run.
        measures: by name.

    Returns:
        The measurements by the names of their measures; the reason where a measure found nothing at all.

    Raises:
        InputError: an unknown layer, or data that the network cannot take.
    """
    first, _ = first_batch(batches)
    needs = Needs()
    for measure in measures.values():
        needs |= measure.needs()
    wanted = options.layer if isinstance(options.layer, str | int) else list(options.layer)
    reader = Reader(network, wanted, first, through=needs.through, precision=options.precision)
    layers, refused = _observable(reader, first, options)
    limit = options.memory_mb or default_memory_mb(device_of(network))
    size = max((4, *(tensor.element_size() for tensor in network.parameters())))
    groups = plan_passes({label: layer.features for label, layer in layers.items()}, needs, size, limit)
    end = time.perf_counter() + (options.budget_seconds or math.inf)
    found: Found = {}
    for number, group in enumerate(groups):
        if number or len(group.layers) < len(reader.points):
            through = needs.through and number == 0
            reader = Reader(network, list(group.layers), first, through=through, precision=options.precision)
        seconds = (end - time.perf_counter()) / (len(groups) - number)
        one = _Pass(reader, {label: layers[label] for label in group.layers}, options, group.needs, measures, seconds)
        one.run(batches, first)
        found |= one.found()
        if one.is_cut_short:
            refused += one.left_out()
        if number == 0:
            passed = one.passed()
    return _concluded(measures, list(layers), found, replace(passed, skipped=tuple(refused)))


class _Pass:
    """One pass over the data for some layers.

    Args:
        reader: reads these layers.
        layers: what is known of them.
        options: of the pass.
        needs: of all measures together, as far as memory allows.
        measures: by name.
        seconds: that the pass may take.
    """

    def __init__(
        self,
        reader: Reader,
        layers: Mapping[str, Observed],
        options: PassOptions,
        needs: Needs,
        measures: Mapping[str, LayerMeasure[Any]],
        seconds: float,
    ) -> None:
        self.reader, self.options, self.needs = reader, options, needs
        self.start, self.seconds, self.is_cut_short = time.perf_counter(), seconds, False
        self.first = next(iter(measures))
        self.classes = next(iter(layers.values())).classes
        self.sharing = Sharing({label: layer.features for label, layer in layers.items()})
        self.layers = {label: layer for label, layer in layers.items() if self.sharing.owns(label)}
        self.labels = list(layers)
        self.observers: dict[str, dict[str, Observer[Any]]] = {
            label: {name: one for name, measure in measures.items() if (one := measure.observer(layer)) is not None}
            for label, layer in self.layers.items()
        }
        self.losses = Losses(needs.labels, options.seed)
        self.heldout = HeldOut()
        self.samples = 0
        self.ratios: dict[str, list[Tensor]] = {}
        self.calls: dict[str, Through] = {}

    def run(self, batches: Batches, first: Inputs) -> None:
        """Go through the data, and through what was held out of them."""
        for number, x, y in self._limited(batches):
            with taking(number, x, first):
                seen = self._seen(x, y, f"batch {number}")
            for label, batch in seen:
                layer = self.layers[label]
                self._sketch(layer, batch)
                for observer in self.observers[label].values():
                    observer.update(batch)
        for named, x, y in self.heldout.merged(batch_size(first)):
            for label, batch in self._seen(x, y, named):
                layer = self.layers[label]
                if self.needs.heldout:
                    layer.heldout.append(batch.activations)
                    layer.heldout_labels.append(y)
                for observer in self.observers[label].values():
                    observer.update_heldout(batch)

    def _sketch(self, layer: Observed, batch: LayerBatch) -> None:
        """Take the rows into the layer's sketches, which begin with the first of them."""
        if batch.gradients is not None:
            layer.gradients = layer.gradients or _empty(batch.gradients, self.needs.gradients, coordinates=True)
            layer.gradients.update(batch.gradients)
        if self.needs.activations:
            layer.activations = layer.activations or _empty(batch.activations, self.needs.activations)
            layer.activations.update(batch.activations)

    def found(self) -> Found:
        """What all measures found at all layers, those of other processes too."""
        own: Found = {}
        for label, observers in self.observers.items():
            own |= {(name, label): self._result(name, observer) for name, observer in observers.items()}
            observers.clear()
            self.layers[label].forget()
        return self.sharing.collect(own)

    def passed(self) -> Passed:
        """What the pass was."""
        by_name = {weighted.name: weighted for weighted in self.reader.weights}
        return Passed(
            samples=self.samples,
            samples_heldout=self.heldout.count,
            loss=f"{IN_WORDS[self.needs.labels]}, network in evaluation mode",
            layout=LAYOUTS[self.options.tokens],
            precision=self.options.precision,
            skipped=(),
            through={label: torch.cat(parts) for label, parts in self.ratios.items()},
            weighted={label: by_name[call.name] for label, call in self.calls.items()},
            input_shapes={label: call.input_shape for label, call in self.calls.items()},
            unwatched=tuple(Skip(layer=one.layer, measure="", reason=one.reason) for one in self.reader.unwatched),
        )

    def _is_over(self, share: float = 1.0) -> bool:
        """Whether a share of the time is used up."""
        return time.perf_counter() - self.start > share * self.seconds

    def left_out(self) -> list[Skip]:
        """The samples that there was no time for, by layer."""
        reason = f"further samples: two thirds of the time were used up after {self.samples:,}"
        return [Skip(layer=label, measure="", reason=reason) for label in self.labels]

    def _result(self, name: str, observer: Observer[Any]) -> Result | InputError:
        """What an observer found; the first measure finishes whatever the time, or all was run for nothing."""
        if self._is_over() and name != self.first:
            return InputError(f"left out: the time budget of {self.options.budget_seconds:g} s was used up")
        try:
            result: Result = observer.result()
        except InputError as reason:
            return reason
        return result

    def _limited(self, batches: Batches) -> Iterator[tuple[int, Inputs, Tensor]]:
        """The numbered batches until there are enough samples, or no time; held-out samples go aside."""
        most = math.inf if self.options.samples is None else self.options.samples
        for number, (x, y) in enumerate(batches):
            x, y = self.heldout.take(x, y)
            if len(y):
                size = int(min(most - self.samples, len(y)))
                self.samples += size
                yield number, select(x, slice(size)), y[:size]
            if self.samples >= most:
                return
            if self.options.budget_seconds and self.sharing.any_of(self._is_over(READING_SHARE), y.device):
                self.is_cut_short = True
                return

    def _seen(self, x: Inputs, y: Tensor, where: str) -> list[tuple[str, LayerBatch]]:
        """What a batch shows of the layers that this process owns."""
        part = self.sharing.part(len(y)).to(y.device)
        try:
            check_labels(y, self.classes)
            loss = self.losses.for_batch(y, self.classes)(part) if self.needs.gradients else None
            reading = self.reader.read(select(x, part), loss)
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
        self._keep_ratios(reading, len(y))
        return self._shared_out(reading, y)

    def _shared_out(self, reading: Reading, y: Tensor) -> list[tuple[str, LayerBatch]]:
        count = len(y)
        logits = self.sharing.to_all(reading.logits, count)
        losses = None if reading.losses is None else self.sharing.to_all(reading.losses, count)
        batches = []
        for label in self.labels:
            activations = self._at_owner(label, reading.activations, count)
            gradients = self._at_owner(label, reading.gradients, count)
            if activations is not None:
                batch = LayerBatch(activations=activations, gradients=gradients, labels=y, logits=logits, losses=losses)
                batches.append((label, batch))
        return batches

    def _at_owner(self, label: str, values: Mapping[str, Tensor], count: int) -> Tensor | None:
        """The rows of a layer for a whole batch, where it is owned."""
        if label not in values:
            return None
        whole = self.sharing.to_owner(label, values[label], count)
        return None if whole is None else _rows(whole, self.options)

    def _keep_ratios(self, reading: Reading, count: int) -> None:
        for label, through in reading.through.items():
            ratio = self.sharing.to_all(through.norm_out.double() / through.norm_in.double(), count)
            self.ratios.setdefault(label, []).append(ratio.cpu())
            self.calls[label] = through


def _observable(reader: Reader, first: Inputs, options: PassOptions) -> tuple[dict[str, Observed], list[Skip]]:
    """The layers before anything is measured, and those that cannot be, found out by two samples."""
    pair = select(first, slice(2))
    reading = reader.read(pair, None)
    classes = reading.logits.shape[1] if reading.logits.ndim == 2 else 0
    if not classes:
        raise InputError(f"the network must return logits (B, classes), got shape {tuple(reading.logits.shape)}")
    layers = {}
    for point in reader.points:
        values = reading.activations[point.label]
        rows = _rows(values, options)
        layers[point.label] = Observed(
            point=point,
            features=rows.shape[1],
            layout="" if values.ndim != 3 else LAYOUTS[options.tokens],
            classes=classes,
            seed=options.seed,
        )
    return layers, [Skip(layer=skip.layer, measure="", reason=skip.reason) for skip in reader.skipped]


def _empty(rows: Tensor, size: int, *, coordinates: bool = False) -> FrequentDirections:
    """An empty sketch of such rows; one more row than features makes it exact."""
    features = rows.shape[1]
    dtype = rows.dtype if rows.dtype == torch.float64 else torch.float32
    return FrequentDirections(
        min(size, features + 1), features, coordinates=coordinates, dtype=dtype, device=rows.device
    )


def _rows(values: Tensor, options: PassOptions) -> Tensor:
    """`(B, ...)` as rows: one a sample, or one a token."""
    if options.tokens == "kept" and values.ndim == 3:
        return values.flatten(0, 1)
    return values.flatten(1)


def _concluded(
    measures: Mapping[str, LayerMeasure[Any]], labels: Sequence[str], found: Found, passed: Passed
) -> dict[str, Measurement | InputError]:
    """Every measure's layers put together; what failed is listed."""
    concluded: dict[str, Measurement | InputError] = {}
    for name, measure in measures.items():
        at = {label: found[name, label] for label in labels if (name, label) in found}
        good = [value for value in at.values() if isinstance(value, Result)]
        failed = {label: value for label, value in at.items() if isinstance(value, InputError)}
        skips = tuple(Skip(layer=label, measure=name, reason=str(reason)) for label, reason in failed.items())
        try:
            if at and not good:
                raise next(iter(failed.values()))
            concluded[name] = measure.conclude(good, replace(passed, skipped=(*passed.skipped, *skips)))
        except InputError as reason:
            concluded[name] = reason
    return concluded
