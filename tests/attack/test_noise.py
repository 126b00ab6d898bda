from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corank.attack.interval import wilson
from corank.attack.noise import DEVIATION, noise_stability, pixel_noise
from corank.errors import InputError
from corank.network.guard import unchanged


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network_of() -> nn.Sequential:
    network = nn.Sequential(nn.Flatten(), nn.Linear(27, 2))
    network.eval()
    return network


@pytest.mark.parametrize("probability", [0.4, 1.0])
@pytest.mark.parametrize("per_channel", [False, True])
def test_share_mean_and_variance_of_the_noise(probability: float, per_channel: bool) -> None:
    noise = pixel_noise(torch.zeros(400, 3, 8, 8), probability, chance(), per_channel=per_channel)
    drawn = (noise if per_channel else noise[:, :1]).double()
    count, variance = drawn.numel(), probability * DEVIATION**2
    # five standard errors: of the variance, from the fourth moment 3 p s^4 of the mixture
    error = 5 * ((3 * probability * DEVIATION**4 - variance**2) / count) ** 0.5
    assert float(drawn.square().mean()) == pytest.approx(variance, abs=error)
    assert float(drawn.mean()) == pytest.approx(0, abs=5 * (variance / count) ** 0.5)
    share_error = 5 * (probability * (1 - probability) / count) ** 0.5
    assert float((drawn != 0).double().mean()) == pytest.approx(probability, abs=share_error + 1e-9)


def test_channels_of_a_pixel_share_their_noise_unless_each_is_drawn() -> None:
    like = torch.zeros(5, 3, 4, 4)
    shared, each = (pixel_noise(like, 0.5, chance(), per_channel=flag) for flag in (False, True))
    assert torch.equal(shared, shared[:, :1].expand_as(shared))
    assert not torch.equal(each[:, 0] != 0, each[:, 1] != 0)
    assert len({*pixel_noise(torch.zeros(5, 7), 1.0, chance()).flatten().tolist()}) == 35


def test_noise_at_a_smaller_probability_is_part_of_that_at_a_larger() -> None:
    few, many = (pixel_noise(torch.zeros(9, 1, 6, 6), p, chance(3)) for p in (0.4, 0.8))
    assert torch.equal(few[few != 0], many[few != 0])


def test_probability_zero_changes_nothing() -> None:
    network, images, labels = network_of(), torch.rand(30, 3, 3, 3), torch.randint(2, (30,))
    found = noise_stability(network, images, labels, probabilities=(0.0,))
    assert found.noisy[0].accuracy == found.accuracy
    assert found.noisy[0].fooled == 0
    assert not pixel_noise(images, 0.0, chance()).any()


def test_on_a_linear_network_accuracy_follows_the_normal_distribution() -> None:
    network, images = network_of(), torch.rand(4000, 3, 3, 3) - 0.5
    layer: Any = network[1]
    weight, bias = (layer.weight[1] - layer.weight[0]).detach(), (layer.bias[1] - layer.bias[0]).detach()
    values = images.flatten(1) @ weight + bias
    labels = (values > 0).long()
    found = noise_stability(network, images, labels, probabilities=(1.0,))
    by_pixel = weight.reshape(3, -1).sum(0)  # all channels of a pixel get the same noise
    expected = torch.special.ndtr(values.abs() / (DEVIATION * by_pixel.norm())).double()
    error = 5 * float((expected * (1 - expected)).sum().sqrt()) / len(images)
    assert found.noisy[0].accuracy == pytest.approx(float(expected.mean()), abs=error)
    assert error < 0.05


def test_rows_agree_with_a_direct_count() -> None:
    network, images, labels = network_of(), torch.rand(200, 3, 3, 3), torch.randint(2, (200,))
    with unchanged(network):
        found = noise_stability(network, images, labels, probabilities=(0.4, 0.9), bounds=(0, 1), seed=4, deviation=2.0)
    for row in found.noisy:
        noise = pixel_noise(images, row.probability, chance(4), deviation=2.0)
        with torch.no_grad():
            clean, classes = network(images).argmax(1), network((images + noise).clamp(0, 1)).argmax(1)
        right = clean == labels
        assert row.accuracy == float((classes == labels).double().mean())
        assert row.fooled == float((classes != clean).double().mean())
        assert row.fooled_of_right == float((classes != clean)[right].double().mean())
        assert (row.low, row.high) == wilson(int((classes == labels).sum()), 200)
    assert len({row.fooled for row in found.noisy}) == 2


def _samples() -> tuple[Tensor, Tensor]:
    return torch.rand(4, 3, 3, 3), torch.zeros(4, dtype=torch.long)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"probabilities": ()}, "at least one probability, got none"),
        ({"probabilities": (0.5, 1.5)}, "probability must lie from 0 to 1, got 1.5"),
        ({"probabilities": (-0.1,)}, "got -0.1"),
        ({"probabilities": (float("nan"),)}, "got nan"),
        ({"deviation": 0.0}, "deviation must be positive and finite, got 0.0"),
        ({"deviation": float("inf")}, "got inf"),
        ({"bounds": (0.0, 0.1)}, "must lie within the bounds"),
    ],
)
def test_noise_that_makes_no_sense_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        noise_stability(network_of(), *_samples(), **options)


def test_a_network_in_training_mode_is_refused() -> None:
    with pytest.raises(InputError, match="training mode"):
        noise_stability(network_of().train(), *_samples())
