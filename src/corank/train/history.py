"""What a training did: one row an epoch, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass

from corank.result import Result, Scalar


@dataclass(frozen=True, kw_only=True)
class EpochRow:
    """The numbers of one epoch.

    Args:
        epoch: epochs done, this one included; the first is 1.
        loss: mean over the samples of the objective plus penalties, while the network changes.
        accuracy: share of the training samples whose label had the largest output, while the network changes;
            None where the outputs are not class scores.
        learning_rate: step size of the first parameter group at the last step.
        seconds: time of the epoch.
        validation_accuracy: share of right answers on the validation batches after the epoch; None without such.
    """

    epoch: int
    loss: float
    accuracy: float | None
    learning_rate: float
    seconds: float
    validation_accuracy: float | None = None


@dataclass(frozen=True, kw_only=True)
class History(Result):
    """The course of a training.

    Args:
        rows: one a finished epoch, those before a resumption included.
        converged: every epoch asked for was run; False where a callback ended the training early.
        message: why it ended, in words.

    Example:
        >>> row = EpochRow(epoch=1, loss=0.5, accuracy=0.75, learning_rate=0.1, seconds=2.0)
        >>> print(History(rows=(row,), converged=True, message="the one epoch done"))
        epochs 1, loss 0.5, accuracy 0.75, seconds 2
    """

    rows: tuple[EpochRow, ...]
    converged: bool
    message: str

    @property
    def iterations(self) -> int:
        """The number of epochs done."""
        return len(self.rows)

    def row(self) -> dict[str, Scalar]:
        """The last epoch's loss and accuracies, that on validation data where there were any, and all seconds."""
        last = self.rows[-1]
        judged = last.validation_accuracy
        return {
            "epochs": last.epoch, "loss": last.loss, "accuracy": last.accuracy,
            **({} if judged is None else {"validation accuracy": judged}),
            "seconds": sum(row.seconds for row in self.rows),
        }  # fmt: skip
