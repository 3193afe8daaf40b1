"""The page of a comparison: who is best, who cannot be told apart, and what each cost.

| model | keeps the form | sentiment, macro F1 ↓ | ...
| **nano** | 0.988 [0.968, 0.995] · a | 0.346 [0.292, 0.398] · b | ...

Names of models, entities and reasons are escaped: whoever made the samples chose them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from finsight_eval.comparing.comparison import MAJORITY, TEACHER
from finsight_eval.comparing.cost import seconds_cell, usd_cell
from finsight_eval.comparing.items import agreement_table, differing_items
from finsight_eval.comparing.pairwise import letters
from finsight_eval.escape import inline, table
from finsight_eval.gold import TASKS
from finsight_eval.plotting.picture import file_name, markup
from finsight_eval.reporting.data import TASK_TITLES, title_of
from finsight_eval.reporting.numbers import p_words, plain, shown, shown_difference
from finsight_eval.reporting.published import PUBLISHED, published_table
from finsight_eval.reporting.tables import METRIC_TITLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finsight_eval.comparing.comparison import Comparison
    from finsight_eval.comparing.pairwise import Pair

_CONTEXT: Final = {
    MAJORITY: "the least that a useful model exceeds",
    TEACHER: "the rules that the set's `teacher.jsonl` was made with",
}


def page(found: Comparison, folder: str, pictures: Sequence[str]) -> str:
    """Return the comparison as Markdown; `pictures` are the names of those that lie in `folder`."""
    parts = [f"# Comparison of {len(found.contenders)} models", answer(found), "## What was compared", _models(found)]
    for task in found.tasks:
        parts += [f"## {heading(found, task)}", ranking(found, task)]
        parts += [_published(task), _picture(task, folder, pictures), differences(found, task)]
    parts += ["## Cost against quality", _costs(found, folder, pictures)]
    parts += ["## How often two models say the same", *_each(found, folder, pictures)]
    parts += ["## Items on which they differ"]
    for task in found.tasks:
        parts += [f"### {heading(found, task)}", differing_items(found, task)]
    parts += [
        "## How to read this",
        reading(found),
        "_Written by `python -m finsight_eval.compare`; not to be edited._",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def heading(found: Comparison, task: str) -> str:
    return f"{title_of(task)} (`{inline(task)}`, n {found.n(task):,})"


def titled(metric: str) -> str:
    """Return a metric in words, an F1 with its kind."""
    return METRIC_TITLES.get(metric, metric)


def answer(found: Comparison) -> str:
    """Return the page's first lines: per task the highest model, who is not told from it, who is shown to be below."""
    return "\n".join(f"- {_answer(found, task)}" for task in found.tasks)


def _answer(found: Comparison, task: str) -> str:
    metric = found.leading(task)
    best, *others = found.ranked(task, metric)
    lower = found.lower(task, metric)
    level = [name for name in others if name not in lower]
    said = [f"**{heading(found, task)}**: the highest figure ({titled(metric)}) is {_named([best])}'s"]
    said[0] += f", {shown(found.figures[task][metric][best], found.n(task))}."
    if level:
        said.append(f"Not shown to differ from it: {_named(level)}.")
    if lower:
        said.append(f"Shown to be below it: {_named(lower)}.")
    return " ".join(said)


def _named(names: Sequence[str]) -> str:
    return ", ".join(f"**{inline(name)}**" for name in names)


def _models(found: Comparison) -> str:
    rows = []
    for one in found.contenders:
        lacking = [f"`{inline(task)}`" for task in found.tasks if task not in one.score["tasks"]]
        settings = list(dict.fromkeys(plain(_generation(found, one.name, task)) for task in found.tasks))
        rows.append(
            (
                inline(one.name),
                inline(one.source),
                "; ".join(filter(None, settings)) or "not recorded",
                ", ".join(lacking) or "-",
            )
        )
    text = table(("model", "answers", "generation", "not measured on"), rows)
    return f"{text}\n\n{_generations(found)}"


def _generation(found: Comparison, name: str, task: str) -> dict[str, Any]:
    """Return the settings that a model was asked with on `task`, empty where none are recorded."""
    one = next(one for one in found.contenders if one.name == name)
    card = one.card(task) if task in one.score["tasks"] else {}
    template = card.get("chat_template")
    return {**(card.get("generation") or {}), **({} if template is None else {"chat template": bool(template)})}


def _generations(found: Comparison) -> str:
    """Say by name which settings of generation are not the same for all, and of which models none are recorded."""
    differing: dict[str, list[str]] = {}
    for task in found.tasks:
        held = {name: known for one in found.contenders if (known := _generation(found, (name := one.name), task))}
        for key in sorted({key for settings in held.values() for key in settings}):
            values = {name: repr(settings.get(key, "not set")) for name, settings in held.items()}
            if len(set(values.values())) > 1:
                line = "; ".join(f"{inline(name)} {inline(value)}" for name, value in values.items())
                differing.setdefault(f"{inline(key)}: {line}", []).append(f"`{inline(task)}`")
    parts = ["All models whose settings of generation are recorded were asked with the same."]
    if differing:
        lines = [f"- {line} ({', '.join(tasks)})" for line, tasks in differing.items()]
        parts = ["**The settings of generation differ**; part of a difference below may be theirs:\n", *lines]
    silent = [one.name for one in found.contenders if not any(_generation(found, one.name, t) for t in found.tasks)]
    if silent:
        parts.append(f"\nNot recorded: {_named(silent)}.")
    return "\n".join(parts)


