from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.train import CrossEntropy, Distillation


def sum_of(p: Tensor, q: Tensor) -> Tensor:
    """`CE(p, q) = - sum p log q`, the mean over the rows, as it is printed."""
    return -(p * q.log()).sum(1).mean()


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_cross_entropy_is_its_formula(smoothing: float) -> None:
    logits, y = torch.randn(7, 4, dtype=torch.float64), torch.arange(7) % 4
    labels = nn.functional.one_hot(y, 4) * (1 - smoothing) + smoothing / 4
    expected = sum_of(labels, logits.softmax(1))
    torch.testing.assert_close(CrossEntropy(label_smoothing=smoothing)(nn.Identity(), logits, y), expected)


@pytest.mark.parametrize("beta", [0.0, 0.1, 1.0])
def test_distillation_is_its_formula(beta: float) -> None:
    x, y = torch.randn(7, 5), torch.arange(7) % 4
    teacher, student = nn.Linear(5, 4), nn.Linear(5, 4)
    p, q = teacher(x).softmax(1), student(x).softmax(1)
    expected = beta * sum_of(p, q) + (1 - beta) * sum_of(nn.functional.one_hot(y, 4), q)
    loss = Distillation(teacher=teacher, beta=beta)(student, x, y)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert teacher.weight.grad is None
    assert student.weight.grad is not None


def test_the_teacher_is_asked_in_evaluation_mode_and_left_as_it_was() -> None:
    teacher = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.9)).train()
    teacher[1].eval()
    x, y = 3 + torch.randn(6, 4), torch.zeros(6, dtype=torch.long)
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    student = nn.Linear(4, 4)
    first, second = (Distillation(teacher=teacher, beta=1.0)(student, x, y) for _ in range(2))
    assert first == second
    assert (teacher.training, teacher[0].training, teacher[1].training) == (True, True, False)
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items())


def test_a_student_that_is_the_teacher_has_the_least_imitation_loss() -> None:
    teacher, x, y = nn.Linear(5, 4), torch.randn(9, 5), torch.zeros(9, dtype=torch.long)
    objective = Distillation(teacher=teacher, beta=1.0)
    (gradient,) = torch.autograd.grad(objective(teacher, x, y), teacher.weight)
    assert gradient.abs().max() < 1e-6
    assert objective(nn.Linear(5, 4), x, y) > objective(teacher, x, y)


@pytest.mark.parametrize("value", [-0.1, 1.0, float("nan")])
def test_wrong_smoothing_is_refused(value: float) -> None:
    with pytest.raises(InputError, match=f"label_smoothing .* got {value}"):
        CrossEntropy(label_smoothing=value)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_wrong_weight_is_refused(value: float) -> None:
    with pytest.raises(InputError, match=f"beta .* got {value}"):
        Distillation(teacher=nn.Identity(), beta=value)
