"""Policies: what a model must show before it may ship.

name: nano
inconclusive_blocks: false
floors: {finsight_simulated/sentiment_f1: 0.75}
gains: {finsight_simulated/sentiment_f1: 0.0}
margins: {finsight_simulated/sentiment_f1: 0.03}
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from finsight_eval import recipe
from finsight_eval.errors import InputError, nearest
from finsight_eval.gold import TASKS
from finsight_eval.metrics import METRICS

FOLDER: Final = Path("benchmarks/policies")
#: Accepted baselines, committed beside the policies: `finsight_eval.accept` writes them.
BASELINES: Final = Path("benchmarks/baselines")


@dataclass(frozen=True)
class Policy:
    """The bounds of a gate; the keys of all three mappings are TASK/METRIC.

    Attributes:
        inconclusive_blocks: whether a bound that the interval straddles ends with exit code 3 instead of 0.
        floors: the least value.
        gains: the paired gain over the base model that must be exceeded.
        margins: how far the value may fall below an accepted baseline, if one is committed.
    """

    name: str
    inconclusive_blocks: bool
    floors: dict[str, float]
    gains: dict[str, float]
    margins: dict[str, float]

    def __post_init__(self) -> None:
        if not self.floors and not self.gains:
            raise ValueError(
                "floors and gains are both empty: such a gate lets everything pass; set at least one bound"
            )
        for key in (*self.floors, *self.gains, *self.margins):
            task, _, metric = key.partition("/")
            if task not in TASKS:
                raise ValueError(f"{key!r}: no task {task!r}{nearest(task, TASKS)}; there are: {', '.join(TASKS)}")
            if metric not in METRICS:
                raise ValueError(f"{key!r}: no metric {metric!r}{nearest(metric, METRICS)}")
        for key, margin in self.margins.items():
            if margin < 0:
                raise ValueError(f"margin of {key!r} is {margin}, at least 0 is expected")

    def tasks(self) -> list[str]:
        """Return the tasks that the policy speaks of, in order of appearance."""
        return list(dict.fromkeys(key.partition("/")[0] for key in (*self.floors, *self.gains, *self.margins)))


def baseline_path(name: str) -> Path:
    """Return where the accepted baseline of a policy lies, whether or not there is one."""
    return BASELINES / f"{name}.json"


def load(path: Path) -> Policy:
    """Return the policy in `path`; raises InputError for an unknown key, task or metric, or a missing key."""
    policy = recipe.load(path, Policy)
    if policy.name != path.stem:
        raise InputError(f"{path}: name is {policy.name!r}, the file is called {path.stem!r}; make the two equal")
    return policy
