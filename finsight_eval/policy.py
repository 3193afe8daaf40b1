"""Policies: what a model must show before it may ship.

name: nano
overlap: required
exposures: block
inconclusive_blocks: false
floors: {finsight_simulated/sentiment_f1: 0.75}
gains: {finsight_simulated/sentiment_f1: 0.0}
margins: {finsight_simulated/sentiment_f1: 0.03}
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from finsight_eval import recipe
from finsight_eval.errors import InputError, nearest, printable
from finsight_eval.gold import TASKS
from finsight_eval.metrics import METRICS, OF_ANSWERS

FOLDER: Final = Path("benchmarks/policies")
#: Accepted baselines, committed beside the policies: `finsight_eval.accept` writes them.
BASELINES: Final = Path("benchmarks/baselines")
REQUIRED: Final = "required"
OVERLAP: Final = (REQUIRED, "not_recorded")
BLOCK: Final = "block"
EXPOSURES: Final = (BLOCK, "report")


@dataclass(frozen=True)
class Policy:
    """The bounds of a gate; the keys of all three mappings are TASK/METRIC.

    Attributes:
        inconclusive_blocks: whether a bound that the interval straddles ends with exit code 3 instead of 0.
        overlap: "required": no verdict without a record of the overlap between training data and benchmark;
            "not_recorded": a verdict that says in words that leakage was not checked.
        exposures: "block": a model that is gravely exposed by name (finsight_eval.exposing) may not ship, whatever its
            figures; "report": the verdict is that of the figures, and the exposures stand beside it.
        floors: the least value.
        gains: the paired gain over the reference (the untrained base, or the previous release) that must be exceeded.
        margins: how far the value may fall below an accepted baseline, if there is one.
    """

    name: str
    inconclusive_blocks: bool
    overlap: str = REQUIRED
    exposures: str = BLOCK
    floors: dict[str, float] = field(default_factory=dict)
    gains: dict[str, float] = field(default_factory=dict)
    margins: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.floors and not self.gains:
            raise ValueError(
                "floors and gains are both empty: such a gate lets everything pass; set at least one bound"
            )
        for key, found, allowed in (("overlap", self.overlap, OVERLAP), ("exposures", self.exposures, EXPOSURES)):
            if found not in allowed:
                raise ValueError(f"{key} is {found!r}, not one of {', '.join(allowed)}{nearest(found, allowed)}")
        for key in (*self.floors, *self.gains, *self.margins):
            task, _, metric = key.partition("/")
            if task not in TASKS:
                raise ValueError(f"{key!r}: no task {task!r}{nearest(task, TASKS)}; there are: {', '.join(TASKS)}")
            if metric not in METRICS:
                raise ValueError(f"{key!r}: no metric {metric!r}{nearest(metric, METRICS)}")
        for key, bound in (*self.floors.items(), *self.gains.items(), *self.margins.items()):
            if not math.isfinite(bound):
                raise ValueError(f"bound of {key!r} is {bound}, a finite number is expected")
            if abs(bound) > 1:
                raise ValueError(f"bound of {key!r} is {bound:g}, a share is expected: 0.95, not 95")
        for key in self.bounds():
            task, _, metric = key.partition("/")
            if metric in OF_ANSWERS and f"{task}/json_parse_rate" not in self.floors:
                raise ValueError(
                    f"{key!r} counts answers only: a model that answers little would pass; add a floor on "
                    f"'{task}/json_parse_rate'"
                )
        for key, margin in self.margins.items():
            if margin < 0:
                raise ValueError(f"margin of {key!r} is {margin}, at least 0 is expected")

    def bounds(self) -> list[str]:
        """Return every TASK/METRIC that the policy speaks of, each once, in order of appearance."""
        return list(dict.fromkeys((*self.floors, *self.gains, *self.margins)))

    def tasks(self) -> list[str]:
        """Return the tasks that the policy speaks of, in order of appearance."""
        return list(dict.fromkeys(key.partition("/")[0] for key in self.bounds()))


def baseline_path(name: str) -> Path:
    """Return where the accepted baseline of a policy lies, whether or not there is one."""
    return BASELINES / f"{name}.json"


def path_of(policy: str) -> Path:
    """Return the file of a policy given as a path, or as the name of one at hand; raises InputError listing those."""
    if policy.endswith((".yaml", ".yml")):
        return Path(policy)
    name = f"{policy}.yaml"
    # A checkout has its policies beside the benchmarks; an installed wheel carries those for strangers with the code.
    homes = (FOLDER, Path(__file__).resolve().parents[1] / FOLDER, Path(__file__).parent / "policies")
    found = next((home / name for home in homes if (home / name).is_file()), None)
    if found is None:
        there = sorted({path.stem for home in homes for path in home.glob("*.yaml")})
        known, asked = ", ".join(there) or "none", f"{printable(policy)!r}{nearest(policy, there)}"
        raise InputError(f"no policy {asked}; there are: {known}; or give a YAML file by its path")
    return found


def load(path: Path) -> Policy:
    """Return the policy in `path`; raises InputError for an unknown key, task or metric, or a missing key."""
    policy = recipe.load(path, Policy)
    if policy.name != path.stem:
        raise InputError(f"{path}: name is {policy.name!r}, the file is called {path.stem!r}; make the two equal")
    return policy
