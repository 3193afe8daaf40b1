"""A noise record as the gate uses it: how much wider an interval becomes, and which items flip by themselves.

    {"tasks": {"finsight": {"runs": 3, "metrics": {"sentiment_f1": {"values": [0.351, 0.349, 0.351], "sd": 0.0012}},
     "unstable": [{"id": "news-en-004", "outcomes": {...}}]}}}        (finsight_eval.noise writes it)

The items of a benchmark are a sample, and so is one run on them: another batch size, another temperature, another seed
would have given another figure. The bootstrap over items knows the first variance only; this is the second.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from finsight_eval import jsonl, manifest
from finsight_eval.errors import InputError, printable
from finsight_eval.stats import Spread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    NoiseRecord = Mapping[str, Any]


def read_noise(path: Path, score: Mapping[str, Any], tasks: Sequence[str]) -> dict[str, NoiseRecord]:
    """Return task -> noise record, of those of `tasks` that it covers; `score` is the candidate's metrics.json.

    Raises:
        InputError: no noise record, a damaged one, or one of another benchmark size, prompt or setting than was scored.
    """
    found = jsonl.read(path).get("tasks")
    if not isinstance(found, dict) or not all(isinstance(record, dict) for record in found.values()):
        raise InputError(f"{path}: no noise record; `python -m finsight_eval.noise` writes one")
    records = {task: found[task] for task in tasks if task in found}
    for task, record in records.items():
        card = score["tasks"][task]
        for key in ("n", "prompt", "generation"):
            if record.get(key) != card[key]:
                one, other = (printable(str(value), 120) for value in (record.get(key), card[key]))
                raise InputError(
                    f"{path}: {task}: {key} is {one}, scored was {other}; measure the noise again with --repeat"
                )
        if wrong := _damage(record):
            raise InputError(f"{path}: {task}: {wrong}; `python -m finsight_eval.noise` writes the record again")
    return records


def _damage(record: NoiseRecord) -> str | None:
    """Return what is wrong with the record of a task, None for a whole one."""
    runs, metrics, unstable = (record.get(key) for key in ("runs", "metrics", "unstable"))
    if not isinstance(runs, int) or isinstance(runs, bool) or runs < 2:
        return f"runs is {_shown(runs)}, a number from 2 is expected"
    if not isinstance(metrics, dict):
        return f"metrics is {_shown(metrics)}, an object is expected"
    for name, one in metrics.items():
        sd = one.get("sd") if isinstance(one, dict) else "missing"
        number = isinstance(sd, int | float) and not isinstance(sd, bool) and math.isfinite(sd) and sd >= 0
        if sd is not None and not number:
            return f"sd of {printable(name, 40)} is {_shown(sd)}, a number from 0 or null is expected"
    if not isinstance(unstable, list):
        return f"unstable is {_shown(unstable)}, a list is expected"
    for row in unstable:
        if not isinstance(row, dict) or not isinstance(row.get("id"), str):
            return f"unstable holds {_shown(row)}, an object with an `id` is expected"
    return None


def _shown(value: Any) -> str:
    return printable(repr(value), 60)


def refuse_other_runs(noise: Path, score: Path) -> None:
    """Raise InputError unless the stage that wrote `noise` measured the very samples that `score`'s stage read."""
    measured, scored = (jsonl.read(path.parent / manifest.NAME).get("inputs") or {} for path in (noise, score))
    answers = scored.get("answers", {}).get("sha256")
    hashes = [one.get("sha256") for key, one in measured.items() if key.startswith("run_")]
    if answers not in hashes:
        found = ", ".join(str(one)[:16] for one in hashes) or "none"
        raise InputError(
            f"{noise}: measured on the samples {found}, scored were {str(answers)[:16]}; measure again: "
            "`python -m finsight_eval.noise`"
        )


def spreads(record: NoiseRecord) -> dict[str, Spread]:
    """Return metric -> how far it moves from run to run; a handful of runs says little, and the freedom says so."""
    freedom = record["runs"] - 1
    return {name: Spread(one["sd"], freedom) for name, one in record["metrics"].items() if one.get("sd") is not None}


def unstable_ids(record: NoiseRecord | None) -> frozenset[str]:
    """Return the items whose outcome was not the same in all runs; none where no noise was measured."""
    return frozenset(row["id"] for row in record["unstable"]) if record else frozenset()
