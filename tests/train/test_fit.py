from __future__ import annotations

import copy
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.network import capture
from corank.train import Checkpoint, Cosine, CrossEntropy, Distillation, EpochEnd, Steps, accuracy, fit

sgd = partial(torch.optim.SGD, lr=0.1, momentum=0.9)


def make_data(samples: int = 40) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(samples, 5, generator=generator)
    y = (x[:, 0] + x[:, 1] > 0).long()
    return list(zip(x.split(12), y.split(12), strict=True))


def make_network(dropout: float = 0.0) -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 2))


def state_of(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def assert_same(first: nn.Module, second: nn.Module) -> None:
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name


def test_it_is_the_loop_that_one_would_write() -> None:
    data, network, plain = make_data(), make_network(), make_network()
    fit(network, data, epochs=3, optimiser=sgd)
    optimiser = sgd(plain.parameters())
    for _ in range(3):
        for x, y in data:
            optimiser.zero_grad()
            nn.functional.cross_entropy(plain(x), y).backward()
            optimiser.step()
    assert_same(network, plain)


def test_it_learns() -> None:
    data, network = make_data(), make_network()
    history = fit(network, data, epochs=30, optimiser=sgd, schedule=Cosine())
    assert accuracy(network, data) >= 0.95
    assert history.rows[-1].loss < 0.2 * history.rows[0].loss
    assert (history.converged, history.iterations, history.message) == (True, 30, "all 30 epochs done")
    assert fit(network, data, epochs=1, optimiser=sgd, schedule=Cosine()).message == "the one epoch done"


def test_one_seed_gives_one_result_and_leaves_the_callers_chance_alone() -> None:
    networks = [make_network(dropout=0.5) for _ in range(3)]
    for network, seed in zip(networks, (7, 7, 8), strict=True):
        torch.rand(3)
        before = torch.get_rng_state()
        fit(network, make_data(), epochs=2, optimiser=sgd, seed=seed)
        assert torch.equal(torch.get_rng_state(), before)
    assert_same(networks[0], networks[1])
    assert not torch.equal(networks[0][0].weight, networks[2][0].weight)


def test_the_noise_of_an_epoch_is_not_that_of_the_epoch_before() -> None:
    class Noise(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))
            self.drawn: list[float] = []

        def forward(self, x: Tensor) -> Tensor:
            self.drawn.append(float(torch.rand(())))
            return self.scale * x[:, :2]

    network = Noise()
    fit(network, make_data(), epochs=5, optimiser=sgd)
    assert len(set(network.drawn)) == 5 * len(make_data())


def test_the_order_of_the_data_does_not_depend_on_what_the_network_draws() -> None:
    class Shuffled:
        def __init__(self) -> None:
            self.order: list[int] = []

        def __len__(self) -> int:
            return 4

        def __iter__(self):
            batches = make_data()
            for index in torch.randperm(4).tolist():
                self.order.append(index)
                yield batches[index]

    orders = []
    for dropout in (0.0, 0.5):
        batches = Shuffled()
        fit(make_network(dropout), batches, epochs=4, optimiser=sgd)
        orders.append(batches.order)
    assert orders[0] == orders[1]
    assert orders[0][:4] != orders[0][4:8] or orders[0][4:8] != orders[0][8:12]


def test_every_epoch_is_announced_to_the_batches() -> None:
    class Announced(list):
        def set_epoch(self, epoch: int) -> None:
            self.epochs = [*getattr(self, "epochs", []), epoch]

    batches = Announced(make_data())
    fit(make_network(), batches, epochs=3, optimiser=sgd)
    assert batches.epochs == [0, 1, 2]


