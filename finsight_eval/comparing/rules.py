"""What may be compared: the same whole benchmark, under today's prompt and contract, without a failed item.

    finsight: benchmark is news 3f4d76b6a6dfbe7f in nano, news 9c01aa2be17f0d55 in old; like is compared with like: ...

A comparison that should not be made raises InputError, whatever its figures say. Settings of generation and the chat
template may differ, for models of different makes need different ones; the page names them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from finsight_eval.errors import InputError, printable
from finsight_eval.gating import comparable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finsight_eval.comparing.data import Contender

#: Conditions that may differ and are named on the page, as `comparable.differences` calls them.
NAMED: Final = ("generation setting", "chat template")


def common_tasks(contenders: Sequence[Contender], wanted: Sequence[str]) -> list[str]:
    """Return the tasks on which at least two can be compared; those `wanted` must be held by all.

    Raises:
        InputError: fewer than two models, a name twice, nothing in common, or a task whose answers are not comparable.
    """
    names = Counter(one.name for one in contenders)
    if twice := [name for name, count in names.items() if count > 1]:
        raise InputError(f"{printable(twice[0])!r} stands for {names[twice[0]]} models; name them: NAME=SOURCE")
    if len(contenders) < 2:
        raise InputError("a comparison needs at least two models; give another run, folder of samples or baseline")
    for task in wanted:
        for one in contenders:
            if task not in one.score["tasks"]:
                there = ", ".join(map(printable, one.score["tasks"])) or "none"
                raise InputError(f"{one.name}: no answers to {printable(task)}; there are: {there}")
    held = list(wanted) or list(dict.fromkeys(task for one in contenders for task in one.score["tasks"]))
    tasks = [task for task in held if sum(task in one.score["tasks"] for one in contenders) > 1]
    if not tasks:
        lists = "; ".join(f"{one.name}: {', '.join(one.score['tasks']) or 'none'}" for one in contenders)
        raise InputError(f"no task that two of the models answered ({lists}); evaluate them on the same tasks")
    for task in tasks:
        refuse_incomparable(holders(contenders, task), task)
    return tasks


def holders(contenders: Sequence[Contender], task: str) -> list[Contender]:
    return [one for one in contenders if task in one.score["tasks"]]


def refuse_incomparable(contenders: Sequence[Contender], task: str) -> None:
    """Raise InputError unless all answered the whole of one benchmark under today's contract and prompt."""
    for one in contenders:
        comparable.refuse_unequal({one.name: one.score}, [task])
    first, *others = contenders
    for other in others:
        found = [
            f"{what} is {one} in {first.name}, {another} in {other.name}"
            for what, one, another in comparable.differences(first.card(task), other.card(task))
            if not what.startswith(NAMED)
        ]
        if found:
            raise InputError(f"{task}: {'; '.join(found)}; like is compared with like: evaluate both the same way")


def with_teacher(contenders: Sequence[Contender]) -> list[Contender]:
    """Return the contenders, records with the teacher's labels that the others' answers were held against."""
    labels = {
        (task, v.item.id): v.teacher
        for one in contenders
        if not one.recorded
        for task, verdicts in one.verdicts.items()
        for v in verdicts
        if v.teacher is not None
    }

    def held(one: Contender) -> Contender:
        verdicts = {
            task: [replace(v, teacher=labels.get((task, v.item.id), v.teacher)) for v in found]
            for task, found in one.verdicts.items()
        }
        return replace(one, verdicts=verdicts)

    return [held(one) if one.recorded else one for one in contenders]


def one_teacher(contenders: Sequence[Contender], task: str) -> bool:
    """Tell whether all answers to `task` were held against the same teacher's labels, where against any."""
    known: dict[str, object] = {}
    return all(
        known.setdefault(v.item.id, v.teacher) == v.teacher
        for one in contenders
        for v in one.verdicts.get(task, [])
        if v.teacher is not None
    )
