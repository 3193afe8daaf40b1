"""The accepted baselines of a recipe over time, as benchmarks/baselines/NAME.json keeps them, and the run at hand.

    {"date": "2026-11-22", "reason": "first release", "verdict": "pass", "exposed": ["labels at random"],
     "commit": "0a1b...", "contract": 1,
     "tasks": {"finsight": {"benchmark": {"set": "news", "sha256": "3f4d..."}, "prompt": "e4fc...", "generation": {}}},
     "figures": {"finsight/sentiment_f1": {"value": 0.41, "low": 0.36, "high": 0.46, "n": 320}}}

Older entries hold figures as bare numbers, and neither `contract` nor `tasks`: they are shown without an interval, and
nothing is said to be comparable that is not known to be. The file keeps the replies of the last entry, so its figures
are computed again, with intervals.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import jsonl
from finsight_eval.comparing.data import contender
from finsight_eval.errors import InputError, nearest, printable
from finsight_eval.figures import figure
from finsight_eval.gating import comparable
from finsight_eval.gating.recorded import recorded
from finsight_eval.gold import TASKS
from finsight_eval.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from finsight_eval.verdicts import Verdict

    Row = dict[str, Any]

_WORDS: Final = ("date", "reason", "verdict")
#: Two figures further apart than rounding are two figures.
_SAME: Final = 1e-9


@dataclass(frozen=True)
class Entry:
    """One accepted baseline, or the run at hand.

    Attributes:
        figures: TASK/METRIC -> figure; its ends and n are None where they were not recorded.
        conditions: task -> what `comparable.CONDITIONS` names, and the contract; None where not recorded.
        verdicts: task -> verdicts, where the replies are at hand.
    """

    title: str
    date: str
    reason: str
    verdict: str
    commit: str
    figures: dict[str, Row]
    conditions: dict[str, Row]
    verdicts: dict[str, list[Verdict]] = field(default_factory=dict)


@dataclass(frozen=True)
class History:
    """All entries, the oldest first; `notes` say what could not be read as it was accepted."""

    name: str
    entries: list[Entry]
    notes: list[str]

    def measured(self) -> list[str]:
        """Return every TASK/METRIC of which an entry has a figure."""
        return list(dict.fromkeys(key for entry in self.entries for key in entry.figures))


def read_history(path: Path, run: Path) -> History:
    """Return the history in `path`, with the adapter of `run` as the last entry where it is another model.

    Raises:
        InputError: no accepted baseline, or an entry that is none.
    """
    if not path.is_file():
        raise InputError(f"{path}: no accepted baseline; `finsight-gate accept` writes the first")
    held = jsonl.read(path)
    rows = held.get("history")
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{path}: 'history' is missing or empty; `finsight-gate accept` writes it")
    entries = [_entry(row, number, f"{path}: history entry {number}") for number, row in enumerate(rows, start=1)]
    entries[-1], notes = _read_again(entries[-1], path, held)
    current = _current(run, entries[-1])
    if current is None:
        notes.append("No scored run is at hand: the last entry is the last accepted baseline.")
    elif current.verdicts and _replies(current) == _replies(entries[-1]):
        notes.append("The run at hand gave the very replies of the last accepted baseline: it is that baseline.")
    else:
        entries.append(current)
    return History(path.stem, entries, notes)


def _entry(row: Any, number: int, where: str) -> Entry:
    if not isinstance(row, dict):
        raise InputError(f"{where}: a JSON object is expected, found {printable(str(row), 40)!r}; restore the file")
    for key in _WORDS:
        if not isinstance(row.get(key), str):
            raise InputError(f"{where}: {key} is {printable(repr(row.get(key)), 40)}, a string is expected")
    figures = row.get("figures")
    if not isinstance(figures, dict):
        raise InputError(f"{where}: 'figures' is missing; restore the file from version control")
    found = {key: _figure(key, value, where) for key, value in figures.items()}
    commit = row.get("commit")
    conditions = {task: _condition(row, about) for task, about in (row.get("tasks") or {}).items()}
    words = {key: row[key] for key in _WORDS} | {"verdict": _verdict(row, where)}
    return Entry(str(number), **words, commit=str(commit or ""), figures=found, conditions=conditions)


def _verdict(row: Row, where: str) -> str:
    """Return the verdict, with the decision to accept all the same and what the candidate was exposed as."""
    exposed = row.get("exposed", [])
    if not isinstance(exposed, list) or not all(isinstance(name, str) for name in exposed):
        raise InputError(f"{where}: exposed is {printable(repr(exposed), 60)}, a list of names is expected; restore it")
    accepted = ["accepted all the same"] if row.get("despite") else []
    return "; ".join([row["verdict"], *accepted, *(f"exposed: {name}" for name in exposed)])


def _figure(key: str, value: Any, where: str) -> Row:
    task, _, metric = key.partition("/")
    if task not in TASKS or metric not in METRICS:
        hint = nearest(task, TASKS) or nearest(metric, METRICS)
        raise InputError(f"{where}: figure {printable(key, 60)!r} is not TASK/METRIC{hint}; restore the file")
    row = value if isinstance(value, dict) else {"value": value}
    found = {name: row.get(name) for name in ("value", "low", "high", "n")}
    for name, number in found.items():
        if number is not None and (isinstance(number, bool) or not isinstance(number, int | float)):
            raise InputError(f"{where}: {key}: {name} is {printable(repr(number), 40)}, a number or null is expected")
    return found


def _condition(row: Row, about: Any) -> Row:
    known = about if isinstance(about, dict) else {}
    return {key: known.get(key) for key in comparable.CONDITIONS} | {"contract": row.get("contract")}


def _read_again(entry: Entry, path: Path, held: Row) -> tuple[Entry, list[str]]:
    """Return the last entry with the figures of the replies in the file, and what does not fit them."""
    tasks: Mapping[str, Any] = held.get("tasks") or {}
    known = {task: _condition({}, about) for task, about in tasks.items()}
    entry = replace(entry, conditions={**known, **entry.conditions})
    wanted = list(dict.fromkeys(task for key in entry.figures if (task := key.partition("/")[0]) in tasks))
    try:
        verdicts = recorded([path], wanted).verdicts
    except InputError as error:
        return entry, [f"The replies of the last accepted baseline could not be read again: {error}"]
    figures, notes = dict(entry.figures), []
    for key, before in entry.figures.items():
        task, _, metric = key.partition("/")
        if not verdicts.get(task):
            continue
        again = figure(metric, verdicts[task]).row()
        if None in (again["value"], before["value"]) or abs(again["value"] - before["value"]) > _SAME:
            shown = ["n/a" if one["value"] is None else f"{one['value']:.4f}" for one in (before, again)]
            notes.append(f"{key} was recorded as {shown[0]}; the same replies read today give {shown[1]}.")
        else:
            figures[key] = again
    return replace(entry, figures=figures, verdicts=verdicts), notes


def _current(run: Path, last: Entry) -> Entry | None:
    """Return the adapter of `run` by the figures that the last entry has, or None where it is not scored."""
    if not (run / "score" / "adapter" / "metrics.json").is_file():
        return None
    tasks = list(dict.fromkeys(key.partition("/")[0] for key in last.figures))
    found = contender(str(run), run.parent, tasks)
    figures = {
        key: figure(metric, found.verdicts[task]).row()
        for key in last.figures
        for task, _, metric in [key.partition("/")]
        if found.verdicts.get(task)
    }
    contract = {"contract": found.score.get("contract")}
    conditions = {task: _condition(contract, found.card(task)) for task in tasks if task in found.score["tasks"]}
    return Entry("now", "", "the run at hand, not accepted", "-", "", figures, conditions, found.verdicts)


def _replies(entry: Entry) -> dict[str, str | None]:
    tasks = {key.partition("/")[0] for key in entry.figures}
    return {f"{task}/{v.item.id}": v.reply for task in tasks for v in entry.verdicts.get(task, [])}


def changed(before: Entry, after: Entry, task: str) -> list[str] | None:
    """Return the conditions of `task` that are not the same in both entries; None where too little is recorded."""
    one, other = before.conditions.get(task, {}), after.conditions.get(task, {})
    if not all(found.get("benchmark") and found.get("prompt") for found in (one, other)):
        return None
    known = [key for key in (*comparable.CONDITIONS, "contract") if None not in (one.get(key), other.get(key))]
    return [key.replace("_", " ") for key in known if one[key] != other[key]]