def test_each_group_follows_the_schedule_from_its_own_rate() -> None:
    network, rates = make_network(), []
    groups = [{"params": [network[0].weight], "lr": 0.2}, {"params": [network[4].weight], "lr": 0.01}]

    def recorded(parameters: list[dict[str, object]]) -> torch.optim.Optimizer:
        optimiser = torch.optim.SGD(parameters, lr=9.0)
        optimiser.register_step_pre_hook(lambda *_: rates.append([group["lr"] for group in optimiser.param_groups]))
        return optimiser

    schedule = Cosine(warm_up=0.2)
    batches = {"with": make_data(), "without": Uncounted(make_data())}
    for data in batches.values():
        rates.clear()
        history = fit(network, data, epochs=2, optimiser=recorded, parameters=iter(groups), schedule=schedule)
        steps = 2 * len(make_data())
        factors = [schedule((step + 0.5) / steps) for step in range(steps)]
        assert rates == [[0.2 * factor, 0.01 * factor] for factor in factors]
        assert history.rows[-1].learning_rate == rates[-1][0]


class Uncounted:
    """Batches without a length."""

    def __init__(self, batches: list[tuple[Tensor, Tensor]]) -> None:
        self.batches = batches

    def __iter__(self):
        return iter(self.batches)


def test_parameters_that_are_not_given_stay() -> None:
    network = make_network()
    before = state_of(network)
    fit(network, make_data(), epochs=2, optimiser=sgd, parameters=network[4].parameters())
    assert torch.equal(network[0].weight, before["0.weight"])
    assert not torch.equal(network[4].weight, before["4.weight"])


def test_a_penalty_is_a_term_of_the_loss() -> None:
    def half_squares(network: nn.Module) -> Tensor:
        return 0.05 * sum((weight**2).sum() for weight in network.parameters())

    networks = [make_network().double(), make_network().double()]
    data = [(x.double(), y) for x, y in make_data()]
    fit(networks[0], data, epochs=3, optimiser=sgd, penalties=[half_squares, half_squares])
    fit(networks[1], data, epochs=3, optimiser=partial(sgd, weight_decay=0.2))
    for first, second in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-10, atol=1e-12)


