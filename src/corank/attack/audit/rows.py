"""What the tests find, and the table that an audit returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from corank.attack.audit.case import Case
from corank.attack.audit.finding import Finding, Found, NotRun
from corank.attack.budget import Norm
from corank.result import Result, Scalar

Verdict = Literal["passed", "flagged", "not run"]


@dataclass(frozen=True)
class Question:
    """What one test asks of a network.

    Attributes:
        number: in the table of the audit.
        name: what is tested.
        ask: finds the answer.
    """

    number: int
    name: str
    ask: Callable[[Case], Found | NotRun]


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one test says.

    Attributes:
        number: of the test, 1 to 20.
        test: its name.
        measure: what the value is a value of; the finding that decides, where there are several.
        value: that was measured; None where the test was not run.
        threshold: on whose wrong side the value is flagged.
        flagged_if: the value lies "above" or "below" the threshold.
        verdict: "passed", "flagged" or "not run".
        note: the reason why it was not run, or what else there is to say.
        findings: all that may be flagged; the one that decides is in the row.
        measured: further numbers by name.
    """

    number: int
    test: str
    measure: str
    value: float | None
    threshold: float | None
    flagged_if: Literal["above", "below"]
    verdict: Verdict
    note: str
    findings: tuple[Finding, ...]
    measured: Mapping[str, Scalar]


def row_of(question: Question, found: Found | NotRun) -> Row:
    """The line of a test's answer: of several findings that which is flagged, or nearest to it."""
    if isinstance(found, NotRun):
        return Row(
            number=question.number, test=question.name, measure="", value=None, threshold=None, flagged_if="above",
            verdict="not run", note=found.reason, findings=(), measured={},
        )  # fmt: skip
    decisive = max(found.findings, key=lambda one: (one.is_flagged, one.nearness))
    return Row(
        number=question.number, test=question.name, measure=decisive.measure, value=decisive.value,
        threshold=decisive.threshold, flagged_if="below" if decisive.below else "above",
        verdict="flagged" if decisive.is_flagged else "passed", note=found.note, findings=found.findings,
        measured=found.measured,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Audited(Result):
    """Twenty tests of one network at one budget, and what they allow to be said.

    Attributes:
        verdict: "flagged" where any test was, else "passed"; which proves nothing, but that these tests found nothing.
        norm: of the perturbations.
        radius: that they do not exceed.
        images: that were judged.
        accuracy: share of them classified rightly.
        under_attack: share still classified rightly after all that the audit tried, each image at its worst; images
            outside the subsamples met fewer attacks.
        low: end of the 95 % interval of that share.
        high: its other end.
        rows: a line for each test, in their order.
        standing: `(m,)` the images that nothing broke.
        seed: of every random draw.
        seconds: that all took.
        gradients: samples whose gradients were taken by the audit's own descents.
        forward: samples that only went forward in them.
    """

    verdict: Literal["passed", "flagged"]
    norm: Norm
    radius: float
    images: int
    accuracy: float
    under_attack: float
    low: float
    high: float
    rows: tuple[Row, ...]
    standing: Tensor = field(metadata={"json": False})
    seed: int
    seconds: float
    gradients: int
    forward: int

    @property
    def flagged(self) -> tuple[Row, ...]:
        """The lines that were flagged."""
        return tuple(row for row in self.rows if row.verdict == "flagged")

    @property
    def name(self) -> str:
        """What the accuracy may be called: the word "robust" is withheld where a test was flagged."""
        return "accuracy under attack" if self.flagged else "robust accuracy"

    def row(self) -> dict[str, Scalar]:
        """Budget, accuracies, verdict and the tests that were flagged."""
        return {
            "norm": self.norm, "radius": self.radius, "accuracy": self.accuracy, self.name: self.under_attack,
            "verdict": self.verdict, "flagged": ", ".join(f"{row.number} {row.test}" for row in self.flagged) or None,
            "seconds": self.seconds,
        }  # fmt: skip
