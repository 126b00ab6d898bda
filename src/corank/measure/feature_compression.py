"""How little of what separates an input from the nearest other class a classifier looks at.

Gao et al., Feature Compression Is the Root Cause of Adversarial Fragility in Neural Network Classifiers, sections 4
to 6. With the logits f, an input x of class a and a point x' of class b, `g = f_a - f_b`, `d = x' - x` and `L = |d|`.
At points x + alpha d the gradient of g and d enclose the angle theta: only the share |cos theta| of the separating
direction counts, so that a perturbation as much shorter than L / 2 changes the class. The gradient is that of the
logits: a softmax that is sure has none.

`M_b` goes to the boundary `g = 0` where the printed `M` goes on to x'. By the trapezoid rule `M` is, up to the error
of that rule, `(g(x') - g(x)) / |grad g(x)|`, whatever the path (eq. 8); so `|M_b|` is the plain first-order guess
`g(x) / |grad g(x)|`, and differs from it only as far as the points are too few.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.measure.base import Measurement, first_that_fits
from corank.measure.logit_difference import logit_difference
from corank.measure.pairs import Pairs
from corank.network import evaluation_mode
from corank.network.adapted import Adapted, adapted
from corank.network.guard import unchanged
from corank.result import Result, Scalar
from corank.train.evaluate import device_of


@dataclass(frozen=True, kw_only=True)
class CompressedPair(Result):
    """What a classifier makes of the path from one input to a point of another class.

    Attributes:
        input: its place among the inputs.
        end: the place of the end point in the data that it was found in, None where it was given.
        label: the class a of the input.
        other: the class b of the end point.
        L: the length of the path.
        margin: g(x), positive.
        margin_end: g(x'), negative.
        cosines: of the angle between the gradient of g and the path, at each point of it from x to x'; 0 where the
            gradient vanishes.
        gradient_norms: of g there.
        rho: Theorem 7, the share of d along the gradient of g at x.
        M: what an attacker travels to the value of g at x', as printed: a sum with equal weights over all points.
        M_b: the same to the boundary g = 0, with trapezoid weights.
        predicted: of the smallest perturbation, before any attack: |M_b|.
        first_order: the plain guess g(x) / |grad g(x)|.
        boundary: the alpha of the first point of the path with g = 0, between the points by a straight line.
        tangent_distance: from x to the plane through that point across the gradient there: another guess.
        change: g(x') - g(x).
        path_integral: the same from the gradients along the path (eq. 8), by the trapezoid rule.
    """

    input: int
    end: int | None
    label: int
    other: int
    L: float
    margin: float
    margin_end: float
    cosines: tuple[float, ...]
    gradient_norms: tuple[float, ...]
    rho: float
    M: float
    M_b: float
    predicted: float
    first_order: float
    boundary: float
    tangent_distance: float
    change: float
    path_integral: float

    @property
    def cosine(self) -> float:
        """At the input."""
        return self.cosines[0]

    def row(self) -> dict[str, Scalar]:
        """Which pair, the angle, the length and what is predicted."""
        return {
            "input": self.input, "class": self.label, "towards": self.other, "|cos theta|": abs(self.cosine),
            "L": self.L, "predicted": self.predicted, "tangent distance": self.tangent_distance,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ClassCompression(Result):
    """The inputs of one class together.

    Attributes:
        label: the class.
        pairs: how many.
        mean_abs_cosine: at the inputs.
        median_L: half of the distances to another class are shorter.
        median_predicted: half of the predicted perturbations are smaller.
    """

    label: int
    pairs: int
    mean_abs_cosine: float
    median_L: float
    median_predicted: float

    def row(self) -> dict[str, Scalar]:
        """All of it."""
        return {
            "class": self.label, "pairs": self.pairs, "mean |cos theta|": self.mean_abs_cosine,
            "median L": self.median_L, "median predicted": self.median_predicted,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FeatureCompression(Measurement):
    """The compression of all pairs with g(x) > 0 > g(x').

    Attributes:
        pairs: those, in the order of the inputs.
        classes: the same by the class of the input.
        alphas: the points of each path.
        inputs: how many pairs there were.
        wrong_at_start: of them left out because g(x) is not positive.
        wrong_at_end: left out because g(x') is not negative.
        flat: left out because the gradient vanishes at x.
        mean_abs_cosine: over the pairs, at the input.
        largest_integral_error: of the path integral as a share of the change of g, over the pairs: whether the
            points are enough.
    """

    pairs: tuple[CompressedPair, ...]
    classes: tuple[ClassCompression, ...]
    alphas: tuple[float, ...]
    inputs: int
    wrong_at_start: int
    wrong_at_end: int
    flat: int
    mean_abs_cosine: float
    largest_integral_error: float

    def row(self) -> dict[str, Scalar]:
        """How many pairs and their mean angle."""
        return {"inputs": self.inputs, "pairs": len(self.pairs), "mean |cos theta|": self.mean_abs_cosine}


@dataclass(frozen=True)
class Along:
    """Along each path, at n points: `(P, n)`, float64.

    Attributes:
        values: of g.
        norms: of its gradient.
        slopes: the inner products of gradient and d.
    """

    values: Tensor
    norms: Tensor
    slopes: Tensor


def feature_compression(
    network: nn.Module,
    pairs: Pairs,
    *,
    points: int = 11,
    bounds: tuple[float, float] | None = None,
    batch_size: int = 256,
) -> FeatureCompression:
    """How a classifier compresses what separates the two ends of each pair.

    Args:
        network: returns logits; it comes back as it was.
        pairs: inputs and end points; see `nearest_pairs`.
        points: of each path, both ends among them.
        bounds: the least and largest value of a pixel of the data.
        batch_size: points that go through the network together.

    Raises:
        InputError: an option out of its range, an image out of bounds, logits that are constant, gradients that are
            not finite, or no pair with g(x) > 0 > g(x').

    Example:
        >>> net = nn.Linear(2, 2, bias=False)
        >>> _ = net.weight.data.copy_(torch.tensor([[-1.0, 0.0], [1.0, 0.0]]))
        >>> pair = Pairs(
        ...     starts=torch.tensor([[-1.0, 0.0]]), ends=torch.tensor([[1.0, 2.0]]),
        ...     start_classes=torch.tensor([0]), end_classes=torch.tensor([1]),
        ... )
        >>> found = feature_compression(net, pair).pairs[0]
        >>> round(found.cosine, 6), round(found.predicted, 6)
        (-0.707107, 1.0)
    """
    for name, value, least in (("points", points, 2), ("batch_size", batch_size, 1)):
        if value < least:
            raise InputError(f"{name} must be at least {least}, got {value}")
    if bounds is not None:
        pairs.check_bounds(*bounds)
    alphas = torch.linspace(0, 1, points, dtype=torch.float64)
    with unchanged(network), evaluation_mode(network), torch.enable_grad():
        first_that_fits(network, [(pairs.starts[:2].to(device_of(network)), pairs.start_classes[:2])])
        parts = [*_parts(adapted(network), pairs, alphas, batch_size)]
    along = Along(*(torch.cat([getattr(part, name) for part in parts]) for name in ("values", "norms", "slopes")))
    if not bool(along.norms.any()):
        raise InputError(f"the logits do not depend on the input: no gradient at {points} points of {len(pairs)} paths")
    return _concluded(pairs, alphas, along)


def _parts(network: Adapted, pairs: Pairs, alphas: Tensor, batch_size: int) -> Iterator[Along]:
    """The pairs through the network, so many points at once."""
    device, step = device_of(network), max(1, batch_size // len(alphas))
    for start in range(0, len(pairs), step):
        some = slice(start, start + step)
        starts, ends = pairs.starts[some].to(device), pairs.ends[some].to(device)
        classes = torch.stack([pairs.start_classes[some], pairs.end_classes[some]], 1).to(device)
        yield _along(network, starts, ends, classes, alphas.to(starts), start)


def _along(network: Adapted, starts: Tensor, ends: Tensor, classes: Tensor, alphas: Tensor, first: int) -> Along:
    """g, its gradient's norm and slope at all points of some paths, from one pass forward and one back."""
    count, points = len(starts), len(alphas)
    weights = alphas.reshape(1, points, *[1] * (starts.ndim - 1))
    x = torch.lerp(starts[:, None], ends[:, None], weights).flatten(0, 1)
    g, gradient = logit_difference(network, x, classes.repeat_interleave(points, 0))
    rows = gradient.reshape(count, points, -1)
    norms = torch.linalg.vector_norm(rows, dim=2, dtype=torch.float64).cpu()
    slopes = torch.bmm(rows, (ends - starts).reshape(count, -1, 1))[:, :, 0].double().cpu()
    values = g.reshape(count, points).double().cpu()
    for name, found in (("logits", values), ("gradients", norms)):
        if not bool(found.isfinite().all()):
            pair, place = (~found.isfinite()).nonzero()[0].tolist()
            raise InputError(
                f"the {name} of the network must be finite, at alpha {float(alphas[place]):g} of pair {first + pair} "
                "they are not"
            )
    return Along(values, norms, slopes)


def _concluded(pairs: Pairs, alphas: Tensor, along: Along) -> FeatureCompression:
    """The numbers of the pairs with g(x) > 0 > g(x')."""
    at_start, at_end = along.values[:, 0], along.values[:, -1]
    is_right, is_right_there, is_steep = at_start > 0, at_end < 0, along.norms[:, 0] > 0
    kept = is_right & is_right_there & is_steep
    if not bool(kept.any()):
        raise InputError(
            f"no pair has g(x) > 0 > g(x'): of {len(pairs)}, {int((~is_right).sum())} inputs are not told from the "
            f"other class and {int((~is_right_there).sum())} end points not from the input's: train the network first"
        )
    rows = _rows(pairs, alphas, along, kept.nonzero()[:, 0])
    errors = [abs(row.path_integral - row.change) / abs(row.change) for row in rows]
    return FeatureCompression(
        pairs=rows,
        classes=tuple(_of_class(rows, label) for label in sorted({row.label for row in rows})),
        alphas=tuple(alphas.tolist()),
        inputs=len(pairs),
        wrong_at_start=int((~is_right).sum()),
        wrong_at_end=int((is_right & ~is_right_there).sum()),
        flat=int((is_right & is_right_there & ~is_steep).sum()),
        mean_abs_cosine=sum(abs(row.cosine) for row in rows) / len(rows),
        largest_integral_error=max(errors),
    )


def _rows(pairs: Pairs, alphas: Tensor, along: Along, kept: Tensor) -> tuple[CompressedPair, ...]:
    g, norms, slopes = along.values[kept], along.norms[kept], along.slopes[kept]
    ends = None if pairs.end_indices is None else pairs.end_indices.cpu()[kept].tolist()
    where = kept.to(pairs.starts.device)
    length = (pairs.ends[where].double() - pairs.starts[where].double()).flatten(1).norm(dim=1).cpu()
    cosines = torch.where(norms > 0, slopes / (norms * length[:, None]), 0.0).clamp(-1, 1)
    integral = torch.trapezoid(slopes, dx=1 / (len(alphas) - 1))
    to_boundary = integral / norms[:, 0] * g[:, 0] / (g[:, 0] - g[:, -1])
    boundary, cosine_there = _boundary(alphas, g, cosines)
    numbers = {
        "L": length, "margin": g[:, 0], "margin_end": g[:, -1], "rho": cosines[:, 0].abs(),
        "M": slopes.sum(1) / (len(alphas) - 1) / norms[:, 0], "M_b": to_boundary, "predicted": to_boundary.abs(),
        "first_order": g[:, 0] / norms[:, 0], "boundary": boundary,
        "tangent_distance": boundary * length * cosine_there.abs(), "change": g[:, -1] - g[:, 0],
        "path_integral": integral,
    }  # fmt: skip
    columns = {name: values.tolist() for name, values in numbers.items()}
    inputs, classes = kept.tolist(), (pairs.start_classes.cpu()[kept].tolist(), pairs.end_classes.cpu()[kept].tolist())
    paths = zip(cosines.tolist(), norms.tolist(), strict=True)
    return tuple(
        CompressedPair(
            input=inputs[place], end=None if ends is None else ends[place], label=classes[0][place],
            other=classes[1][place], cosines=tuple(path[0]), gradient_norms=tuple(path[1]),
            **{name: values[place] for name, values in columns.items()},
        )
        for place, path in enumerate(paths)
    )  # fmt: skip


def _boundary(alphas: Tensor, g: Tensor, cosines: Tensor) -> tuple[Tensor, Tensor]:
    """Where g first is zero, and the cosine there, both by straight lines between the points."""
    after = (g <= 0).int().argmax(1)[:, None]
    before = after - 1
    above, below = g.gather(1, before), g.gather(1, after)
    share = above / (above - below)
    step = alphas[1] - alphas[0]
    cosine = torch.lerp(cosines.gather(1, before), cosines.gather(1, after), share)
    return (alphas[before] + share * step)[:, 0], cosine[:, 0]


def _of_class(rows: tuple[CompressedPair, ...], label: int) -> ClassCompression:
    own = [row for row in rows if row.label == label]
    lengths, predicted = (torch.tensor([getattr(row, name) for row in own]) for name in ("L", "predicted"))
    return ClassCompression(
        label=label,
        pairs=len(own),
        mean_abs_cosine=sum(abs(row.cosine) for row in own) / len(own),
        median_L=float(lengths.quantile(0.5)),
        median_predicted=float(predicted.quantile(0.5)),
    )