def test_a_perturbation_is_what_is_learnt() -> None:
    def shifted(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        nn.functional.cross_entropy(network[4](torch.ones(len(x), 8)), y).backward()  # must leave nothing behind
        return x + 0.5

    networks = [make_network(), make_network()]
    fit(networks[0], make_data(), epochs=2, optimiser=sgd, perturb=shifted)
    fit(networks[1], [(x + 0.5, y) for x, y in make_data()], epochs=2, optimiser=sgd)
    assert_same(*networks)


def test_the_row_tells_the_truth_about_a_network_that_stands_still() -> None:
    network, data = make_network().eval(), make_data(41)
    x, y = (torch.cat(part) for part in zip(*data, strict=True))
    network[1] = nn.Identity()
    history = fit(network, data, epochs=1, optimiser=partial(torch.optim.SGD, lr=0.0))
    assert history.rows[0].loss == pytest.approx(CrossEntropy()(network, x, y).item(), rel=1e-6)
    assert history.rows[0].accuracy == accuracy(network, data)


def test_outputs_that_are_no_scores_have_no_accuracy() -> None:
    def squares(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        return ((network(x)[:, 0] - y) ** 2).mean()

    data = [(x, y.float()) for x, y in make_data()]
    history = fit(make_network(), data, epochs=1, optimiser=sgd, objective=squares)
    assert history.rows[0].accuracy is None


def test_a_callback_sees_each_epoch_and_can_end_the_training() -> None:
    network, seen = make_network(), []

    def watch(end: EpochEnd) -> str | None:
        assert end.network is network
        seen.append((end.epoch, end.row.epoch, accuracy(end.network, make_data())))
        return "it is enough" if end.epoch == 3 else None

    def evaluating(end: EpochEnd) -> None:
        end.network.eval()  # the next epoch must train all the same

    history = fit(network, make_data(), epochs=9, optimiser=sgd, callbacks=[watch, evaluating])
    assert [epochs[:2] for epochs in seen] == [(1, 1), (2, 2), (3, 3)]
    assert (history.converged, history.iterations, history.message) == (False, 3, "it is enough")
    assert network[1].num_batches_tracked == 3 * len(make_data())


def test_a_loss_that_is_not_finite_stops_at_once_and_the_last_good_epoch_stays(tmp_path: Path) -> None:
    class Spoiled(list):
        def set_epoch(self, epoch: int) -> None:
            if epoch == 2:
                self[1][0][0] = torch.inf

    network = make_network()
    with pytest.raises(InputError, match=r"epoch 3, step 2, learning rate 0.01: lower the learning") as caught:
        fit(
            network,
            Spoiled(make_data()),
            epochs=4,
            optimiser=sgd,
            schedule=Steps(at=(0.5,)),
            checkpoint=tmp_path,
        )
    assert "\n" not in str(caught.value)
    latest = Checkpoint(tmp_path).latest()
    assert latest is not None
    assert latest.name == "epoch-2"
    assert all(parameter.isfinite().all() for parameter in network.parameters())


@pytest.mark.parametrize("fails", [False, True])
def test_the_network_comes_back_in_its_modes_without_hooks_or_gradients(fails: bool) -> None:
    def callback(end: EpochEnd) -> None:
        if fails:
            raise KeyboardInterrupt

    network = make_network().train()
    network[1].eval()
    modes = [module.training for module in network.modules()]
    try:
        fit(network, make_data(), epochs=1, optimiser=sgd, callbacks=[callback])
        assert not fails
    except KeyboardInterrupt:
        assert fails
    assert [module.training for module in network.modules()] == modes
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(not module._forward_hooks for module in network.modules())


FROZEN = nn.Linear(5, 2).requires_grad_(False)


class Empty(list):
    """Batches that promise what they do not hold."""

    def __len__(self) -> int:
        return 2


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"batches": []}, "there are no batches"),
        ({"batches": Uncounted([])}, "there are no batches"),
        ({"batches": Empty()}, "no samples in epoch 1"),
        ({"objective": lambda network, x, y: network(x)}, r"scalar tensor, got torch.Size\(\[12, 2\]\)"),
        ({"objective": lambda network, x, y: 0.5}, "scalar tensor, got 0.5"),
        ({"network": nn.Flatten()}, "no parameter requires a gradient"),
        ({"network": FROZEN}, "no parameter requires a gradient"),
        (
            {"network": FROZEN, "parameters": [{"params": list(FROZEN.parameters())}]},
            "no parameter requires a gradient",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused(change: dict[str, object], expected: str) -> None:
    settings = {"network": make_network(), "batches": make_data(), "epochs": 1, "optimiser": sgd, **change}
    with pytest.raises(InputError, match=expected) as caught:
        fit(settings.pop("network"), settings.pop("batches"), **settings)
    assert "\n" not in str(caught.value)


def test_a_last_batch_of_one_sample_is_left_out_of_batch_statistics() -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
    network = capture(plain, torch.randn(2, 5))  # whose batch norm, other than the module's, takes one sample
    whole = [(torch.randn(6, 5), torch.randint(2, (6,))) for _ in range(2)]
    with_one = [*whole, (torch.randn(1, 5), torch.tensor([1]))]
    both = [copy.deepcopy(network), copy.deepcopy(network)]
    for trained, batches in zip(both, (whole, with_one), strict=True):
        fit(trained, batches, epochs=1, optimiser=sgd)
    for name, value in both[0].state_dict().items():
        torch.testing.assert_close(both[1].state_dict()[name], value, rtol=0, atol=0)


def test_batches_of_one_sample_are_trained_where_there_are_no_others() -> None:
    network = nn.Linear(5, 2)
    before = network.weight.detach().clone()
    fit(network, [(torch.randn(1, 5), torch.tensor([1])) for _ in range(3)], epochs=1, optimiser=sgd)
    assert not torch.equal(network.weight, before)


def test_labels_are_whole_numbers_of_any_kind() -> None:
    found = []
    for kind in (torch.int64, torch.int32, torch.uint8):
        torch.manual_seed(0)
        network, (x, y) = nn.Linear(5, 2), (torch.randn(6, 5), torch.randint(2, (6,)))
        for objective in (CrossEntropy(), Distillation(teacher=nn.Linear(5, 2).requires_grad_(False))):
            fit(network, [(x, y.to(kind))], epochs=1, optimiser=sgd, objective=objective)
        found.append(network.weight.detach())
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