def ranking(found: Comparison, task: str) -> str:
    """Return the models in the order of the leading metric, with letters, and the systems for orientation."""
    figures = found.figures[task]
    groups = {metric: _letters(found, task, metric) for metric in figures}
    order = found.leading(task)
    rows = []
    for name in found.ranked(task, order):
        cells = [_cell(figures[metric][name], groups[metric].get(name, ""), found.n(task)) for metric in figures]
        rows.append((f"**{inline(name)}**", *cells))
    for name, held in found.context[task].items():
        cells = [shown(held[metric], found.n(task)) if metric in held else "n/a" for metric in figures]
        rows.append((f"_{name}: {_CONTEXT[name]}_", *cells))
    return table(
        ("model", *(f"{titled(metric)}{' ↓' * (metric == order)}" for metric in figures)), rows, numbers=len(figures)
    )


def _letters(found: Comparison, task: str, metric: str) -> dict[str, str]:
    known = [name for name in found.ranked(task, metric) if found.figures[task][metric][name]["value"] is not None]
    pairs = [pair for pair in found.pairs if (pair.task, pair.metric) == (task, metric) and pair.shown()]
    return letters(known, {frozenset((pair.first, pair.second)) for pair in pairs})


def _cell(figure: dict[str, Any], group: str, n: int) -> str:
    return f"{shown(figure, n)} · {group}" if group else shown(figure, n)


def _published(task: str) -> str:
    name = TASKS[task][0] if task in TASKS else ""
    if not any(name in one.figures for one in PUBLISHED):
        return ""
    return f"Published elsewhere, on other prompts and splits, without an interval:\n\n{published_table([name])}"


def _picture(task: str, folder: str, pictures: Sequence[str]) -> str:
    name = file_name("ranking", task)
    return (
        markup(f"Figures with 95 % intervals: {TASK_TITLES.get(task, task)}", folder, name) if name in pictures else ""
    )


def differences(found: Comparison, task: str) -> str:
    """Return every model's paired difference to the reference, with Holm's p."""
    against, metrics = found.against(task), found.figures[task]
    kind = "the chosen reference" if against == found.reference else f"the highest: {titled(found.leading(task))}"
    names = [name for name in found.ranked(task, found.leading(task)) if name != against]
    rows = [
        (inline(name), *(_difference(found.pair(task, metric, against, name), found.n(task)) for metric in metrics))
        for name in names
    ]
    columns = (f"minus {inline(against)}", *map(titled, metrics))
    head = f"Difference to **{inline(against)}** ({kind}), paired item by item; bold: shown, also after correction."
    return f"{head}\n\n{table(columns, rows, numbers=len(metrics))}"


def _difference(pair: Pair | None, n: int) -> str:
    if pair is None or pair.adjusted is None:
        return shown_difference(pair.found, n) if pair else "n/a (not measured)"
    text = f"{shown_difference(pair.found, n)}, {p_words(pair.adjusted)}"
    return f"**{text}**" if pair.shown() else text


def _costs(found: Comparison, folder: str, pictures: Sequence[str]) -> str:
    rows = [(inline(one.name), usd_cell(one.cost), seconds_cell(one.cost)) for one in found.contenders]
    text = table(("model", "teacher's bill, USD", "training, seconds"), rows, numbers=2)
    if "cost.png" in pictures:
        return f"{text}\n\n{markup('Cost against quality', folder, 'cost.png')}"
    return f"{text}\n\nPicture: n/a (no kind of cost is known of two models)."


def _each(found: Comparison, folder: str, pictures: Sequence[str]) -> list[str]:
    parts = []
    for task in found.tasks:
        name = file_name("agreement", task)
        parts += [f"### {heading(found, task)}", agreement_table(found, task)]
        parts += [markup("Share of items with the same labels", folder, name)] if name in pictures else []
    return parts


def reading(found: Comparison) -> str:
    """Return the method in words."""
    return f"""\
Figures are strict: a reply that breaks the form counts as wrong. Brackets hold 95 % intervals, not adjusted for their \
number; n is that of the heading unless a cell says otherwise. Within a column, two models that share a letter are not \
shown to differ.

A difference is called shown where its p stays below 0.05 after Holm's correction for all {found.tested():,} \
comparisons of this page (every pair of models, on every metric and task), so that the best of many is not called \
better by luck; the intervals of differences are not so corrected. p is McNemar's exact one for rates, and for F1 the \
one that the paired bootstrap interval implies. The highest of many figures is flattered by its luck: on new items \
expect somewhat less of it.

"{MAJORITY.capitalize()}" and "{TEACHER}" are for orientation and in no test. A cost that no run recorded is n/a, \
which is not nothing; times on different hardware are not alike. Two models say the same of an item where both replies \
can be read and give the same labels."""
