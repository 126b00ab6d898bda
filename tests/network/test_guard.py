from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from corank.network.guard import unchanged


def lively() -> nn.Sequential:
    """A network with all that a method could disturb: mixed modes, a hook, a gradient, numbers that are none."""
    net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(), nn.ReLU(), nn.Linear(3, 2))
    net.register_buffer("unsaved", torch.tensor([1.0, float("nan"), 0.0]), persistent=False)
    net[2].eval()
    net[4].weight.requires_grad_(False)
    net[0].weight.grad = torch.ones(3, 3)
    net[3].register_forward_hook(lambda *_: None)
    return net


CHANGES: dict[str, tuple[Callable[[nn.Sequential], object], str]] = {
    "value": (lambda net: net[0].weight.data[1, 2].add_(1e-7), "values of 0.weight"),
    "sign of zero": (lambda net: net.unsaved[2].neg_(), "values of unsaved"),
    "nan for zero": (lambda net: net.unsaved[2].fill_(float("nan")), "values of unsaved"),
    "zero for nan": (lambda net: net.unsaved[1].fill_(0.0), "values of unsaved"),
    "running statistics": (lambda net: net.train()(torch.randn(4, 3)), "values of 1.running_mean"),
    "dtype": (lambda net: net[4].double(), "values of 4.weight"),
    "shape": (lambda net: setattr(net[0].bias, "data", torch.zeros(4)), "values of 0.bias"),
    "mode": (lambda net: net[2].train(), "hooks of 2"),
    "mode of all": (lambda net: net.eval(), "hooks of the network"),
    "hook": (lambda net: net[1].register_forward_pre_hook(lambda *_: None), "hooks of 1"),
    "hook taken away": (lambda net: net[3]._forward_hooks.clear(), "hooks of 3"),
    "backward hook": (lambda net: net[1].register_full_backward_hook(lambda *_: None), "hooks of 1"),
    "frozen": (lambda net: net[0].bias.requires_grad_(False), "object of 0.bias"),
    "thawed": (lambda net: net[4].weight.requires_grad_(True), "object of 4.weight"),
    "gradient left": (lambda net: setattr(net[0].bias, "grad", torch.ones(3)), "gradient of 0.bias"),
    "gradient taken away": (lambda net: net.zero_grad(), "gradient of 0.weight"),
    "gradient changed in place": (lambda net: net[0].weight.grad.zero_(), "gradient of 0.weight"),
    "another parameter": (lambda net: setattr(net[0], "bias", nn.Parameter(net[0].bias.clone())), "object of 0.bias"),
    "another module": (lambda net: net.__setitem__(2, nn.Dropout().eval()), "module, mode or hooks of 2"),
    "module without values taken away": (lambda net: net.__delitem__(2), "module"),
    "new module": (lambda net: net.append(nn.Identity()), "hooks of 5"),
    "new buffer": (lambda net: net.register_buffer("extra", torch.zeros(1)), "values of extra"),
    "buffer taken away": (lambda net: delattr(net, "unsaved"), "values of unsaved"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_is_found_and_named(change: str) -> None:
    net = lively()
    alter, named = CHANGES[change]
    with pytest.raises(AssertionError, match=f"the method changed the caller's network: .*{named}"), unchanged(net):
        alter(net)


@pytest.mark.parametrize("change", ["value", "mode", "hook", "gradient left"])
def test_a_change_is_found_where_the_method_fails_too(change: str) -> None:
    net = lively()
    alter, named = CHANGES[change]

    def spoil_and_fail() -> None:
        alter(net)
        raise ValueError("wrong input")

    with pytest.raises(AssertionError, match=named) as caught, unchanged(net):
        spoil_and_fail()
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize("error", [ValueError, RuntimeError, KeyboardInterrupt])
def test_an_error_passes_where_nothing_changed(error: type[BaseException]) -> None:
    with pytest.raises(error, match="as it was"), unchanged(lively()):
        raise error("as it was")


def test_what_is_put_back_is_no_change() -> None:
    net = lively()
    with unchanged(net):
        modes = {module: module.training for module in net.modules()}
        handle = net[1].register_forward_hook(lambda *_: None)
        net.eval()
        net(torch.randn(4, 3))
        handle.remove()
        for module, mode in modes.items():
            module.training = mode


def test_a_network_without_tensors_is_guarded_too() -> None:
    net = nn.Sequential(nn.ReLU())
    with unchanged(net):
        net(torch.ones(1))
    with pytest.raises(AssertionError, match="mode"), unchanged(net):
        net.eval()
