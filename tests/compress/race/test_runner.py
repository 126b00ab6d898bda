"""The beginning of some data, for trials."""

from __future__ import annotations

from collections.abc import Iterator

from corank.compress.race.runner import Beginning

from .networks import Data, data


class Walked:
    """Batches that count how many were drawn."""

    drawn = 0

    def __len__(self) -> int:
        return 7

    def __iter__(self) -> Iterator[object]:
        for number in range(7):
            self.drawn += 1
            yield number


def test_its_length_is_known_without_going_through_the_data() -> None:
    walked = Walked()
    assert len(Beginning(walked, 3)) == 3  # type: ignore[arg-type]
    assert len(Beginning(walked, 30)) == 7  # type: ignore[arg-type]
    assert walked.drawn == 0
    assert list(Beginning(walked, 3)) == [0, 1, 2]  # type: ignore[arg-type]
    assert walked.drawn <= 4


class Endless:
    """Batches of which nobody knows how many there are."""

    def __iter__(self) -> Iterator[object]:
        yield from data()


def test_without_a_length_it_is_counted() -> None:
    known: Data = data()
    assert len(Beginning(Endless(), 3)) == 3  # type: ignore[arg-type]
    assert len(Beginning(Endless(), 10**6)) == len(known)  # type: ignore[arg-type]
