"""Refusals: what must hold before two scores may be compared at all.

    adapter: finsight: 20 of 68 items were evaluated (a limited run); evaluate the whole set

A comparison that should not be made raises InputError, whatever its figures say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from finsight_eval import CONTRACT, prompt
from finsight_eval.errors import InputError, printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Score = dict[str, Any]


def refuse_unequal(scores: Mapping[str, Score], tasks: Sequence[str]) -> None:
    """Raise InputError unless all `scores` (name -> metrics.json) are whole and made under the same conditions."""
    for name, score in scores.items():
        _refuse_foreign(name, score)
        for task in tasks:
            if task not in score["tasks"]:
                there = ", ".join(score["tasks"]) or "none"
                raise InputError(f"{name}: no figures for task {task}; scored are: {there}; add it to the suite")
            _refuse_incomplete(f"{name}: {task}", score["tasks"][task])
    (first, reference), *others = scores.items()
    for name, score in others:
        for task in tasks:
            for key in ("benchmark", "prompt", "generation"):
                one, other = reference["tasks"][task][key], score["tasks"][task][key]
                if one != other:
                    found = f"{key} of {first} is {printable(str(one))}, of {name} {printable(str(other))}"
                    raise InputError(f"{task}: {found}; like is compared with like: evaluate both the same way")


def refuse_other_overlap(where: str, record: Mapping[str, Any], score: Score, tasks: Sequence[str]) -> None:
    """Raise InputError unless the overlap `record` compared the training data with the very sets that were scored."""
    for task in tasks:
        about = score["tasks"][task]["benchmark"]
        compared = record.get("sets", {}).get(about["set"], {}).get("sha256", {}).get("test")
        if compared != about["sha256"]:
            raise InputError(
                f"{where}: compared the training data with benchmark {about['set']} {str(compared)[:16]}, scored was "
                f"{about['sha256'][:16]}; run `python -m distill.export` again"
            )


def _refuse_foreign(name: str, score: Score) -> None:
    found = {"contract": score.get("contract"), "prompt": score.get("prompt")}
    expected = {"contract": CONTRACT, "prompt": prompt.fingerprint()}
    for key, value in expected.items():
        if found[key] != value:
            raise InputError(
                f"{name}: scored under {key} {found[key]}, this is {key} {value}; evaluate and score again"
            )


def _refuse_incomplete(where: str, card: dict[str, Any]) -> None:
    if card["benchmark"] is None:
        raise InputError(f"{where}: not checked against a benchmark; score it with the set it was made on")
    if card["prompt"] != prompt.fingerprint():
        raise InputError(f"{where}: the samples were not made with this version's prompt; evaluate again")
    if card["failed"]:
        raise InputError(
            f"{where}: {card['failed']} items failed ({_errors(card)}); such a run is not publishable: retry it"
        )
    if card["n"] != card["n_total"]:
        raise InputError(
            f"{where}: {card['n']} of {card['n_total']} items were evaluated (a limited run); evaluate the whole set"
        )


def _errors(card: dict[str, Any]) -> str:
    return "; ".join(f"{printable(error, 60)} x {count}" for error, count in list(card["errors"].items())[:3])
