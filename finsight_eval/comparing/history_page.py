"""The page of a history: when which baseline was accepted and why, and how the figures moved.

| entry | `finsight/sentiment_f1` | ...
| 1 2026-11-22 | 0.410 (no interval recorded) | ...
| now | 0.346 [0.292, 0.398] (n 320) | ...

Figures of different versions of a benchmark are never subtracted from each other.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import stats
from finsight_eval.comparing.history_data import changed
from finsight_eval.comparing.pairwise import LEVEL, p_of
from finsight_eval.escape import inline, table
from finsight_eval.figures import difference
from finsight_eval.plotting.picture import markup
from finsight_eval.reporting.numbers import shown_difference

if TYPE_CHECKING:
    from finsight_eval.comparing.history_data import Entry, History
    from finsight_eval.figures import Difference

PICTURE: Final = "figures.png"
_COMMIT: Final = 12
_READING: Final = """\
Figures are strict; brackets hold 95 % intervals. An older entry holds figures only: where its interval, its n or its \
benchmark was not recorded, the page says so. The replies of the last accepted baseline are kept, so that its figures \
are computed again, and the difference of the run at hand from it is paired, item by item. In the picture a line joins \
two entries only where both are known to have been measured under the same conditions: benchmark, prompt, settings of \
generation, contract; a hollow dot has no recorded interval."""


def page(found: History, folder: str) -> str:
    """Return the history as Markdown."""
    parts = [f"# History of `{inline(found.name)}`", answer(found)]
    parts += ["\n".join(f"- {inline(note, 400)}" for note in found.notes)]
    parts += ["## Figures over time", markup("Figures over time, with 95 % intervals where known", folder, PICTURE)]
    parts += [_figures(found), "## From one entry to the next", _changes(found), "## Entries", _entries(found)]
    parts += ["## How to read this", _READING]
    parts += [f"_Written by `python -m finsight_eval.history --recipe {inline(found.name)}`; not to be edited._"]
    return "\n\n".join(part for part in parts if part) + "\n"


def answer(found: History) -> str:
    """Return the first paragraph: how many entries, and what the run at hand makes of the last."""
    accepted = [entry for entry in found.entries if entry.title != "now"]
    count, last = len(accepted), accepted[-1]
    many = f"**{count} accepted baseline{'s' * (count > 1)}**"
    head = f"{many}, the last of {inline(last.date)}: {inline(last.verdict)}, {inline(last.reason)}."
    if count == len(found.entries):
        return head
    said, moved = [head], _moved(last, found.entries[-1])
    for word in ("above", "below"):
        if named := [f"`{inline(key)}`" for key, one in moved.items() if one == word]:
            said.append(f"The run at hand is {word} it on {', '.join(named)}.")
    if not moved:
        said.append("The run at hand was not measured in the same way, so that it is not held against it.")
    elif not {"above", "below"} & set(moved.values()):
        said.append(f"The run at hand is not shown to differ from it (Holm's correction for {len(moved)} figures).")
    return " ".join(said)


def _moved(before: Entry, after: Entry) -> dict[str, str]:
    """Return key -> "above", "below" or "level" for the figures of which both models' replies are comparable."""
    pairs = {}
    for key in after.figures:
        task, _, metric = key.partition("/")
        if changed(before, after, task) == [] and before.verdicts.get(task) and after.verdicts.get(task):
            pairs[key] = _paired(before, after, task, metric)
    tested = {key: p for key, found in pairs.items() if (p := p_of(found)) is not None}
    adjusted = dict(zip(tested, stats.holm(list(tested.values())), strict=True))
    return {
        key: "level" if adjusted.get(key, 1.0) >= LEVEL else "above" if (found.value or 0) > 0 else "below"
        for key, found in pairs.items()
    }


def _paired(before: Entry, after: Entry, task: str, metric: str) -> Difference:
    first, second = (sorted(entry.verdicts[task], key=lambda v: v.item.id) for entry in (before, after))
    return difference(metric, first, second)


def figure_cell(row: dict[str, Any] | None) -> str:
    """Return a figure with what is known of its interval and n."""
    if row is None or row["value"] is None:
        return "n/a (not recorded)" if row is None else "n/a (no value)"
    ends = "(no interval recorded)" if None in (row["low"], row["high"]) else f"[{row['low']:.3f}, {row['high']:.3f}]"
    count = "" if row["n"] is None else f" (n {row['n']})"
    return f"{row['value']:.3f} {ends}{count}"


def _figures(found: History) -> str:
    keys = found.measured()
    rows = [
        (inline(f"{entry.title} {entry.date}".strip()), *(figure_cell(entry.figures.get(key)) for key in keys))
        for entry in found.entries
    ]
    return table(("entry", *(f"`{inline(key)}`" for key in keys)), rows, numbers=len(keys))


def _changes(found: History) -> str:
    if len(found.entries) < 2:
        return "n/a (there is one entry only)"
    keys = found.measured()
    rows = [
        (f"{inline(before.title)} to {inline(after.title)}", *(change_cell(before, after, key) for key in keys))
        for before, after in pairwise(found.entries)
    ]
    return table(("", *(f"`{inline(key)}`" for key in keys)), rows, numbers=len(keys))


def change_cell(before: Entry, after: Entry, key: str) -> str:
    """Return how a figure moved: paired where both models' replies are at hand, n/a where conditions changed."""
    task, _, metric = key.partition("/")
    one, other = before.figures.get(key), after.figures.get(key)
    if one is None or other is None or one["value"] is None or other["value"] is None:
        return "n/a (a figure is missing)"
    conditions = changed(before, after, task)
    if conditions:
        return f"n/a (other {inline(', '.join(conditions))})"
    if conditions == [] and before.verdicts.get(task) and after.verdicts.get(task):
        return shown_difference(_paired(before, after, task, metric))
    why = "no interval: replies not kept" if conditions == [] else "no interval; benchmark and prompt not recorded"
    return f"{other['value'] - one['value'] + 0.0:+.3f} ({why})"


def _entries(found: History) -> str:
    rows = []
    for place, entry in enumerate(found.entries):
        commit = f"`{inline(entry.commit[:_COMMIT])}`" if entry.commit else "n/a"
        since = _since(found.entries[place - 1], entry) if place else "-"
        words = (inline(entry.title), inline(entry.date) or "-", inline(entry.verdict), commit)
        rows.append((*words, inline(entry.reason, 300), since))
    return table(("entry", "date", "verdict", "commit", "reason", "conditions changed since the entry before"), rows)


def _since(before: Entry, after: Entry) -> str:
    tasks = list(dict.fromkeys(key.partition("/")[0] for key in after.figures))
    found = {task: changed(before, after, task) for task in tasks}
    if all(conditions is None for conditions in found.values()):
        return "n/a (not recorded)"
    parts = [f"`{inline(task)}`: {', '.join(names)}" for task, names in found.items() if names]
    parts += [f"`{inline(task)}`: not recorded" for task, names in found.items() if names is None]
    return "; ".join(parts) or "none"
