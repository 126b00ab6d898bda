"""Does the audit flag networks that only hide from descents, every time, and honest ones never?

Small networks on the digits of scikit-learn, four architectures in turn, clean-trained and adversarially trained, each
at two radii; and under three masks, in turn upon the one kind of training and the other. The thresholds were set by
seeds 0 to 9 and are judged on seeds 10 to 19. For each measure of each test: the largest honest value, the largest of
which chance is ruled out, and the smallest and largest under each mask.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from _common import arguments, write

sys.path.insert(0, str(Path(__file__).parents[1]))

from corank.attack.audit import Audited, audit
from corank.attack.descent import Steps
from tests.attack.masks import BUILDERS, MASKS, TRAINED_AT, masked, split, trained

RADII = (TRAINED_AT, 2 * TRAINED_AT)
SET_BY = range(10)
IMAGES = 300
OPTIONS: dict[str, Any] = {"attack": Steps(steps=20), "subsample": 60, "queries": 300}
HONEST, HARDLY = "honest", "honest, after two epochs"


def main() -> None:
    """Measure and write the numbers."""
    options = arguments((__doc__ or "").splitlines()[0], first=0, seeds=20, threads=1)
    rows = [row for seed in range(options.first, options.first + options.seeds) for row in of_seed(seed)]
    write("audit_calibration", (__doc__ or "").splitlines()[0], {"setting": vars(options), **summary(rows)})


def of_seed(seed: int) -> list[dict[str, Any]]:
    """A line for each network and radius."""
    name = list(BUILDERS)[seed % len(BUILDERS)]
    other = list(BUILDERS)[(seed + 1) % len(BUILDERS)]
    _, _, x, y = split(seed)
    x, y = x[:IMAGES], y[:IMAGES]
    rows, hardly = [], trained(name, seed, epochs=2)
    for is_adversarial in (False, True):
        network = trained(name, seed, is_adversarial)
        twins = (trained(other, seed), trained(other, seed, is_adversarial=True))
        cases = [(HONEST, network, radius) for radius in RADII]
        if not is_adversarial:
            cases += [(HARDLY, hardly, radius) for radius in RADII]
        if is_adversarial == bool(seed // len(BUILDERS) % 2):
            cases += [(mask, masked(mask, network), TRAINED_AT) for mask in MASKS]
        for mask, judged, radius in cases:
            start = time.process_time()
            found = audit(judged, x, y, radius=radius, sources=twins, seed=seed, **OPTIONS)
            rows.append({
                "seed": seed, "network": name, "adversarially_trained": is_adversarial, "mask": mask, "radius": radius,
                "accuracy": found.accuracy, "under_attack": found.under_attack, "verdict": found.verdict,
                "flagged": [row.number for row in found.flagged], "findings": findings(found),
                "processor_seconds": round(time.process_time() - start, 2),
            })  # fmt: skip
            print({key: value for key, value in rows[-1].items() if key != "findings"}, flush=True)
    return rows


def findings(found: Audited) -> list[dict[str, Any]]:
    """All that may be flagged, with the number of the test."""
    return [
        {"test": row.number, "measure": _common_name(one.measure), "value": one.value, "threshold": one.threshold,
         "certain": one.is_certain, "flagged": one.is_flagged}
        for row in found.rows for one in row.findings
    ]  # fmt: skip


def _common_name(measure: str) -> str:
    return measure.split(",")[0]


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """How often each kind was flagged, on the seeds that set the thresholds and on the others, and every measure."""
    return {
        "verdicts": [
            {"mask": mask, "seeds": name, "networks": len(chosen),
             "flagged": sum(row["verdict"] == "flagged" for row in chosen),
             "flagged_by": {test: sum(test in row["flagged"] for row in chosen) for test in _tests(chosen)}}
            for mask in (HONEST, HARDLY, *MASKS)
            for name, is_chosen in (("that set the thresholds", True), ("that did not", False))
            if (chosen := [row for row in rows if row["mask"] == mask and (row["seed"] in SET_BY) == is_chosen])
        ],
        "measures": _measures(rows),
        "networks": [{key: value for key, value in row.items() if key != "findings"} for row in rows],
    }  # fmt: skip


def _tests(rows: Iterable[dict[str, Any]]) -> list[int]:
    return sorted({test for row in rows for test in row["flagged"]})


def _measures(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each measure its threshold, the honest values nearest to it, and the masked ones."""
    by_measure: dict[tuple[int, str], dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for one in row["findings"]:
            by_measure[one["test"], one["measure"]][row["mask"]].append(one)
    return [
        {
            "test": test, "measure": measure, "threshold": found[HONEST][0]["threshold"],
            "honest_largest": max(one["value"] for one in found[HONEST]),
            "honest_largest_certain": max((one["value"] for one in found[HONEST] if one["certain"]), default=None),
            "hardly_trained_largest": max(one["value"] for one in found[HARDLY]),
            "masked": {mask: {"smallest": min(one["value"] for one in found[mask]),
                              "largest": max(one["value"] for one in found[mask]),
                              "flagged": sum(one["flagged"] for one in found[mask]), "of": len(found[mask])}
                       for mask in MASKS if found[mask]},
        }
        for (test, measure), found in sorted(by_measure.items())
    ]  # fmt: skip


if __name__ == "__main__":
    main()
