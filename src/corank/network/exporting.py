"""A network as one file that runs without this library: `.onnx` for ONNX Runtime and others, `.pt2` for PyTorch.

Both are written from the network's graph in evaluation mode, with a free batch size. What was written is read back and
run beside the network before it gets its name, so that no file is ever there that is not whole or computes something
else.

How far the outputs may lie apart follows from rounding. A floating-point inner product of n terms is the exact one of
weights that are off by about sqrt(n) u, with u the unit roundoff (Higham and Mary 2019, A New Approach to
Probabilistic Rounding Error Analysis). So every weight and every input is changed by that share in a random
direction; what this does to the outputs is what another order of summation may do to them.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.network.graph import GraphNetwork, capture, evaluation_mode, tensors_of
from corank.network.quiet import quiet
from corank.result import Result, Scalar

BATCHES = (1, 2, 5)
"""Sizes of the batches on which a file is checked; the graph is captured with a batch of two."""
DRAWS = 3  # of random directions of rounding
MARGIN = 4.0  # both programs round, and the largest of three draws is not the largest of all
LEAST_ROUNDINGS = 4.0  # of the outputs themselves, where weights and inputs leave them as they are
RANDOM = 1e-3  # of the largest output: where two answers to the same inputs lie further apart, chance is in it
ABOUT = "corank.json"  # in a .pt2, beside the program
LARGEST_ONNX = 2**31 - 2**20  # bytes of weights: the format ends at 2 GB a file, the graph takes some of it

Bounds = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Exported(Result):
    """A file that was written and agrees with the network.

    Attributes:
        file: where.
        format: "onnx" or "pt2".
        size_mb: of the file.
        opset: the version of the ONNX operators; None for PyTorch.
        batches: the sizes of the random batches that were compared.
        difference: the largest distance of an output of the file from the network's.
        relative_difference: that in units of the largest output.
        allowed_difference: what rounding explains.
    """

    file: Path
    format: str
    size_mb: float
    opset: int | None
    batches: tuple[int, ...]
    difference: float
    relative_difference: float
    allowed_difference: float

    def row(self) -> dict[str, Scalar]:
        """The file, its size and how well it agrees."""
        return {
            "file": str(self.file), "size_mb": self.size_mb, "difference": self.difference,
            "relative_difference": self.relative_difference, "allowed_difference": self.allowed_difference,
        }  # fmt: skip


class Loaded(nn.Module):
    """An exported file as a network: a batch of inputs on the processor to outputs; it has no parameters to train."""

    def __init__(self, call: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._call = call

    def forward(self, x: Tensor) -> Tensor:
        """Inputs `(B, ...)` to outputs `(B, ...)`."""
        return self._call(x)


def export(
    network: nn.Module,
    file: Path,
    shape: tuple[int, ...],
    *,
    dtype: torch.dtype = torch.float32,
    bounds: Bounds = (0.0, 1.0),
    about: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Exported:
    """Write a network as `.onnx` or `.pt2`, by the file's suffix, and check what was written.

    Args:
        network: any `nn.Module` on the processor that can be captured; it is left as it was found.
        file: where to; its folder is made if need be, and a file that is there is replaced.
        shape: of one input.
        dtype: of the inputs.
        bounds: between which the random inputs of the check lie; whole numbers include both.
        about: what the file says of itself, by name.
        seed: of the check.

    Raises:
        InputError: another suffix, a place that cannot be written to, a network that cannot be captured or has no form
            in ONNX, a missing package, or a file that does not compute what the network does.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "net.pt2")
        ...     found = export(nn.Linear(4, 2), file, (4,))
        ...     outputs = load_exported(file)(torch.ones(3, 4))
        >>> found.difference, outputs.shape
        (0.0, torch.Size([3, 2]))
    """
    kind = check_format(file)
    if any(value.device.type != "cpu" for value in tensors_of(network).values()):
        raise InputError("a network is exported from the processor: move it there first, network.to('cpu')")
    x = _samples(sum(BATCHES), shape, dtype, bounds, torch.Generator().manual_seed(seed))
    graph = capture(network, x[:2])
    with evaluation_mode(graph):
        program = _program(graph, x[:2])
        with _aside(file) as aside:
            opset = _WRITERS[kind](program, aside, about or {})
            difference, largest, allowed = _compare(graph, aside, x, seed)
            if not difference <= allowed:
                raise InputError(
                    f"{file.name} would not compute what the network does: outputs differ by {difference:.3g}, "
                    f"rounding explains {allowed:.3g}; it was not written"
                )
            size_mb = aside.stat().st_size / 2**20
            aside.replace(file)
    return Exported(
        file=file, format=kind, size_mb=size_mb, opset=opset, batches=BATCHES, difference=difference,
        relative_difference=difference / largest if largest else 0.0, allowed_difference=allowed,
    )  # fmt: skip


def load_exported(file: Path) -> nn.Module:
    """A file that `export` wrote as a network, on as many threads as PyTorch has now.

    Raises:
        InputError: another suffix, no such file, or a damaged one.
    """
    kind = check_format(file)
    if not file.is_file():
        raise InputError(f"no file {str(file)!r}")
    try:
        return _load(file, kind)
    except Exception as error:  # damaged files fail in many ways
        raise InputError(f"{str(file)!r} cannot be read as {kind}: {_reason(error)}") from error


def check_format(file: Path) -> str:
    """The format that a file's suffix names, after making sure that it can be written here.

    Raises:
        InputError: another suffix, or a missing package.

    Example:
        >>> check_format(Path("third.pt2"))
        'pt2'
    """
    kind = file.suffix.removeprefix(".")
    if kind not in _WRITERS:
        raise InputError(f"a network is exported to a file that ends in .onnx or .pt2, got {str(file)!r}")
    if kind == "onnx":
        try:
            import onnx  # noqa: F401
            import onnxruntime  # noqa: F401
            import onnxscript  # noqa: F401
        except ImportError as error:
            raise InputError(f"ONNX needs the package {error.name}: pip install 'corank[onnx]'") from error
    return kind


@contextmanager
def _aside(file: Path) -> Iterator[Path]:
    """A file of the same name in a folder of its own beside it, which is gone afterwards."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=file.parent, prefix=f".{file.name}-")
    except OSError as error:
        raise InputError(f"{str(file)!r} cannot be written ({error.strerror}): name another") from error
    with folder as name:
        yield Path(name, file.name)


