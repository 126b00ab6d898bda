"""Findings in words, put together to sentences."""

from __future__ import annotations

from collections.abc import Sequence


def capital(text: str) -> str:
    """The text with a capital letter at its beginning and the rest as it is.

    Example:
        >>> capital("cut after conv3"), capital("")
        ('Cut after conv3', '')
    """
    return text[:1].upper() + text[1:]


def sentence(text: str) -> str:
    """The text as a sentence.

    Example:
        >>> sentence("all 5 epochs done")
        'All 5 epochs done.'
    """
    return f"{capital(text)}."


def listed(names: Sequence[str]) -> str:
    """Layers one after the other; of more than four the first three and how many more.

    Example:
        >>> listed(["conv1"]), listed(["conv1", "conv2", "conv3"]), listed(["conv1", "conv2", "conv3", "fc1", "fc2"])
        ('conv1', 'conv1, conv2 and conv3', 'conv1, conv2, conv3 and 2 more layers')
    """
    return together(names if len(names) <= 4 else [*names[:3], f"{len(names) - 3} more layers"])


def together(parts: Sequence[str]) -> str:
    """All parts one after the other.

    Example:
        >>> together(["a"]), together(["a", "b", "c"])
        ('a', 'a, b and c')
    """
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def counted(count: float, what: str) -> str:
    """A number of things.

    Example:
        >>> counted(1, "layer"), counted(2.5, "point")
        ('1 layer', '2.5 points')
    """
    return f"{count:g} {what}" if count == 1 else f"{count:g} {what}s"


def points(share: float) -> str:
    """A difference of accuracies as percentage points.

    Example:
        >>> points(0.01), points(0.005)
        ('1 point', '0.5 points')
    """
    return counted(round(100 * share, 6), "point")


def sizes(layers: Sequence[int]) -> str:
    """The sizes of layers: all of them while they are few, else their range.

    Example:
        >>> sizes((5, 1000)), sizes((9, 8, 7, 30, 12))
        ('5, 1,000', '7 to 30 in 5 layers')
    """
    if len(layers) <= 4:
        return ", ".join(f"{size:,}" for size in layers)
    return f"{min(layers):,} to {max(layers):,} in {len(layers)} layers"
