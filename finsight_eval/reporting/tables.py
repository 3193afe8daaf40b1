"""The report's evidence in tables: headline figures, all figures, parse failures by reason, slices, classes.

|  | base | adapter | teacher | adapter - base, paired | always the most frequent label |
| sentiment, macro F1 | 0.000 [0.000, 0.012] | 0.900 [0.863, 0.931] | ... | +0.900 [+0.866, +0.933] | 0.177 |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from finsight_eval import metrics
from finsight_eval.escape import inline, table
from finsight_eval.majority import majority_floors
from finsight_eval.public import PUBLIC
from finsight_eval.reporting.data import COMPARED, MODELS, TASK_TITLES, title_of
from finsight_eval.reporting.layout import noted_table
from finsight_eval.reporting.numbers import plain, rate_cell, shown, shown_difference

if TYPE_CHECKING:
    from finsight_eval.reporting.data import Run

#: A slice of fewer items says too little to be printed.
LEAST_SLICE: Final = 10
#: Figures in words, each F1 with its kind; a metric that is not here goes by its name.
METRIC_TITLES: Final = {
    "json_parse_rate": "keeps the form",
    "sentiment_f1": "sentiment, macro F1",
    "risk_accuracy": "risk level, accuracy",
    "teacher_agreement": "agrees with its teacher",
    "entity_accuracy": "names the company",
    "pair_consistency": "both of a pair right",
    "sentiment_weighted_f1": "sentiment, weighted F1",
    "fingpt_weighted_f1": "sentiment, FinGPT's F1",
}
#: What is in view; all other metrics are folded.
GLANCE: Final = (*metrics.HEADLINE, "entity_accuracy", "pair_consistency")
#: What published figures on the public sets are compared by.
PUBLIC_GLANCE: Final = ("sentiment_weighted_f1", "fingpt_weighted_f1")


def task_heading(run: Run, task: str) -> str:
    """Return a task's heading with n, such as "Simulated news (`finsight_simulated`, n 320)"."""
    return f"{title_of(task)} (`{task}`, n {run.scores['adapter']['tasks'][task]['n']})"


def plain_heading(run: Run, task: str) -> str:
    """Return a task's heading for places where Markdown is not read: summaries and pictures."""
    return f"{TASK_TITLES.get(task, task)}, n {run.scores['adapter']['tasks'][task]['n']}"


def glance(run: Run, task: str) -> tuple[str, ...]:
    """Return the metrics of a task that are in view: those that apply to its items."""
    wanted = (*GLANCE, *(PUBLIC_GLANCE if task.removeprefix("finsight_") in PUBLIC else ()))
    return tuple(name for name in wanted if any(_items_of(run, model, task, name) for model in MODELS))


def headline_table(run: Run, task: str) -> str:
    """Return the figures of a task that are in view, in words."""
    return _figures_table(run, task, {name: METRIC_TITLES[name] for name in glance(run, task)})


def all_figures_table(run: Run, task: str) -> str:
    """Return every metric of a task under its own name; the headline metrics are bold."""
    known = [name for name in metrics.METRICS if any(_items_of(run, model, task, name) for model in MODELS)]
    return _figures_table(run, task, {name: f"**{name}**" if name in metrics.HEADLINE else name for name in known})


def _figures_table(run: Run, task: str, names: dict[str, str]) -> str:
    """Return metrics (name -> words) by model, with the paired difference; a metric without any item was left out."""
    n = run.scores["adapter"]["tasks"][task]["n"]
    floors = majority_floors(run.verdicts["adapter"][task])
    models = [model for model in MODELS if run.card(model, task)]
    rows = []
    for name, words in names.items():
        cells = [_cell(run, model, task, name, n) for model in models]
        floor = f"{floors[name]:.3f}" if name in floors else ""
        rows.append((words, *cells, _difference_cell(run, task, name, n), floor))
    head = ("", *models, "adapter - base, paired", "always the most frequent label")
    return noted_table(head, rows, numbers=len(models) + 2)


def _cell(run: Run, model: str, task: str, name: str, n: int) -> str:
    card = run.card(model, task)
    if model == "teacher" and name.startswith("teacher_"):
        return "n/a (the teacher itself)"
    return shown(card["metrics"].get(name) if card else None, n)


def _items_of(run: Run, model: str, task: str, name: str) -> int:
    """Return the number of items behind a figure: 0 where it is missing."""
    card = run.card(model, task)
    return int(card["metrics"].get(name, {}).get("n", 0)) if card else 0


def _difference_cell(run: Run, task: str, name: str, n: int) -> str:
    found = run.difference(task, name)
    return shown_difference(found, n) if found else "n/a (base and adapter did not answer the same items)"


def not_above_floor(run: Run, task: str) -> list[str]:
    """Return the metrics whose interval, for the adapter, does not lie wholly above the majority label's score."""
    found = run.scores["adapter"]["tasks"][task]["metrics"]
    floors = majority_floors(run.verdicts["adapter"][task])
    decisive = [name for name in ("sentiment_f1", "risk_accuracy") if name in floors]
    return [name for name in decisive if (found[name]["low"] or 0.0) <= floors[name]]


def reasons_table(run: Run) -> str:
    """Return how many replies could not be read, and why, by task and model."""
    found = [(task, model, card) for task in run.tasks() for model in MODELS if (card := run.card(model, task))]
    if not any(card.get("reasons") for *_, card in found):
        return "Every reply of every model kept the form."
    rows = [
        (
            title_of(task),
            model,
            str(sum(card.get("reasons", {}).values())),
            rate_cell(sum(card.get("reasons", {}).values()), card["n"]),
            plain(card.get("reasons", {})) or "-",
        )
        for task, model, card in found
    ]
    return table(("set", "model", "unreadable", "share (95 % interval)", "why, and how often"), rows)


def slices_table(run: Run, task: str) -> str:
    """Return the adapter's figures by slice; slices below LEAST_SLICE items are counted, not printed."""
    slices: dict[str, dict[str, dict[str, Any]]] = run.scores["adapter"]["tasks"][task].get("slices", {})
    rows, small = [], 0
    for name, values in slices.items():
        for value, figures in values.items():
            if figures["n"] < LEAST_SLICE:
                small += 1
                continue
            names = [key for key in figures if key != "n"]
            rows.append((name, inline(value), str(figures["n"]), *(shown(figures[key], figures["n"]) for key in names)))
    if not rows:
        return f"n/a (no slice has {LEAST_SLICE} items)"
    head = ("slice", "value", "n", "json_parse_rate", "sentiment_f1", "risk_accuracy", "entity_accuracy")
    note = f"\n\n{small} slices of fewer than {LEAST_SLICE} items are left out." if small else ""
    return table(head, rows, numbers=5) + note


def classes_table(run: Run, task: str) -> str:
    """Return precision, recall and F1 by class, base and adapter."""
    rows = []
    for label, classes in run.scores["adapter"]["tasks"][task].get("classes", {}).items():
        for name, found in classes.items():
            base = run.scores["base"]["tasks"].get(task, {}).get("classes", {}).get(label, {}).get(name, {})
            cells = [_class_cell(one.get(key)) for one in (base, found) for key in ("precision", "recall", "f1")]
            rows.append((label.replace("_", " "), name, str(found["n"]), *cells))
    head = ("label", "class", "n", *(f"{model}: {key}" for model in COMPARED for key in ("precision", "recall", "F1")))
    return noted_table(head, rows, numbers=7)


def _class_cell(value: float | None) -> str:
    return "n/a (undefined: never answered, or never gold)" if value is None else f"{value:.3f}"
