"""Every option of every command has a wrong input, which is refused in one line that holds the value.

The options are asked of the program itself, so that a new one without a case fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from cyclopts import App

import corank.attack
from corank.attack.universal import UniversalAttack
from corank.cli import app
from corank.discover import methods_of

from .user import Corank, assert_refused

NETWORK = {"--network": "trained", "--data": "toy.npz"}
PAIR = {"--network": ("own_networks:tiny", "own_networks:straight")}
UNIVERSAL = methods_of(corank.attack, UniversalAttack)
Line = dict[str, Any]
LINES: dict[str, Line] = {
    "attack evaluate": {**NETWORK, "--radius": "0.1", "--images": "20", "--audit": "no"},
    "attack transfer": {**PAIR, "--data": "toy.npz", "--random-weights": "yes", "--radius": "0.5"},
    "attack universal": {**NETWORK, "--radius": "0.5"},
    **{f"attack universal {name}": {**NETWORK, "--radius": "0.5"} for name in UNIVERSAL if name != "auto"},
    "study": {**NETWORK, "--out": "new"},
    "train": {**NETWORK, "--network": "own_networks:tiny", "--out": "new"},
    "defend adversarial": {**NETWORK, "--radius": "0.1", "--out": "new"},
    "defend bottle-low-rank": {**NETWORK, "--network": "own_networks:tiny", "--rank": "2", "--out": "new"},
    "defend low-rank": {**NETWORK, "--rank": "2", "--epochs": "2", "--out": "new"},
    "defend max-margin": {**NETWORK, "--layer": "2", "--out": "new"},
    "defend natural": {**NETWORK, "--out": "new"},
    "defend regularised": {**NETWORK, "--l1": "0.1", "--out": "new"},
    "defend snip": {**NETWORK, "--out": "new"},
    "defend spectral-normalisation": {**NETWORK, "--out": "new"},
    "defend stable-rank-normalisation": {**NETWORK, "--out": "new"},
    "measure": {**NETWORK, "--rank": "4"},
    "measure active-subspace": {**NETWORK, "--rank": "4"},
    "measure activation-spectrum": {**NETWORK, "--rank": "4"},
    "measure feature-probe": {**NETWORK, "--rank": "4"},
    "measure layer-cushion": NETWORK,
    "measure mutual-information": NETWORK,
    "measure weight-spectrum": NETWORK,
    "compress asnet": {**NETWORK, "--layer": "2", "--rank": "2", "--out": "new"},
    "compress auto": {**NETWORK, "--target": "macs=1.5x", "--multiple": "1", "--out": "new"},
    "compress prune": {**NETWORK, "--multiply-adds-ratio": "1.5", "--multiple": "1", "--out": "new"},
    "compress ron": {**NETWORK, "--rank": "2", "--out": "new"},
    "cost": {"--network": "own_networks:tiny", "--input-shape": "1,6,6"},
    "export": {"--network": "trained", "--pt2": "new.pt2"},
    "fragility": {**NETWORK, "--images": "20", "--steps": "2"},
    "ode compare": {"--problem": "dissipative"},
    "ode density": {"--data": "moons", "--steps": "1", "--out": "new"},
    "ode smoothness": {"--network": "odenet4", "--data": "toy.npz", "--random-weights": "yes"},
    "ode train": {"--network": "odenet4", "--data": "toy.npz", "--out": "new"},
    "reproduce": {"--name": "asnet/figure4", "--preset": "smoke"},
    "reproduce list": {},
    "reproduce pages": {"--out": "new"},
    "reproduce status": {},
    "theory": {"--dimension": "4", "--runs": "1", "--width": "20"},
}
# of the others "--network", where they take one
REQUIRED = {"ode density": "--out", "study": "--out", "reproduce": "--preset", "reproduce pages": "--out"}
FRESH = {"--network": "own_networks:tiny"}
COMMON: list[tuple[str, str, dict[str, str]]] = [
    ("--network", "resnet21", {}),
    ("--network", "no/such/run", {}),
    ("--network", "own_networks:nothing", {}),
    ("--network", "nobody:tiny", {}),
    ("--weights", "nowhere.safetensors", FRESH),
    ("--weights", "trained/weights.safetensors", {"--network": "trained"}),
    ("--data", "digit", {}),
    ("--data", "no/such.npz", {}),
    ("--data", "own_networks.py", {}),
    ("--data-root", "nowhere", {"--data": "mnist"}),
    ("--seed", "-1", {}),
    ("--seed", "1.5", {}),
    ("--seed", str(2**32), {}),
    ("--device", "gpu", {}),
    ("--device", "cuda:99", {}),
    ("--out", "toy.npz", {}),
    ("--out", "toy.npz/inside", {}),
    ("--out", ".", {}),
    ("--batch-size", "0", {}),
    ("--batch-size", "many", {}),
]
ONCE = list({case[0]: case for case in COMMON}.values())
PASS: list[tuple[str, str, dict[str, str]]] = [
    ("--layer", "nothing", {}),
    ("--layer", "zz*", {}),
    ("--layer", "99", {}),
    ("--samples", "0", {}),
    ("--tokens", "pooled", {}),
    ("--precision", "64-true", {}),
    ("--memory-mb", "-1.0", {}),
    ("--memory-mb", "nan", {}),
    ("--budget-seconds", "0.0", {}),
    ("--budget-seconds", "inf", {}),
]
SKETCH = [("--rank", "0", {}), ("--sketch-size", "3", {})]
EPSILON = [("--epsilon", "1.0", {}), ("--epsilon", "nan", {})]
LABELS = [("--labels", "truth", {}), ("--replicates", "-1", {})]
NOISE = [("--noise-variance", "0.0", {}), ("--noise-variance", "inf", {})]
ASNET = [("--order", "-1"), ("--samples", "0"), ("--epochs", "-1"), ("--pre-rate", "0.0"), ("--head-rate", "nan")]
SPARSE = [
    ("--sparse", "l0"), ("--sparse-weight", "-1.0"), ("--sparse-epochs", "0"), ("--sparse-pre-rate", "0.0"),
    ("--sparse-head-rate", "nan"),
]  # fmt: skip
ATTACKED = [
    *(case for case in COMMON if case[0] != "--batch-size"),
    ("--space", "fourier", {}),
    ("--clip", "perhaps", {}),
    ("--class", "zebra", {}),
    ("--class", "3", {}),
    ("--radius", "0.0", {}),
    ("--radius", "nan", {}),
    ("--norm", "l3", {}),
    ("--images", "0", {}),
]
VECTOR = [
    *ATTACKED,
    ("--heldout", "0", {}),
    ("--target", "3", {}),
    ("--target", "-1", {}),
    ("--enough", "0.0", {}),
    ("--enough", "1.5", {}),
    ("--most-gradients", "0", {}),
]
VECTOR_ONCE = list({case[0]: case for case in VECTOR}.values())
DEFENDED = [
    *ONCE,
    ("--epochs", "0", {}),
    ("--learning-rate", "nan", {}),
    ("--weight-decay", "-0.5", {}),
    ("--watch", "everything", {}),
    ("--watch-radius", "0.0", {}),
    ("--watch-radius", "3.0", {}),
    ("--watch-norm", "l3", {}),
    ("--watch-images", "0", {}),
]
PATTERN = ("--layer", "zz*", {})
VIRTUAL = [("--layer", "nothing", {}), ("--rank", "12", {}), ("--start-samples", "0", {})]
UNIVERSAL_OWN = {
    "auto": [("--subspace-steps", "0"), ("--steps", "0")],
    "random-direction": [("--draws", "0")],
    "recursive-subspace": [
        ("--on", "cube"), ("--step", "0.0"), ("--decrease", "1.5"), ("--tries", "0"), ("--failures", "0"),
        ("--steps", "0"),
    ],
    "singular-vectors": [
        ("--layer", "nothing"), ("--layer", "99"), ("--q", "0.5"), ("--iterations", "0"), ("--tolerance", "0.0"),
    ],
    "sink-class": [
        ("--candidates", "0"), ("--probe-steps", "0"), ("--finalists", "0"), ("--final-steps", "0"), ("--steps", "0"),
        ("--batch", "0"), ("--step", "nan"), ("--momentum", "1.0"), ("--width", "0.0"),
        ("--shift", "-1"),
    ],
    "stochastic-aggregation": [
        ("--steps", "0"), ("--batch", "0"), ("--small-batch", "0"), ("--step", "0.0"), ("--inner-step", "inf"),
        ("--momentum", "1.0"), ("--most-loss", "0.0"),
    ],
    "stochastic-gradient": [
        ("--steps", "0"), ("--batch", "0"), ("--step", "0.0"), ("--momentum", "1.0"), ("--most-loss", "0.0"),
    ],
    "universal-deepfool": [
        ("--passes", "0"), ("--batch", "0"), ("--candidates", "0"), ("--deepfool-steps", "0"), ("--overshoot", "0.0"),
    ],
}  # fmt: skip
GRADIENT = [
    ("--gradient", "guess", {}),
    ("--nodes", "17", {}),
    ("--nodes", "16", {"--gradient": "quadrature"}),
    ("--interpolation", "spline", {"--gradient": "irdm"}),
    ("--printed-weights", "perhaps", {"--gradient": "irdm"}),
    ("--seminorm", "perhaps", {"--gradient": "rdm"}),
    ("--adjoint-rtol", "-1.0", {"--gradient": "quadrature"}),
    ("--adjoint-atol", "0.5", {}),
    ("--loosening", "0.0", {}),
]
WRONG: dict[str, list[tuple[str, str, dict[str, str]]]] = {
    "attack evaluate": [
        *ATTACKED,
        ("--attack", "nothing", {}),
        ("--attack", "carlini-wagner", {"--norm": "linf"}),
        ("--queries", "0", {}),
        ("--source", "no/such/run", {}),
        ("--source", "trained", {}),
        ("--source", "own_networks:straight", {}),
        ("--source", "own_networks:colour", {}),
    ],
    "attack transfer": [
        *(case for case in VECTOR if case[0] != "--weights"),
        *((option, value, {}) for option, value in UNIVERSAL_OWN["auto"]),
        ("--network", "own_networks:tiny", {}),
    ],
    "attack universal": [*VECTOR, *((option, value, {}) for option, value in UNIVERSAL_OWN["auto"])],
    **{
        f"attack universal {name}": [*VECTOR_ONCE, *((option, value, {}) for option, value in cases)]
        for name, cases in UNIVERSAL_OWN.items()
        if name != "auto"
    },
    "study": [
        *COMMON,
        *((option, value, {}) for option, value in ASNET),
        ("--layer", "nothing", {}),
        ("--layer", "*", {}),
        ("--layer", "99", {}),
        ("--most-cuts", "0", {}),
        ("--rank", "0", {}),
        ("--rank", "13", {"--layer": "2"}),
        ("--order", "99999", {}),
        ("--sketch-size", "49", {}),
        ("--fit-samples", "0", {}),
        ("--measure-seconds", "0.0", {}),
        ("--measure-seconds", "soon", {}),
        ("--tolerance", "1.5", {}),
        ("--attack-images", "-1", {}),
        ("--attack-radius", "0.0", {}),
        ("--attack-seconds", "nan", {}),
        ("--train-epochs", "0", FRESH),
        ("--train-epochs", "3", {}),
    ],
    "train": [
        *COMMON,
        ("--epochs", "0", {}),
        ("--learning-rate", "0.0", {}),
        ("--learning-rate", "nan", {}),
        ("--weight-decay", "-0.5", {}),
        ("--precision", "64-bit", {}),
        ("--processes", "0", {}),
    ],
    "defend adversarial": [
        *DEFENDED,
        ("--attack", "free", {}),
        ("--radius", "0.0", {}),
        ("--radius", "3.0", {}),
        ("--norm", "l3", {}),
        ("--steps", "0", {}),
        ("--step-size", "-1.0", {}),
    ],
    "defend bottle-low-rank": [*DEFENDED, *VIRTUAL],
    "defend low-rank": [
        *DEFENDED,
        *VIRTUAL,
        ("--weight", "-1.0", {}),
        ("--norm-weight", "inf", {}),
        ("--every", "0", {}),
        ("--step-size", "1.5", {}),
        ("--projection", "svd", {}),
        ("--members", "0", {}),
        ("--warm-up", "2", {}),
    ],
    "defend max-margin": [
        *(case for case in ONCE if case[0] != "--batch-size"),
        ("--layer", "nothing", {}),
        ("--layer", "*", {}),
        ("--dimensions", "0", {}),
        ("--samples", "1", {}),
        ("--alpha", "0.0", {}),
        ("--images", "0", {}),
    ],
    "defend natural": DEFENDED,
    "defend regularised": [
        *DEFENDED,
        PATTERN,
        ("--l1", "much", {}),
        ("--l1", "fc1=-1", {}),
        ("--nuclear", "-0.5", {}),
        ("--joint", "nan", {}),
        ("--applied", "later", {}),
    ],
    "defend snip": [*DEFENDED, PATTERN, ("--sparsity", "1.0", {})],
    "defend spectral-normalisation": [*DEFENDED, PATTERN],
    "defend stable-rank-normalisation": [*DEFENDED, PATTERN, ("--share", "0.0", {})],
    "measure": [
        *COMMON,
        *PASS,
        ("--memory-mb", "0.0001", {}),
        *SKETCH,
        *EPSILON,
        *LABELS,
        *NOISE,
    ],
    "measure active-subspace": [*ONCE, *PASS, *SKETCH, *EPSILON, *LABELS],
    "measure activation-spectrum": [*ONCE, *PASS, *SKETCH, *EPSILON],
    "measure feature-probe": [
        *ONCE,
        *PASS,
        *SKETCH,
        ("--folds", "1", {}),
        ("--ridge", "0.0", {}),
        ("--ridge", "nan", {}),
    ],
    "measure layer-cushion": [*ONCE, *PASS],
    "measure mutual-information": [*ONCE, *PASS, *NOISE],
    "measure weight-spectrum": ONCE,
    "compress asnet": [
        *COMMON,
        *((option, value, {}) for option, value in ASNET),
        *((option, value, {}) for option, value in SPARSE),
        ("--directions", "passive", {}),
        ("--directions", "all", {}),
        ("--head", "linear", {}),
        ("--samples-fit", "0", {}),
        ("--samples-fit", "99999999", {"--directions": "all", "--head": "logistic"}),
        ("--fit", "lasso", {}),
        ("--basis", "legendre", {}),
        ("--layer", "nothing", {}),
        ("--layer", "99", {}),
        ("--layer", "*", {}),
        ("--rank", "13", {}),
        ("--rank", "two", {}),
        ("--beta", "1.5", {}),
        ("--ridge", "-1.0", {}),
    ],
    "compress auto": [
        *COMMON,
        ("--target", "mac=3x", {}),
        ("--target", "macs=0.5x", {}),
        ("--target", "macs=99999x", {}),
        ("--target", "storage-mb=999", {}),
        ("--max-drop", "-1.0", {}),
        ("--max-drop", "nan", {}),
        ("--multiple", "0", {}),
        ("--trial-steps", "-1", {}),
        ("--trainings", "0", {}),
        ("--epochs", "-1", {}),
        ("--beta", "1.5", {}),
        ("--pre-rate", "0.0", {}),
        ("--prune-rate", "inf", {}),
        ("--head-rate", "nan", {}),
    ],
    "compress prune": [
        *COMMON,
        ("--multiply-adds-ratio", "1.0", {}),
        ("--multiply-adds-ratio", "nan", {}),
        ("--multiply-adds-ratio", "999.0", {}),
        ("--parameters-ratio", "0.5", {}),
        ("--scope", "local", {}),
        ("--importance", "l3", {}),
        ("--multiple", "0", {}),
        ("--multiple", "64", {}),
        ("--layer", "nothing", {}),
        ("--layer", "99", {}),
        ("--layer", "*", {}),
        ("--epochs", "-1", {}),
        ("--beta", "1.5", {}),
        ("--learning-rate", "0.0", {}),
        ("--learning-rate", "nan", {}),
    ],
    "compress ron": [
        *COMMON,
        ("--layer", "nothing", {}),
        ("--layer", "99", {}),
        ("--layer", "*", {}),
        ("--rank", "0", {}),
        ("--rank", "two", {}),
        ("--energy", "1.5", {}),
        ("--factor", "0.5", {}),
        ("--rows", "2.5", {}),
        ("--multiple", "0", {}),
        ("--selection", "random", {}),
        ("--maps", "learnt", {}),
        ("--project", "-1", {}),
        ("--samples", "0", {}),
        ("--sketch-size", "0", {}),
        ("--dropout", "1.0", {}),
        ("--tuning", "adam", {}),
        ("--iterations", "0", {}),
        ("--epochs", "-1", {}),
        ("--beta", "1.5", {}),
        ("--beta", "0.5", {"--tuning": "thesis"}),
        ("--pre-rate", "0.0", {}),
        ("--pre-rate", "0.5", {}),
        ("--head-rate", "nan", {}),
        ("--learning-rate", "inf", {}),
        ("--learning-rate", "0.5", {}),
    ],
    "fragility": [
        *(case for case in COMMON if case[0] != "--batch-size"),
        ("--images", "0", {}),
        ("--class", "zebra", {}),
        ("--target-class", "zebra", {}),
        ("--target-class", "0", {"--class": "0"}),
        ("--towards", "nowhere.png", {}),
        ("--towards", "toy.npz", {}),
        ("--points", "1", {}),
        ("--steps", "0", {}),
    ],
    "ode compare": [
        ("--problem", "cnf-sun", {}),
        ("--method", "adjiont", {}),
        ("--tolerance", "0.5", {}),
        ("--tolerance", "nan", {}),
        ("--repeats", "0", {}),
        ("--seed", "-1", {}),
        ("--seed", "1.5", {}),
        ("--seed", str(2**32), {}),
    ],
    "ode density": [
        *GRADIENT,
        ("--data", "moon", {}),
        ("--data", "nowhere.csv", {}),
        ("--data", "own_networks.py", {}),
        ("--blocks", "0", {}),
        ("--hidden", "0", {}),
        ("--activation", "relu", {}),
        ("--divergence", "pink", {}),
        ("--end-time", "0.0", {}),
        ("--solver", "rk5", {}),
        ("--rtol", "-1.0", {}),
        ("--atol", "-1.0", {}),
        ("--solver-steps", "0", {}),
        ("--solver-steps", "3", {}),
        ("--steps", "0", {}),
        ("--batch-size", "0", {}),
        ("--learning-rate", "nan", {}),
        ("--seed", "-1", {}),
        ("--seed", str(2**32), {}),
        ("--out", "toy.npz", {}),
        ("--out", "toy.npz/inside", {}),
        ("--out", ".", {}),
    ],
    "ode smoothness": [
        *(case for case in COMMON if case[0] != "--batch-size"),
        ("--network", "cnn4", {}),
        ("--network", "trained", {"--random-weights": "no"}),
        ("--evaluations", "6", {}),
        ("--images", "0", {}),
        ("--tolerance", "1.0", {}),
    ],
    "ode train": [
        *COMMON,
        *GRADIENT,
        ("--network", "vgg7", {}),
        ("--epochs", "0", {}),
        ("--learning-rate", "nan", {}),
        ("--weight-decay", "-0.5", {}),
        ("--solver", "rk5", {}),
        ("--steps", "0", {}),
        ("--steps", "4", {"--solver": "dopri5"}),
        ("--rtol", "-1.0", {"--solver": "dopri5"}),
        ("--atol", "-1.0", {"--solver": "dopri5"}),
        ("--max-steps", "0", {"--solver": "dopri5"}),
        ("--u", "1.5", {"--solver": "rk2"}),
        ("--v", "0.5", {"--solver": "rk3", "--u": "0.5"}),
        ("--regime", "chaos", {}),
        ("--switch-u", "2.0", {"--solver": "rk2", "--u": "0.5", "--regime": "switching"}),
        ("--deviation", "-1.0", {"--solver": "rk2", "--u": "0.5", "--regime": "smoothing"}),
        ("--stem-norm", "group", {}),
        ("--block-norm", "group", {}),
        ("--field-norm", "group", {}),
        ("--activation", "sine", {}),
        ("--channels", "0", {}),
    ],
    "reproduce": [
        ("--name", "asnet/tabel2", {}),
        ("--name", "table2", {}),
        ("--preset", "small", {}),
        ("--seeds", "0", {}),
        ("--seeds", "some", {}),
        ("--processes", "0", {}),
        ("--store", "toy.npz", {}),
        ("--store", "toy.npz/inside", {}),
        ("--weights", "nowhere.safetensors", {}),
        ("--weights", "trained/weights.safetensors", {"--name": "all"}),
        ("--data-root", "nowhere", {}),
        ("--device", "gpu", {}),
        ("--device", "cuda:99", {}),
    ],
    "reproduce list": [],
    "reproduce pages": [
        ("--store", "toy.npz", {}),
        ("--out", "toy.npz", {}),
        ("--out", "toy.npz/inside", {}),
    ],
    "reproduce status": [("--store", "toy.npz", {})],
    "theory": [
        ("--dimension", "1", {}),
        ("--dimension", "25", {}),
        ("--dimension", "twelve", {}),
        ("--runs", "0", {}),
        ("--seed", "-1", {}),
        ("--seed", "1.5", {}),
        ("--seed", str(2**32), {}),
        ("--width", "0", {}),
        ("--epochs", "0", {}),
        ("--learning-rate", "0.0", {}),
        ("--learning-rate", "nan", {}),
        ("--batch-size", "0", {}),
        ("--out", "toy.npz", {}),
        ("--out", "toy.npz/inside", {}),
        ("--out", ".", {}),
    ],
    "export": [
        *(case for case in COMMON if case[0] in ("--network", "--weights", "--seed") and case[2] != FRESH),
        ("--weights", "nowhere.safetensors", {**FRESH, "--input-shape": "1,6,6"}),
        ("--onnx", "net.pt2", {}),
        ("--onnx", "toy.npz", {}),
        ("--onnx", "trained/net.onnx", {}),
        ("--pt2", "net", {}),
        ("--pt2", "toy.npz/inside.pt2", {}),
        ("--classes", "0", {"--network": "vgg_digits"}),
        ("--classes", "5", {}),
        ("--input-shape", "6x6", {}),
        ("--input-shape", "1,7,6", FRESH),
    ],
    "cost": [
        *(case for case in COMMON if case[0] in ("--network", "--weights") and case[2]),
        ("--network", "resnet21", {}),
        ("--network", "no/such/run", {}),
        ("--layer", "nothing", {}),
        ("--layer", "99", {}),
        ("--rank", "0", {}),
        ("--rank", "13", {"--layer": "2"}),
        ("--order", "-2", {}),
        ("--order", "99", {"--rank": "8", "--layer": "2"}),
        ("--classes", "0", {"--network": "vgg_digits", "--input-shape": "1,8,8"}),
        ("--classes", "5", {}),
        ("--input-shape", "6x6", {}),
        ("--input-shape", "1,0,6", {}),
        ("--input-shape", "1,7,6", {}),
    ],
}


def options_of(command: str) -> dict[str, Any]:
    """The options of a command by name, with their types, as the program itself knows them."""
    found: App = app
    for word in command.split():
        found = found[word]
    arguments = found.assemble_argument_collection()
    return {argument.names[0]: argument.hint for argument in arguments if argument.names[0].startswith("--")}


def words_of(line: Line) -> list[str]:
    """The words of a command line; an option that is given several times has several values."""
    return [
        f"{name}={given}"
        for name, values in line.items()
        for given in (values if isinstance(values, tuple) else [values])
    ]


def all_commands(of: App = app, path: str = "") -> Iterator[str]:
    for name in of:
        if not name.startswith("-"):
            words = f"{path} {name}".strip()
            yield from [words] if of[name].default_command is not None else []
            yield from all_commands(of[name], words)


COMMANDS = list(all_commands())


def test_every_command_has_a_line_and_wrong_inputs() -> None:
    assert set(COMMANDS) == set(LINES) == set(WRONG)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_a_wrong_input(command: str) -> None:
    with_value = {name for name, type_ in options_of(command).items() if type_ is not bool}
    assert with_value == {option for option, _, _ in WRONG[command]}


@pytest.mark.parametrize(
    ("command", "option", "value", "others"),
    [
        pytest.param(command, *case, id=f"{command} {case[0]} {case[1]}")
        for command, cases in WRONG.items()
        for case in cases
    ],
)
def test_a_wrong_value_is_refused_in_one_line(
    corank: Corank, command: str, option: str, value: str, others: dict[str, str]
) -> None:
    assert_refused(corank(*command.split(), *words_of({**LINES[command], **others, option: value})), value)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_flag_takes_no_other_word_than_yes_or_no(corank: Corank, command: str) -> None:
    for flag in (name for name, type_ in options_of(command).items() if type_ is bool):
        line = words_of({**LINES[command], flag: "perhaps"})
        assert_refused(corank(*command.split(), *line), "perhaps")


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_missing_unknown_or_too_much_is_refused(corank: Corank, command: str) -> None:
    words = command.split()
    line = words_of(LINES[command])
    assert_refused(corank(*words, *line, "--nonsense", "3"), "--nonsense")
    assert_refused(corank(*words, *line, "surplus"), "surplus")
    required = REQUIRED.get(command, "--network")
    if required in LINES[command]:
        assert_refused(corank(*words, *(word for word in line if not word.startswith(required))), required)


def test_a_value_of_several_lines_is_refused_in_one(corank: Corank) -> None:
    assert_refused(corank("cost", "--network", "two\nlines"), "two\\nlines")
    assert_refused(corank("cost", "--network", "cnn4", "--rank", "2", "--two\nlines", "3"), "--two lines")


@pytest.mark.parametrize("words", [("frobnicate",), ("compress", "frobnicate")])
def test_an_unknown_command_is_refused(corank: Corank, words: tuple[str, ...]) -> None:
    assert_refused(corank(*words), "frobnicate")


def test_a_mistyped_measure_is_refused_with_what_is_meant(corank: Corank) -> None:
    said = corank("measure", "active-subspaces", "--network", "trained", "--data", "toy.npz")
    assert_refused(said, "'active-subspaces': did you mean active-subspace")
