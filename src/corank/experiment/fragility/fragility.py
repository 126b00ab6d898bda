"""What a diagnosis is: the numbers of every input, of every class and of all, and the inputs that stand out."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from torch import Tensor

from corank.experiment.fragility.agreement import Agreement, Gain, Lengths
from corank.measure import CompressedPair
from corank.result import Result, Scalar, jsonable


@dataclass(frozen=True, kw_only=True)
class FragileInput(Result):
    """One input of the test split.

    Attributes:
        pair: what the network makes of the path from it, towards the class of the path's end; `input` and `end` are
            places in the test and in the training split.
        predicted: of the smallest perturbation into any class, before any attack: gradients half way, within bounds.
        first_order: the plain guess of it, the smallest margin / |grad| over the classes.
        predicted_towards: the same as `predicted` into the class of the path's end alone.
        Q: the smallest perturbation that attacks found into that class; None where they found none.
        found: into any class.
        found_class: that it leads to.
        passed_over: whether a nearer example was passed over because the network gets it wrong.
    """

    pair: CompressedPair
    predicted: float | None
    first_order: float
    predicted_towards: float | None
    Q: float | None
    found: float | None
    found_class: int
    passed_over: bool

    def to_dict(self) -> dict[str, Any]:
        """All numbers side by side, lengths as shares of half the path too."""
        pair = self.pair.to_dict()
        pair["first_order_towards"] = pair.pop("first_order")
        del pair["predicted"]  # the size of M_b
        own = {one.name: jsonable(getattr(self, one.name)) for one in fields(self) if one.name != "pair"}
        half = self.pair.L / 2
        return {
            **pair, "cosine": self.pair.cosine, **own, "M_over_half_L": self.pair.M / half,
            "M_b_over_half_L": self.pair.M_b / half, "Q_over_half_L": None if self.Q is None else self.Q / half,
        }  # fmt: skip

    def row(self) -> dict[str, Scalar]:
        """Angle, length, what was foretold and found."""
        return {
            "input": self.pair.input, "class": self.pair.label, "towards": self.pair.other,
            "|cos theta|": abs(self.pair.cosine), "L": self.pair.L, "predicted": self.predicted, "found": self.found,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ClassFragility(Result):
    """The inputs of one class; medians are None where attacks found nothing.

    Attributes:
        label: the class.
        images: how many.
        mean_abs_cosine: at the inputs.
        median_L: of the distance to the nearest example of another class.
        median_predicted: of the foretold smallest perturbation.
        median_found: of the smallest that was found.
    """

    label: int
    images: int
    mean_abs_cosine: float
    median_L: float
    median_predicted: float | None
    median_found: float | None

    def row(self) -> dict[str, Scalar]:
        """All of it."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


@dataclass(frozen=True, kw_only=True, eq=False)
class Extreme:
    """An input that stands out, with what is shown of it.

    Attributes:
        place: among the images of the diagnosis.
        image: in pixel space.
        end: of its path.
        perturbation: the smallest that was found.
    """

    place: int
    image: Tensor
    end: Tensor
    perturbation: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Fragility(Result):
    """How fragile a network is, and why.

    Attributes:
        images: all that were diagnosed.
        classes: the same by class.
        alphas: the points of each path.
        drawn: how many images there were before those below were left out.
        misclassified: left out because the network gets them wrong as they are.
        without_path: left out because no example of another class is told from them, or their gradient vanishes.
        passed_over: of the images, those for which a nearer example was passed over that the network gets wrong.
        not_found: of the images, those for which no attack found a perturbation.
        mean_abs_cosine: over the images.
        largest_integral_error: of the sum along the path as a share of the change of g: whether the points are enough.
        rank_correlation: of `predicted` and `found`; None for too few images.
        rank_correlation_first_order: of `first_order` and `found`.
        agreement: every guess beside what it is a guess of.
        gain: of the prediction over the plain guess; None for too few images.
        extremes: the most fragile inputs, then the least fragile ones.
    """

    images: tuple[FragileInput, ...]
    classes: tuple[ClassFragility, ...]
    alphas: tuple[float, ...]
    drawn: int
    misclassified: int
    without_path: int
    passed_over: int
    not_found: int
    mean_abs_cosine: float
    largest_integral_error: float
    rank_correlation: float | None
    rank_correlation_first_order: float | None
    agreement: tuple[Agreement, ...]
    gain: Gain | None
    extremes: tuple[Extreme, ...] = field(metadata={"json": False}, repr=False)

    def row(self) -> dict[str, Scalar]:
        """How many images, the mean angle and how well the prediction ranks them."""
        return {
            "images": len(self.images), "mean |cos theta|": self.mean_abs_cosine,
            "rank correlation": self.rank_correlation, "first order": self.rank_correlation_first_order,
        }  # fmt: skip


def column(images: tuple[FragileInput, ...], name: str) -> Lengths:
    """A number of all images, not-a-number where there is none."""
    values = [getattr(image, name) if hasattr(image, name) else getattr(image.pair, name) for image in images]
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
