"""Refusals: what must hold before two scores may be compared at all.

    finsight: generation setting max_gen_toks is 96 in reference, 512 in candidate; like is compared with like: ...

A comparison that should not be made raises InputError, whatever its figures say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from finsight_eval import CONTRACT, prompt
from finsight_eval.errors import InputError, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Score = dict[str, Any]
#: What a task's card says of the conditions that its samples were made under. The last four stand in the results file
#: that lm-eval writes beside its samples; where that file is not at hand they are None: not known, not compared.
CONDITIONS: Final = (
    "benchmark", "prompt", "generation", "task_version", "chat_template", "n_shot", "system_instruction"
)  # fmt: skip


def refuse_unequal(scores: Mapping[str, Score], tasks: Sequence[str]) -> None:
    """Raise InputError unless all `scores` (name -> metrics.json) are whole and made under the same conditions."""
    for name, score in scores.items():
        _refuse_foreign(name, score)
        for task in tasks:
            if task not in score["tasks"]:
                there = ", ".join(printable(found, 60) for found in score["tasks"]) or "none"
                raise InputError(
                    f"{name}: no figures for task {task}, which is asked for (by a bound of the policy, or with "
                    f"--tasks); there are: {there}; evaluate that task too, and keep the file names that lm-eval gave; "
                    "or ask for what was evaluated, in a policy of your own whose keys are TASK/METRIC of those tasks"
                )
            _refuse_incomplete(f"{name}: {task}", score["tasks"][task])
    (first, reference), *others = scores.items()
    for name, score in others:
        for task in tasks:
            found = [
                f"{what} is {one} in {first}, {other} in {name}"
                for what, one, other in differences(reference["tasks"][task], score["tasks"][task])
            ]
            if found:
                raise InputError(
                    f"{task}: {'; '.join(found)}; like is compared with like: evaluate both the same way, "
                    "or accept a new baseline"
                )


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield (what, its value in `one`, its value in `other`) for every condition of two cards that differs."""
    if _identity(one) != _identity(other):
        yield "benchmark", _identity(one), _identity(other)
    yield from made_otherwise(one, other)


def made_otherwise(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield (what, its value in `one`, its value in `other`) for all conditions but the benchmark that differ."""
    if one["prompt"] != other["prompt"]:
        yield "prompt", _shown(one["prompt"]), _shown(other["prompt"])
    first, second = one["generation"], other["generation"]
    for key in dict.fromkeys((*first, *second)):
        if key not in first or key not in second or first[key] != second[key]:
            yield f"generation setting {printable(key, 40)}", _setting(first, key), _setting(second, key)
    for key in ("task_version", "n_shot", "system_instruction"):
        values = one.get(key), other.get(key)
        if None not in values and values[0] != values[1]:
            yield key.replace("_", " "), _shown(values[0]), _shown(values[1])
    templates = one.get("chat_template"), other.get("chat_template")
    if None not in templates and bool(templates[0]) != bool(templates[1]):
        yield "chat template", _applied(templates[0]), _applied(templates[1])


def refuse_other_overlap(where: str, record: Mapping[str, Any], score: Score, tasks: Sequence[str]) -> None:
    """Raise InputError unless the overlap `record` compared the training data with the very sets that were scored."""
    sets = record.get("sets")
    if not isinstance(sets, dict):
        raise InputError(f"{where}: no overlap record: key 'sets' is missing; give the overlap.json of distill.export")
    for task in tasks:
        about = score["tasks"][task]["benchmark"]
        entry = sets.get(about["set"])
        hashes = entry.get("sha256") if isinstance(entry, dict) else None
        compared = hashes.get("test") if isinstance(hashes, dict) else None
        if compared != about["sha256"]:
            found = f"with benchmark {about['set']} {_shown(compared, 16)}" if compared else f"not with {about['set']}"
            raise InputError(
                f"{where}: compared the training data {found}, scored was {about['set']} {about['sha256'][:16]}; "
                "run `python -m distill.export` again"
            )
    for key in ("rows", "checked"):
        value = record.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise InputError(
                f"{where}: {key} is {_shown(value)}, at least 1 is expected: a comparison of no training rows shows "
                "nothing; run `python -m distill.export` again"
            )


def _identity(card: Mapping[str, Any]) -> str:
    """Return the benchmark of a card: its name and the head of its hash."""
    about = card["benchmark"]
    return f"{_shown(about['set'])} {_shown(about['sha256'], 16)}"


def _shown(value: Any, limit: int = 60) -> str:
    return printable(str(value)[:limit], limit)


def _setting(settings: Mapping[str, Any], key: str) -> str:
    return _shown(repr(settings[key])) if key in settings else "not set"


def _applied(template: Any) -> str:
    return "applied" if template else "not applied"


def _refuse_foreign(name: str, score: Score) -> None:
    found = {"contract": score.get("contract"), "prompt": score.get("prompt")}
    expected = {"contract": CONTRACT, "prompt": prompt.fingerprint()}
    for key, value in expected.items():
        if found[key] != value:
            raise InputError(
                f"{name}: scored under {key} {_shown(found[key])}, this is {key} {value}; evaluate and score again"
            )


def _refuse_incomplete(where: str, card: dict[str, Any]) -> None:
    if card["benchmark"] is None:
        raise InputError(f"{where}: not checked against a benchmark; score it with the set it was made on")
    if card["prompt"] != prompt.fingerprint():
        raise InputError(
            f"{where}: the samples were made with another prompt than this version's ({prompt.fingerprint()}), "
            "or with a text around it that is not the same for all items; "
            "evaluate again"
        )
    if card["failed"]:
        raise InputError(
            f"{where}: {card['failed']} items failed ({_errors(card)}); such a run is not publishable: retry it"
        )
    if card["n"] != card["n_total"]:
        limit = card.get("limit")
        why = f"--limit {_shown(limit)}" if limit is not None else "a limited run, or samples are missing"
        raise InputError(
            f"{where}: {card['n']} of {card['n_total']} items were evaluated ({why}); evaluate all of them"
        )


def _errors(card: dict[str, Any]) -> str:
    return "; ".join(f"{printable(error, 60)} x {count}" for error, count in list(card["errors"].items())[:3])
