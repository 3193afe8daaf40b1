"""The report's evidence: headline tables, parse failures by reason, slices.

| metric | base | adapter | teacher | adapter - base | always the majority |
| --- | ---: | ---: | ---: | ---: | ---: |
| **sentiment_f1** | 0.004 [0.000, 0.012] | 0.891 [0.855, 0.924] | ... | +0.885 [+0.845, +0.919] | 0.167 |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from finsight_eval import metrics
from finsight_eval.escape import inline, table
from finsight_eval.figures import difference
from finsight_eval.report_data import COMPARED, MODELS, TASK_TITLES
from finsight_eval.report_numbers import shown, shown_difference

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from finsight_eval.report_data import Run
    from finsight_eval.verdicts import Verdict

#: A slice of fewer items says too little to be printed.
LEAST_SLICE: Final = 10


def task_heading(run: Run, task: str) -> str:
    """Return a task's heading with n, such as "Simulated news (`finsight_simulated`, n 300)"."""
    return f"{TASK_TITLES.get(task, inline(task))} (`{task}`, n {run.scores['adapter']['tasks'][task]['n']})"


def headline_table(run: Run, task: str) -> str:
    """Return the metrics of a task by model, with the paired difference; the headline metrics are bold.

    A metric that does not apply to the task's items, such as risk on a set that labels sentiment only, is left out.
    """
    n = run.scores["adapter"]["tasks"][task]["n"]
    floors = majority_floors(run.verdicts["adapter"][task])
    rows = []
    for name in metrics.METRICS:
        if not any(_items_of(run, model, task, name) for model in MODELS):
            continue
        cells = [_cell(run, model, task, name, n) for model in MODELS]
        title = f"**{name}**" if name in metrics.HEADLINE else name
        floor = f"{floors[name]:.3f}" if name in floors else ""
        rows.append((title, *cells, _difference_cell(run, task, name, n), floor))
    head = ("metric", *MODELS, "adapter - base, paired", "always the majority label")
    return table(head, rows, numbers=5)


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
    base, adapter = (run.verdicts[model].get(task, []) for model in COMPARED)
    if not base or [v.item.id for v in base] != [v.item.id for v in adapter]:
        return "n/a (not the same items)"
    return shown_difference(difference(name, base, adapter), n)


def not_above_floor(run: Run, task: str) -> list[str]:
    """Return the metrics whose interval, for the adapter, does not lie wholly above the majority label's score."""
    found = run.scores["adapter"]["tasks"][task]["metrics"]
    floors = majority_floors(run.verdicts["adapter"][task])
    decisive = [name for name in ("sentiment_f1", "risk_accuracy") if name in floors]
    return [name for name in decisive if (found[name]["low"] or 0.0) <= floors[name]]


def majority_floors(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """Return what always giving the most frequent gold label would score: the least that a useful model exceeds."""
    if not verdicts:
        return {}
    sentiments = [v.item.sentiment for v in verdicts]
    risks = [v.item.risk_level for v in verdicts if v.item.risk_level is not None]
    same = [metrics.most_frequent(sentiments)] * len(sentiments)
    risk = {"risk_accuracy": metrics.accuracy(risks, [metrics.most_frequent(risks)] * len(risks))} if risks else {}
    return risk | {
        "sentiment_f1": metrics.macro_f1(sentiments, same),
        "sentiment_accuracy": metrics.accuracy(sentiments, same),
        "sentiment_weighted_f1": metrics.weighted_f1(sentiments, same),
    }


def reasons_table(run: Run) -> str:
    """Return how often each reason made a reply unreadable, by task and model."""
    found = {
        (task, model): card.get("reasons", {})
        for task in run.tasks()
        for model in MODELS
        if (card := run.card(model, task))
    }
    names = sorted({reason for counts in found.values() for reason in counts})
    if not names:
        return "Every reply of every model kept the form."
    head = ("reason", *(f"{model}, `{task}`" for task, model in found))
    rows = [(inline(name), *(str(counts.get(name, 0)) for counts in found.values())) for name in names]
    totals = ("**unreadable, of n**", *(_unreadable(run, task, model) for task, model in found))
    return table(head, [*rows, totals], numbers=len(found))


def _unreadable(run: Run, task: str, model: str) -> str:
    card = run.scores[model]["tasks"][task]
    return f"**{sum(card.get('reasons', {}).values())} of {card['n']}**"


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
    number: Callable[[float | None], str] = lambda value: "n/a (undefined)" if value is None else f"{value:.3f}"  # noqa: E731
    rows = []
    for label, classes in run.scores["adapter"]["tasks"][task].get("classes", {}).items():
        for name, found in classes.items():
            base = run.scores["base"]["tasks"].get(task, {}).get("classes", {}).get(label, {}).get(name, {})
            cells = [number(one.get(key)) for one in (base, found) for key in ("precision", "recall", "f1")]
            rows.append((label, name, str(found["n"]), *cells))
    head = ("label", "class", "n", *(f"{model}: {key}" for model in COMPARED for key in ("precision", "recall", "F1")))
    return table(head, rows, numbers=7)
