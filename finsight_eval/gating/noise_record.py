"""A noise record as the gate uses it: how much wider an interval becomes, and which items flip by themselves.

    {"tasks": {"finsight": {"runs": 3, "metrics": {"sentiment_f1": {"values": [0.351, 0.349, 0.351], "sd": 0.0012}},
     "unstable": [{"id": "news-en-004", "outcomes": {...}}]}}}        (finsight_eval.noise writes it)

The items of a benchmark are a sample, and so is one run on them: another batch size, another temperature, another seed
would have given another figure. The bootstrap over items knows the first variance only; this is the second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from finsight_eval import jsonl
from finsight_eval.errors import InputError, printable
from finsight_eval.stats import student

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    NoiseRecord = Mapping[str, Any]


def read_noise(path: Path, score: Mapping[str, Any]) -> dict[str, NoiseRecord]:
    """Return task -> noise record, of the tasks that `score` (metrics.json) holds.

    Raises:
        InputError: no noise record, or one of another benchmark size or prompt than was scored.
    """
    found = jsonl.read(path).get("tasks")
    if not isinstance(found, dict) or not all(isinstance(record, dict) for record in found.values()):
        raise InputError(f"{path}: no noise record; `python -m finsight_eval.noise` writes one")
    records = {}
    for task in score["tasks"].keys() & found.keys():
        record, card = found[task], score["tasks"][task]
        for key, scored in (("n", card["n"]), ("prompt", card["prompt"])):
            if record.get(key) != scored:
                raise InputError(
                    f"{path}: {task}: {key} is {printable(str(record.get(key)))}, scored was {printable(str(scored))}; "
                    "measure the noise again with --repeat"
                )
        records[task] = record
    return records


def half_widths(record: NoiseRecord) -> dict[str, float]:
    """Return metric -> half the width of a 95 % interval that run-to-run noise alone gives.

    Student's t on the standard deviation of the runs: a handful of runs says little about how far the next may lie.
    """
    spread = student(record["runs"] - 1)
    return {name: spread * one["sd"] for name, one in record["metrics"].items() if one.get("sd") is not None}


def unstable_ids(record: NoiseRecord | None) -> frozenset[str]:
    """Return the items whose outcome was not the same in all runs; none where no noise was measured."""
    return frozenset(row["id"] for row in record["unstable"]) if record else frozenset()
