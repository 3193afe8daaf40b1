"""Which pictures a run's report has, and what each is drawn from.

    draw(run, folder) -> {"intervals.png", "loss.png", "slices_finsight.png", ...}    each with its twin for the dark

A picture that has nothing to show is not drawn; the page then says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from finsight_eval.majority import majority_floors
from finsight_eval.plotting.picture import drawn, file_name
from finsight_eval.reporting.costs import costs, label
from finsight_eval.reporting.data import MODELS, TASK_TITLES
from finsight_eval.reporting.reliability import reliability
from finsight_eval.reporting.tables import LEAST_SLICE, METRIC_TITLES, glance, plain_heading

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from finsight_eval.plotting.intervals import Slice
    from finsight_eval.reporting.data import Run

#: Kinds of slices in the picture, in words, and the words of their values where they are not the data's own.
SLICED: Final = {"lang": "Language", "order": "Distance in the supply chain", "length": "Length", "sector": "Sector"}
_VALUES: Final = {
    ("lang", "en"): "English",
    ("lang", "zh"): "Chinese",
    ("order", "1"): "the company itself",
    ("order", "2"): "one step away",
    ("order", "3"): "two steps away",
}
_SHOWN: Final = ("sentiment_f1", "risk_accuracy", "json_parse_rate")
#: Values of one kind in the picture, the largest; the table below it has all.
_MOST: Final = 12
_LONGEST: Final = 48


def draw(run: Run, folder: Path) -> list[str]:
    """Draw the pictures of a run into `folder`, each in two themes, and return the names of the light ones."""
    drawers: tuple[Callable[[Run, Path], list[str]], ...] = (
        _intervals,
        _slices,
        _confusions,
        _reasons,
        _agreement,
        _costs,
        _training,
    )
    return [name for drawer in drawers for name in drawer(run, folder)]


def _intervals(run: Run, folder: Path) -> list[str]:
    from finsight_eval.plotting.intervals import Panel, draw_intervals

    names = {
        name: METRIC_TITLES[name] for name in METRIC_TITLES if any(name in glance(run, task) for task in run.tasks())
    }
    shown = [
        Panel(
            drawn(plain_heading(run, task), _LONGEST),
            {model: card["metrics"] for model in MODELS if (card := _without_itself(run, model, task))},
            majority_floors(run.verdicts["adapter"][task]),
        )
        for task in run.tasks()
    ]
    draw_intervals(folder / "intervals.png", shown, names)
    return ["intervals.png"]


def _without_itself(run: Run, model: str, task: str) -> dict[str, Any] | None:
    """Return a scorecard without the teacher's agreement with itself."""
    card = run.card(model, task)
    if card and model == "teacher":
        return {**card, "metrics": {k: v for k, v in card["metrics"].items() if not k.startswith("teacher_")}}
    return card


def slice_rows(run: Run, task: str) -> list[Slice]:
    """Return the rows of a task's picture: a heading per kind, then its values, none below LEAST_SLICE items."""
    from finsight_eval.plotting.intervals import Slice

    rows = []
    for kind, words in SLICED.items():
        found = run.scores["adapter"]["tasks"][task].get("slices", {}).get(kind, {})
        large = sorted((v for v in found if found[v]["n"] >= LEAST_SLICE), key=lambda v: (-found[v]["n"], v))[:_MOST]
        if len(large) < 2:  # one value alone is the whole set
            continue
        values = [value for value in found if value in large]
        rows += [Slice(words), *(Slice(_slice_label(kind, v, found[v]["n"]), found[v]) for v in values)]
    return rows


def _slice_label(kind: str, value: str, n: int) -> str:
    words = _VALUES.get((kind, value), value.partition(" (")[0].replace("_", " "))
    return f"{words[:20]} (n {n})"


def _slices(run: Run, folder: Path) -> list[str]:
    from finsight_eval.plotting.intervals import draw_slices

    names = []
    for task in run.tasks():
        rows, figures = slice_rows(run, task), run.scores["adapter"]["tasks"][task]["metrics"]
        shown = {name: METRIC_TITLES[name] for name in _SHOWN if figures[name]["value"] is not None}
        if rows and shown:
            names.append(file_name("slices", task))
            overall = {name: figures[name]["value"] for name in shown}
            floors = majority_floors(run.verdicts["adapter"][task])
            draw_slices(folder / names[-1], rows, overall, shown, floors)
    return names


def _confusions(run: Run, folder: Path) -> list[str]:
    from finsight_eval.plotting.answers import draw_confusions

    names = []
    for task in run.tasks():
        tables = {
            model: card["confusion"]
            for model in MODELS
            if "confusion" in (card := run.card(model, task) or {}) and sum(card["reasons"].values()) < card["n"]
        }
        if tables:
            names.append(file_name("confusion", task))
            draw_confusions(folder / names[-1], tables)
    return names


def _reasons(run: Run, folder: Path) -> list[str]:
    from finsight_eval.plotting.answers import Bar, draw_reasons

    bars = [
        Bar(f"{drawn(TASK_TITLES.get(task, task))}: {model}", card["n"], card.get("reasons", {}))
        for task in run.tasks()
        for model in MODELS
        if (card := run.card(model, task))
    ]
    if not any(bar.reasons for bar in bars):
        return []
    draw_reasons(folder / "reasons.png", bars)
    return ["reasons.png"]


def _agreement(run: Run, folder: Path) -> list[str]:
    from finsight_eval.plotting.value import Bar, draw_shares

    shown = {
        drawn(plain_heading(run, task), _LONGEST): [
            Bar("agree: both right", found.agree, "both"),
            Bar("differ: adapter right", found.adapter, "adapter"),
            Bar("differ: teacher right", found.teacher, "teacher"),
        ]
        for task in run.tasks()
        if (found := reliability(run.verdicts["adapter"][task]))
    }
    if not shown:
        return []
    draw_shares(folder / "agreement.png", shown)
    return ["agreement.png"]


def _costs(run: Run, folder: Path) -> list[str]:
    from finsight_eval.plotting.value import draw_costs

    known = [cost for cost in costs(run) if cost.seconds_per_1000()]
    quality = {
        drawn(plain_heading(run, task), _LONGEST): {
            cost.model: card["metrics"]["sentiment_f1"] for cost in known if (card := run.card(cost.model, task))
        }
        for task in run.tasks()
    }
    if not any(quality.values()):
        return []
    seconds = {cost.model: cost.seconds_per_1000() or 0.0 for cost in known}
    draw_costs(folder / "cost.png", seconds, {cost.model: label(cost) for cost in known}, quality)
    return ["cost.png"]


def _training(run: Run, folder: Path) -> list[str]:
    from finsight_eval.plotting.training import draw_training

    if not run.losses and not run.devs:
        return []
    draw_training(folder / "loss.png", run.losses, run.devs)
    return ["loss.png"]