def _program(graph: GraphNetwork, example: Tensor) -> torch.export.ExportedProgram:
    with quiet():
        try:
            return torch.export.export(graph, (example,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},), strict=False)
        except Exception as error:  # torch.export raises many unrelated types
            raise InputError(f"the network's graph cannot be exported: {_reason(error)}") from error


def _write_pt2(program: torch.export.ExportedProgram, file: Path, about: Mapping[str, str]) -> None:
    with quiet():
        torch.export.save(program, file, extra_files={ABOUT: json.dumps(dict(about))})


def _write_onnx(program: torch.export.ExportedProgram, file: Path, about: Mapping[str, str]) -> int:
    """Write ONNX with the weights inside; returns the version of the operators."""
    import onnx

    size = sum(value.numel() * value.element_size() for value in program.state_dict.values())
    if size > LARGEST_ONNX:
        raise InputError(f"an ONNX file holds at most 2 GB, the weights take {size / 2**30:.1f} GB: write .pt2 instead")
    (example,), _ = program.example_inputs
    with quiet():
        try:
            made = torch.onnx.export(
                program, dynamo=True, verbose=False, input_names=["images" if example.ndim == 4 else "inputs"],
                output_names=["logits"], dynamic_shapes=({0: "batch"},),
            )  # fmt: skip
        except torch.onnx.OnnxExporterError as error:
            raise InputError(f"the network has no form in ONNX, write .pt2 instead: {_reason(error)}") from error
    assert made is not None
    model = made.model_proto
    model.producer_name, model.producer_version = "corank", about.get("corank", "")
    for traced in (*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info):
        del traced.metadata_props[:]  # how PyTorch came to it: longer than the graph itself
    onnx.helper.set_model_props(model, dict(about))
    onnx.save(model, file)
    return next(int(used.version) for used in model.opset_import if used.domain == "")


def _read_pt2(file: Path) -> Callable[[Tensor], Tensor]:
    run: Any = torch.export.load(file).module()
    return lambda x: run(x)  # not as a submodule: it refuses train() and eval()


