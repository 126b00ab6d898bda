from __future__ import annotations

import json
from dataclasses import replace

from corank.train import EpochRow, History


def test_a_history_is_rows_for_json_and_one_line_for_a_table() -> None:
    rows = tuple(
        EpochRow(epoch=epoch, loss=1 / epoch, accuracy=None, learning_rate=0.1, seconds=2.0) for epoch in (1, 2)
    )
    history = History(rows=rows, converged=True, message="all 2 epochs done")
    stored = json.loads(json.dumps(history.to_dict()))
    assert [EpochRow(**row) for row in stored["rows"]] == list(rows)
    assert history.row() == {"epochs": 2, "loss": 0.5, "accuracy": None, "seconds": 4.0}
    assert history.iterations == 2
    judged = replace(history, rows=(*rows[:1], replace(rows[1], validation_accuracy=0.25)))
    assert judged.row() == {**history.row(), "validation accuracy": 0.25}
