"""The candidate exposed by name: the gate looks for what the report looks for, on the same answers.

    {"name": "labels at random", "task": "finsight", "sentence": "on Hand-written ...", "p": 0.0002, "grave": true}

A grave exposure blocks, whatever the figures say, unless the policy has it reported only: a model that labels at random
clears every floor that was set low. Of samples made elsewhere the training rows are not known, so that what was learnt
by heart cannot be looked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from finsight_eval import jsonl
from finsight_eval.exposing.subject import Subject
from finsight_eval.exposing.trained import read_trained

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from finsight_eval.exposing.exposures import Exposure
    from finsight_eval.exposing.subject import Answers


def sources_of(run: Path) -> dict[str, Path]:
    """Return what the exposures read of a run beside its answers, as far as it is there."""
    places = {"trained": run / "export" / "sft.jsonl", "losses": run / "train" / "loss.jsonl"}
    return {name: path for name, path in places.items() if path.is_file()}


def subject_of(run: Path, verdicts: Answers) -> Subject:
    """Return the adapter of a run as the exposures see it; raises InputError for training rows that are none."""
    found, overlap = sources_of(run), run / "export" / "overlap.json"
    losses = [row for _, row in jsonl.read_lines(found["losses"])] if "losses" in found else []
    return Subject(
        verdicts,
        read_trained(found["trained"]) if "trained" in found else None,
        jsonl.read(overlap) if overlap.is_file() else None,
        [row for row in losses if row.get("loss") is not None],
    )


def grave(found: Iterable[Exposure]) -> list[Exposure]:
    """Return the exposures that may block."""
    return [one for one in found if one.grave]


def names_of(found: Iterable[Exposure]) -> list[str]:
    """Return the names of the grave exposures, each once, in order."""
    return list(dict.fromkeys(one.name for one in grave(found)))
