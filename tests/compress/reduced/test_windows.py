"""The windows of max-poolings are torch's own, whatever their kernels, strides, borders and holes."""

from __future__ import annotations

import math
import operator
from typing import Any

import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, fx
from torch.nn import functional

from corank.compress.reduced.stages import Stage
from corank.compress.reduced.steps import step_of

POOLS = {
    1: (torch.ops.aten.max_pool1d.default, functional.max_pool1d),
    2: (torch.ops.aten.max_pool2d.default, functional.max_pool2d),
    3: (torch.ops.aten.max_pool3d.default, functional.max_pool3d),
}
MORE = settings(max_examples=200)


@st.composite
def poolings(draw: st.DrawFn, dimensions: int) -> dict[str, Any]:
    """The options of a pooling, one number a dimension or one for all."""
    kernel = draw(st.lists(st.integers(1, 3), min_size=dimensions, max_size=dimensions))
    return {
        "kernel_size": kernel,
        "stride": draw(st.sampled_from([[], [1] * dimensions, [2] * dimensions, [3], [*kernel[:-1], 1]])),
        "padding": [draw(st.integers(0, length // 2)) for length in kernel],
        "dilation": draw(st.sampled_from([[1], [2], [1, 2, 1][:dimensions]])),
        "ceil_mode": draw(st.booleans()),
    }


def pooled(x: Tensor, options: dict[str, Any], **more: Any) -> Any:
    stride = options["stride"] or None
    return POOLS[x.ndim - 2][1](x, **{**options, "stride": stride}, **more)


def stage_of(shape: tuple[int, ...], pools: list[dict[str, Any]], *, by_name: bool = False) -> Stage:
    """Poolings after each other, with an activation in front of each."""
    graph = fx.Graph()
    source = node = graph.placeholder("x")
    example, steps = torch.zeros(1, *shape), []
    for options in pools:
        node = graph.call_function(torch.ops.aten.leaky_relu.default, (node, 0.1))
        before = tuple(example.shape[1:])
        steps.append(step_of(node, None, before))
        target = POOLS[len(shape) - 1][0]
        kernel, *others = options.values()
        named = {name: value for name, value in options.items() if name != "kernel_size"}
        node = (
            graph.call_function(target, (node, kernel), named)
            if by_name
            else graph.call_function(target, (node, kernel, *others))
        )
        steps.append(step_of(node, None, before))
        example = pooled(example, options)
    return Stage(
        label="pool", index=None, source=source, steps=tuple(steps), end=node, shape_in=shape,
        shape=tuple(example.shape[1:]),
    )  # fmt: skip


def possible(shape: tuple[int, ...], options: dict[str, Any]) -> bool:
    """Whether torch takes them, and no window lies in the border alone, whose maximum is minus infinity."""
    try:
        return bool(torch.isfinite(pooled(torch.zeros(1, *shape), options)).all())
    except RuntimeError:
        return False


@MORE
@given(st.data(), st.integers(1, 3), st.booleans())
def test_a_window_holds_the_places_that_torch_takes_the_maximum_of(
    data: st.DataObject, dimensions: int, by_name: bool
) -> None:
    shape = (data.draw(st.integers(1, 2)), *data.draw(st.lists(st.integers(2, 5), min_size=dimensions, max_size=3)))
    shape = shape[: dimensions + 1]
    options = data.draw(poolings(dimensions))
    assume(possible(shape, options))
    stage = stage_of(shape, [options], by_name=by_name)
    rows = torch.arange(stage.features)
    places = stage.sampled(rows)[0].reshape(len(rows), -1)
    lit = torch.eye(math.prod(shape)).reshape(-1, *shape)  # each place alone above the others
    seen = pooled(lit, options).flatten(1) > 0  # (places, outputs)
    found = torch.zeros_like(seen)
    found[places, rows[:, None]] = True
    assert torch.equal(found, seen)
    assert places.shape[1] == stage.window == math.prod(options["kernel_size"])
    x = torch.rand(1, *shape)
    maximum, index = pooled(x, options, return_indices=True)
    flat = index.flatten(2) + math.prod(shape[1:]) * torch.arange(shape[0])[None, :, None]
    assert torch.equal(x.flatten()[places].amax(1), maximum.flatten())
    assert torch.equal(places.gather(1, x.flatten()[places].argmax(1, keepdim=True))[:, 0], flat.flatten())


@MORE
@given(st.data(), st.integers(1, 3))
def test_poolings_after_each_other_are_done_on_the_samples(data: st.DataObject, dimensions: int) -> None:
    shape = (2, *data.draw(st.lists(st.integers(4, 6), min_size=dimensions, max_size=dimensions)))
    pools = [data.draw(poolings(dimensions)) for _ in range(2)]
    assume(possible(shape, pools[0]))
    middle = tuple(pooled(torch.zeros(1, *shape), pools[0]).shape[1:])
    assume(possible(middle, pools[1]))
    stage = stage_of(shape, pools)
    chosen = data.draw(st.lists(st.integers(0, stage.features - 1), min_size=1, max_size=5, unique=True))
    rows = torch.tensor(chosen)
    x = torch.randn(3, *shape)
    places, steps = stage.sampled(rows)
    values = x.flatten(1)[:, places]
    for step in steps:
        values = step(values)
    assert torch.equal(values, stage.finished(x.flatten(1))[:, rows])


@MORE
@given(st.data(), st.integers(1, 3))
def test_adaptive_windows_are_torch_s_own(data: st.DataObject, dimensions: int) -> None:
    lengths = data.draw(st.lists(st.integers(1, 7), min_size=dimensions, max_size=dimensions))
    outputs = data.draw(st.lists(st.integers(1, 4), min_size=dimensions, max_size=dimensions))
    pooling = getattr(functional, f"adaptive_max_pool{dimensions}d")
    target = getattr(torch.ops.aten, f"adaptive_max_pool{dimensions}d").default
    graph = fx.Graph()
    source = graph.placeholder("x")
    node = graph.call_function(operator.getitem, (graph.call_function(target, (source, outputs)), 0))
    shape = (2, *lengths)
    step = step_of(node, None, shape)
    x = torch.rand(3, *shape)
    expected = pooling(x, outputs)
    torch.testing.assert_close(step(x), expected, rtol=0, atol=0)
    assert step.shape_after(shape) == expected.shape[1:]
    rows = torch.randperm(expected[0].numel(), generator=torch.Generator().manual_seed(0))
    places = step.inputs(rows, shape)
    assert places.shape == (len(rows), step.width)
    sampled = step.sampled(places.flatten(), shape)
    assert torch.equal(sampled(x.flatten(1)[:, places.flatten()]), expected.flatten(1)[:, rows])
    lit = torch.eye(math.prod(shape)).reshape(-1, *shape)
    seen = pooling(lit, outputs).flatten(1)[:, rows] > 0
    found = torch.zeros_like(seen)
    found[places, torch.arange(len(rows))[:, None]] = True
    assert torch.equal(found, seen)
