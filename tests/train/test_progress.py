from __future__ import annotations

import sys
from functools import partial

import pytest
import torch
from torch import nn

from corank.train import fit

BATCHES = [(torch.randn(4, 3), torch.tensor([0, 1, 0, 1]))]
sgd = partial(torch.optim.SGD, lr=0.1)


def test_a_pipe_sees_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    fit(nn.Linear(3, 2), BATCHES, epochs=2, optimiser=sgd)
    assert capfd.readouterr() == ("", "")


def test_a_terminal_sees_epoch_loss_and_rate(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    history = fit(nn.Linear(3, 2), BATCHES, epochs=2, optimiser=sgd, label="fine-tuning")
    out, err = capsys.readouterr()
    assert out == ""
    assert "fine-tuning" in err
    assert "epoch 2/2" in err
    assert f"loss {history.rows[-1].loss:.4f}" in err
    assert "rate 0.1" in err
