"""Notes: what a verdict does not cover, in words that stand in gate.json, on the job summary and on the screen.

candidate: task version, chat template, examples shown ... of finsight not known, not compared: they stand in ...

A gate that says nothing of what it could not look at is believed to have looked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from finsight_eval.errors import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from finsight_eval.gating.comparable import Score
    from finsight_eval.gating.noise_record import NoiseRecord
    from finsight_eval.verdicts import Verdict

LEAKAGE: Final = (
    "leakage was not checked: nobody has compared the training data of this model with the benchmark, and a model that "
    "has seen its items looks better than it is"
)
NO_NOISE: Final = (
    "no noise record: how far the figures move from run to run was not measured, the intervals cover the choice of "
    "items only"
)
NO_BASELINE: Final = "no accepted baseline was given: the margins of the policy were not checked"
#: Conditions of a card that only the results file beside the samples tells, in words.
_FROM_RESULTS: Final = {
    "task_version": "task version",
    "chat_template": "chat template",
    "n_shot": "examples shown",
    "system_instruction": "system instruction",
}


def unknown_conditions(scores: Mapping[str, Score], tasks: Sequence[str]) -> list[str]:
    """Return a note for every model (name -> metrics.json) whose samples do not say how they were made."""
    notes = []
    for name, score in scores.items():
        by_lack: dict[tuple[str, ...], list[str]] = {}
        for task in tasks:
            by_lack.setdefault(_lacking(score["tasks"][task]), []).append(task)
        notes += [_unknown(name, lack, held) for lack, held in by_lack.items() if lack]
    return notes


def _lacking(card: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the conditions that are not known; where none is, the model's name stands nowhere either."""
    lack = tuple(words for key, words in _FROM_RESULTS.items() if card.get(key) is None)
    return (*lack, "model") if len(lack) == len(_FROM_RESULTS) else lack


def _unknown(name: str, lack: Sequence[str], tasks: Sequence[str]) -> str:
    if list(lack) == [_FROM_RESULTS["chat_template"]]:
        return f"{name}: chat template of {', '.join(tasks)} not known, not compared: an endpoint applies its own"
    return (
        f"{name}: {', '.join(lack)} of {', '.join(tasks)} not known, not compared: they stand in the results_*.json "
        "that lm-eval writes beside its samples; keep it with them"
    )


def overlap_notes(record: Mapping[str, Any]) -> list[str]:
    """Return how like a benchmark item the likest training row is, where the overlap record says so."""
    kept, threshold = record.get("highest_share_kept"), record.get("threshold")
    if not all(isinstance(share, int | float) for share in (kept, threshold)):
        return []
    return [
        f"the training row most like a benchmark item shares {kept:.2f} of its text with it; {threshold:.2f} removes"
    ]


def noise_notes(noise: Mapping[str, NoiseRecord], tasks: Sequence[str]) -> list[str]:
    """Return what the noise record does not cover."""
    if not noise:
        return [NO_NOISE]
    return [
        f"the noise record does not cover {printable(task)}: its intervals cover the choice of items only"
        for task in tasks
        if task not in noise
    ]


def teacher_notes(taught: Sequence[str], candidate: Mapping[str, Sequence[Verdict]]) -> list[str]:
    """Return the tasks of `taught` on which the candidate brings a teacher's labels for a part of the items."""
    notes = []
    for task in taught:
        labels, n = sum(v.teacher is not None for v in candidate[task]), len(candidate[task])
        if labels < n:
            notes.append(
                f"{task}: the candidate brings teacher's labels for {labels} of {n} items: its agreement with the "
                "teacher is that on these"
            )
    return notes
