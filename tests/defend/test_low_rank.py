from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from corank.defend import BottleLowRank, Course, LowRank, LowRankLayer, VirtualLayers
from corank.errors import InputError
from corank.network import Normalised
from corank.train import fit


class Functional(nn.Module):
    """Its hidden layer ends between modules, in an activation in place, behind a batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(16, 64)
        self.norm = nn.BatchNorm1d(64)
        self.out = nn.Linear(64, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(functional.relu_(self.norm(self.hidden(x.flatten(1)))))


def make(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Normalised(Functional(), [0.5], [0.5])


def batches(count: int = 8) -> list[tuple[Tensor, Tensor]]:
    chance = torch.Generator().manual_seed(0)
    templates = torch.rand(3, 1, 4, 4, generator=chance)
    made = []
    for _ in range(count):
        y = torch.randint(3, (32,), generator=chance)
        made.append((0.7 * templates[y] + 0.3 * torch.rand(32, 1, 4, 4, generator=chance), y))
    return made


def energy_outside(network: nn.Module, rank: int) -> float:
    """Share of the hidden activations' variance beyond the leading directions."""
    inner, x = network.network, torch.cat([x for x, _ in batches()])
    with torch.no_grad():
        h = functional.relu(inner.norm(inner.hidden((x.flatten(1) - 0.5) / 0.5)))
    squares = torch.linalg.svdvals(h - h.mean(0)).square()
    return float(squares[rank:].sum() / squares.sum())


def test_activations_between_modules_are_brought_to_the_rank_and_nothing_stays() -> None:
    course = Course(epochs=12)
    plain = LowRank(rank=3, weight=0.0, norm_weight=0.0).defend(make(), batches(), course).network
    found = LowRank(rank=3, weight=1.0, norm_weight=1.0).defend(make(), batches(), course)
    assert energy_outside(found.network, 3) < 0.2 * energy_outside(plain, 3)
    assert found.history.rows[-1].accuracy == 1.0
    assert {*found.network.state_dict()} == {*make().state_dict()}
    assert not torch.equal(found.network.network.norm.running_mean, torch.zeros(64))


def test_without_weight_it_trains_as_if_it_were_not_there_and_warm_up_is_that_too() -> None:
    course, trained = Course(epochs=2, seed=3), make()
    history = fit(trained, batches(), epochs=2, optimiser=course.optimiser, schedule=course.schedule, seed=3)
    found = LowRank(rank=2, weight=0.0, norm_weight=0.0, warm_up=0).defend(make(), batches(), course)
    for name, value in trained.state_dict().items():
        if not name.endswith("num_batches_tracked"):  # which a graph does not count
            torch.testing.assert_close(found.network.state_dict()[name], value)
    late = LowRank(rank=2, weight=0.1, warm_up=1).defend(make(), batches(), course).history
    torch.testing.assert_close(late.rows[0].loss, history.rows[0].loss)
    assert late.rows[1].loss > history.rows[1].loss + 0.05


def test_virtual_layers_serve_in_a_loop_of_ones_own() -> None:
    network = make().train()
    x, y = batches(1)[0]
    virtual = VirtualLayers(network, ["hidden", "*"], x, lambda _, size: LowRankLayer(size, rank=2)).train()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.05)
    losses = []
    for _ in range(30):
        loss = functional.cross_entropy(virtual(x), y)
        losses.append(float(virtual.penalty().detach()))
        optimiser.zero_grad()
        (loss + virtual.penalty()).backward()
        optimiser.step()
        virtual.project()
    assert len(virtual.layers) == 2
    assert losses[-1] < 0.5 * max(losses)
    with torch.no_grad():
        torch.testing.assert_close(virtual.eval()(x), network.eval()(x))


def test_each_layer_may_have_a_rank_of_its_own() -> None:
    defence = LowRank(rank=(2, 5), layer=("norm", "hidden"), warm_up=0)
    plan = defence._plan(make(), batches(), Course(epochs=1), (0.0, 1.0))
    assert isinstance(plan.network, VirtualLayers)
    ranks = {point.label: layer.rank for point, layer in zip(plan.network.points, plan.network.layers, strict=True)}
    assert ranks == {"norm": 2, "hidden": 5}
    with pytest.raises(InputError, match=r"one for each of the 1 layers, got \(2, 5\)"):
        LowRank(rank=(2, 5), layer=("hidden",))


def test_a_bottleneck_is_in_the_network_and_bounds_the_rank() -> None:
    found = BottleLowRank(rank=2, layer="hidden").defend(make(), batches(), Course(epochs=3)).network
    with torch.no_grad():
        h = found.network.hidden(torch.cat([x for x, _ in batches()]).flatten(1)).flatten(1)
    assert int(torch.linalg.matrix_rank(h - h.mean(0), rtol=1e-4)) == 2


def test_each_bottleneck_has_its_own_rank() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3))
    found = BottleLowRank(rank=(2, 4), layer=("4", "2")).defend(network, batches(), Course(epochs=1)).network
    assert (found[4][1].down.weight.shape, found[2][1].down.weight.shape) == ((2, 8), (4, 12))
    with pytest.raises(InputError, match=r"one for each of the 1 layers, got \(2, 4\)"):
        BottleLowRank(rank=(2, 4), layer="4")
    with pytest.raises(InputError, match="rank must be at least 1, got 0"):
        BottleLowRank(rank=(2, 0), layer=("4", "2"))


def test_a_rank_or_a_warm_up_that_leaves_nothing_to_do_is_refused() -> None:
    with pytest.raises(InputError, match="rank must be below the 64 features of the layer, got 64"):
        LowRank(rank=64).defend(make(), batches(), Course(epochs=2))
    with pytest.raises(InputError, match="rank must be below the 64 features of 'hidden', got 64"):
        BottleLowRank(rank=64, layer="hidden").defend(make(), batches(), Course(epochs=2))
    with pytest.raises(InputError, match="warm_up must be below the 2 epochs of the training, got 2"):
        LowRank(rank=2, warm_up=2).defend(make(), batches(), Course(epochs=2))
    with pytest.raises(InputError, match=r"put behind modules that run once, '\*' means others too"):
        BottleLowRank(rank=2).defend(make(), batches(), Course(epochs=2))


def test_a_bottleneck_has_the_type_of_its_network() -> None:
    data = [(x.double(), y) for x, y in batches()]
    found = BottleLowRank(layer="hidden", rank=2).defend(make().double(), data, Course(epochs=1)).network
    assert found(data[0][0]).dtype == torch.float64


def test_a_penalty_without_a_batch_and_several_inputs_are_refused() -> None:
    x = batches()[0][0]
    virtual = VirtualLayers(make(), "*", x, lambda name, features: LowRankLayer(features, rank=2)).eval()
    virtual(x)
    with pytest.raises(InputError, match="call train"):
        virtual.penalty()
    with pytest.raises(InputError, match="got a tuple"):
        VirtualLayers(make(), "*", (x, x), lambda name, features: LowRankLayer(features, rank=2))  # type: ignore[arg-type]