def _read_onnx(file: Path) -> Callable[[Tensor], Tensor]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4
    options.add_session_config_entry("session.force_spinning_stop", "1")  # idle threads leave the processor to others
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: torch.from_numpy(session.run(None, {name: x.detach().numpy()})[0])


_WRITERS = {"onnx": _write_onnx, "pt2": _write_pt2}
_READERS = {"onnx": _read_onnx, "pt2": _read_pt2}


def _load(file: Path, kind: str) -> Loaded:
    with quiet():
        return Loaded(_READERS[kind](file))


def _compare(graph: GraphNetwork, file: Path, x: Tensor, seed: int) -> tuple[float, float, float]:
    """The largest difference between the outputs of file and network, the largest output, and what is allowed."""
    batches = torch.split(x, list(BATCHES))
    with torch.no_grad():
        try:
            loaded = _load(file, check_format(file))
            got = torch.cat([loaded(batch) for batch in batches])
        except Exception as error:  # every runtime fails in its own ways
            raise InputError(
                f"{file.name} would not run and was not written{_remedy(graph, file)}: {_reason(error)}"
            ) from error
        expected = torch.cat([graph(batch) for batch in batches])
        if not expected.isfinite().all():
            raise InputError("the network's outputs are not finite on random inputs, so no file can be checked")
        if got.shape != expected.shape:
            raise InputError(f"{file.name} would return {tuple(got.shape)}, the network {tuple(expected.shape)}")
        difference = _distance(got, expected)
        largest = float(expected.abs().max())
        if _distance(expected, torch.cat([graph(batch) for batch in batches])) > RANDOM * largest:
            raise InputError("the network gives other outputs each time on the same inputs, so no file can be checked")
        return difference, largest, _explained_by_rounding(graph, batches, expected, seed)


def _remedy(graph: GraphNetwork, file: Path) -> str:
    """What to do about a file that would not run, where that is known."""
    kinds = {value.dtype for value in graph.parameters()}
    if check_format(file) == "pt2" or kinds <= {torch.float32}:
        return ""
    named = ", ".join(sorted(map(str, kinds)))
    return f" (ONNX Runtime has few operations in {named}: convert by network.float(), or write .pt2)"


def _explained_by_rounding(graph: GraphNetwork, batches: Sequence[Tensor], outputs: Tensor, seed: int) -> float:
    """How far apart the outputs of two programs of the same network may lie; the module's text says why."""
    generator = torch.Generator().manual_seed(seed)
    twin = deepcopy(graph)
    own = tensors_of(graph)
    worst = 0.0
    for _ in range(DRAWS):
        for name, value in tensors_of(twin).items():
            value.copy_(_rounded(own[name], math.prod(value.shape[1:]), generator))
        found = torch.cat([twin(_rounded(batch, 1, generator)) for batch in batches])
        worst = max(worst, _distance(found, outputs))
    roundoff = torch.finfo(outputs.dtype).eps / 2 if outputs.is_floating_point() else 0.0
    return MARGIN * worst + LEAST_ROUNDINGS * roundoff * float(outputs.abs().max())


def _rounded(values: Tensor, terms: int, generator: torch.Generator) -> Tensor:
    """Values changed by the share sqrt(terms) u of themselves, up or down by chance; whole numbers stay."""
    if not values.is_floating_point():
        return values
    share = math.sqrt(terms) * torch.finfo(values.dtype).eps / 2
    signs = torch.randint(0, 2, values.shape, generator=generator, dtype=torch.int8) * 2 - 1
    return values + values * signs * share


def _distance(one: Tensor, other: Tensor) -> float:
    return float((one.double() - other.double()).abs().max())


def _samples(
    count: int, shape: tuple[int, ...], dtype: torch.dtype, bounds: Bounds, generator: torch.Generator
) -> Tensor:
    low, high = bounds
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InputError(f"bounds must be two finite numbers, the smaller first, got {bounds}")
    if not dtype.is_floating_point:
        return torch.randint(int(low), int(high) + 1, (count, *shape), generator=generator).to(dtype)
    return torch.rand(count, *shape, generator=generator, dtype=dtype) * (high - low) + low


def _reason(error: BaseException) -> str:
    """The first line of what went wrong first."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
