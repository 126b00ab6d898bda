"""The diagnosis in plain words, with its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from corank.experiment.fragility.agreement import Agreement
from corank.experiment.fragility.fragility import Fragility
from corank.experiment.words import counted
from corank.report.format import number, percent

SHORT = 1.25  # times that half the way is longer than the perturbation, from which on that asks for a reason
NAMES = {
    "predicted": "prediction",
    "first_order": "margin / |grad|",
    "M_b": "|M_b|, eq. 8",
    "tangent_distance": "tangent plane at the path's crossing",
    "cosine": "|cos θ| L / 2",
    "L": "distance L alone",
}
"""What guesses are called in tables and figures."""


def in_words(found: Fragility, network: str) -> tuple[str, ...]:
    """How fragile, why, and which prediction is better, a sentence or two each."""
    return (*fragile_in_words(found, network), better_in_words(found))


def fragile_in_words(found: Fragility, network: str) -> tuple[str, ...]:
    """How little is enough, beside how far the other classes are, and what the network looks at."""
    lengths = [image.found for image in found.images if image.found is not None]
    images = counted(len(found.images), "image")
    if not lengths:
        return (f"No attack found a perturbation that changes the class {network} gives to any of {images}.",)
    half = median(image.pair.L / 2 for image in found.images)
    times = half / median(lengths)
    fooled = (
        f"The image changes its class under a perturbation of length {number(lengths[0])}."
        if len(found.images) == 1
        else f"Of {images} that {network} gets right, half change their class under a perturbation no longer than "
        f"{number(median(lengths))}."
    )
    return (
        f"{fooled} Half way to {end_in_words(found)} is {number(half)}, "
        f"{number(times)} times as far (medians; Euclidean lengths).",
        _why(found, times),
    )


def end_in_words(found: Fragility) -> str:
    """Where the paths lead: to a training example, or to an image that was given."""
    is_given = all(image.pair.end is None for image in found.images)
    return "the image that was given" if is_given else "the nearest example of another class"


def _why(found: Fragility, times: float) -> str:
    """What the network looks at, and whether that is why a perturbation may be so short."""
    seen = f"the network looks at {percent(found.mean_abs_cosine)} of the direction to that example (mean |cos θ|)"
    if times < SHORT:
        return f"That is about what the distance between the classes allows: {seen}."
    compressed = median(abs(image.pair.cosine) * image.pair.L / 2 for image in found.images)
    return (
        f"The reason that feature compression gives: {seen}, so that a push along its own direction may be much "
        f"shorter. For a linear network that is as sure at both ends |cos θ| L / 2 would do, {number(compressed)} in "
        "the median."
    )


def better_in_words(found: Fragility) -> str:
    """Which prediction made before any attack ranks the inputs better."""
    ours, plain, gain = found.rank_correlation, found.rank_correlation_first_order, found.gain
    if ours is None or plain is None:
        return "There are too few images to say how good the predictions are."
    both = (
        f"Foretold before any attack, from gradients half way and within the bounds of pixels, the smallest "
        f"perturbations have a rank correlation of {ours:.3f} with those found; the plain guess margin / |grad| has "
        f"{plain:.3f}"
    )
    if gain is None:
        return f"{both}."
    interval = f"{gain.low:+.3f} to {gain.high:+.3f} at 95 %"
    said = {
        "predicted": "the first ranks these images better",
        "first order": "the plain guess ranks these images better",
        "neither": "neither can be said to rank these images better",
    }
    return f"{both}: {said[gain.verdict]} (difference {gain.difference:+.3f}, {interval})."


def scale_in_words(found: Fragility) -> str:
    """How far the guesses are off, and what the sum along the path adds."""
    of = {row.guess: row for row in found.agreement if row.of == "found"}
    ours, plain = of["predicted"], of["first_order"]
    aimed = {row.guess: row for row in found.agreement if row.of == "Q"}
    compressed = of["cosine"]
    return (
        f"Half of the predictions are off by at most {_share(ours)}, of the plain guesses by {_share(plain)}. The "
        f"angle alone, as |cos θ| L / 2, has a rank correlation of {_rank(compressed)} and is "
        f"{number(compressed.median_ratio)} times as long as what was found (median). The paper's own prediction, M_b, "
        "goes towards the class of the path's end. It is no other than the plain guess "
        "towards that class: the sum of eq. 8 along the path is the change of g from one end to the other, whatever "
        "lies between, so that M_b = g(x) / |grad g(x)| up to the error of the sum (at most "
        f"{percent(found.largest_integral_error)} here). Its rank correlation with what attacks found towards that "
        f"class is {_rank(aimed['M_b'])}, that of the plain guess {_rank(aimed['first_order'])}, that of the "
        f"prediction from gradients half way {_rank(aimed['predicted'])}, and that of the distance to the plane "
        f"tangent to the boundary where the path crosses it {_rank(aimed['tangent_distance'])}."
    )


def left_out(found: Fragility) -> tuple[tuple[str, str], ...]:
    """What was not diagnosed, and why."""
    counts: Sequence[tuple[int, str]] = (
        (found.misclassified, "the network gets them wrong as they are"),
        (found.without_path, "no example of another class is told from them, or their gradient vanishes"),
    )
    return tuple((counted(count, "image"), why) for count, why in counts if count)


def remarks(found: Fragility) -> tuple[str, ...]:
    """What a reader of the numbers must know."""
    said = []
    if found.passed_over:
        said.append(
            f"For {counted(found.passed_over, 'image')} the nearest example of another class is one that the network "
            "itself gets wrong: no boundary lies on the way to it, and the nearest that the network gets right took "
            "its place."
        )
    if found.not_found:
        said.append(f"For {counted(found.not_found, 'image')} no attack found a perturbation.")
    return tuple(said)


def _share(row: Agreement) -> str:
    return "–" if row.median_error is None else percent(row.median_error)


def _rank(row: Agreement) -> str:
    return "unknown" if row.rank_correlation is None else f"{row.rank_correlation:.3f}"
