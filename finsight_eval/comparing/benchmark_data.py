"""Who has been measured on a benchmark set: every run at hand, and the reference figures of simple systems.

    {"system": "tfidf", "task": "finsight", "n": 320, "metrics": {"sentiment_f1": {"value": 0.475, "low": 0.42, ...

A run that was scored on another version of a set, or on a part of it, is left out of its page, and the page says so.
Public sets are read only from the folder that FINSIGHT_PUBLIC_DATA names: a page is no reason to download anything.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import benchmark, jsonl, manifest, public
from finsight_eval.comparing.data import Contender, contender
from finsight_eval.comparing.rules import refuse_incomparable
from finsight_eval.errors import InputError, printable
from finsight_eval.gold import gold_of
from finsight_eval.public import PUBLIC
from finsight_eval.score import MODELS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: Benchmark set of ours -> the task that measures the whole of it, in the order of the pages.
OWN: Final = {
    "news": "finsight",
    "counterfactual": "finsight_counterfactual",
    "adversarial": "finsight_adversarial",
    "simulated": "finsight_simulated",
}
#: What the systems of reports/baselines.json are called; a system that is not here goes by its name.
SYSTEMS: Final = {
    "majority": "majority label",
    "tfidf": "TF-IDF + logistic regression (trained on simulated news)",
    "teacher": "embedded rule-based teacher",
    "base": "finsight-nano",
    "adapter": "finsight-nano with adapter",
}


@dataclass(frozen=True)
class Known:
    """What is known of one task.

    Attributes:
        contenders: the models whose answers are at hand and comparable with today's set.
        rows: rows of reports/baselines.json of systems that are not among them.
        left_out: why a run is not on the page, in words.
    """

    task: str
    contenders: list[Contender]
    rows: list[dict[str, Any]]
    left_out: list[str]


def task_of_set(name: str) -> str:
    return OWN.get(name, f"finsight_{name}")


def sets_at_hand(baselines: dict[str, Any]) -> list[str]:
    """Return our sets, then the public sets of which figures are recorded or gold rows are at hand."""
    recorded = {row["task"] for row in baselines["rows"]}
    own = [name for name in OWN if name in benchmark.sets()]
    return own + [name for name in PUBLIC if task_of_set(name) in recorded or has_gold(name)]


def has_gold(name: str) -> bool:
    """Tell whether the rows of a set can be read here and now, without a download."""
    if name not in PUBLIC:
        return name in benchmark.sets()
    if not os.environ.get(public.VARIABLE, "").strip():
        return False
    try:
        public.locate(name)
    except InputError:
        return False
    return True


def read_baselines(path: Path) -> dict[str, Any]:
    """Return reports/baselines.json, without a row where there is no such file; raises InputError for another file."""
    if not path.is_file():
        return {"run": None, "benchmarks": {}, "rows": []}
    found = jsonl.read(path)
    rows, whole = found.get("rows"), {"run", "benchmarks", "rows"} <= set(found)
    named = isinstance(rows, list) and all(isinstance(row, dict) and {"system", "task"} <= set(row) for row in rows)
    if not whole or not named:
        raise InputError(f"{path}: no reference figures; `python -m benchmarks.baselines` writes them")
    return found


def read_runs(runs: Path, tasks: Sequence[str]) -> tuple[list[Contender], list[str]]:
    """Return every scored model below `runs`, and in words which could not be read."""
    found, left_out = [], []
    folders = sorted(path for path in runs.iterdir() if (path / "score").is_dir()) if runs.is_dir() else []
    for folder in folders:
        for model in MODELS:
            if (folder / "score" / model / manifest.NAME).is_file():
                try:
                    found.append(contender(f"{folder}:{model}", runs, tasks))
                except InputError as error:
                    left_out.append(printable(f"{folder.name}, {model}: {error}", 300))
    return found, left_out


def known_of(task: str, contenders: Sequence[Contender], baselines: dict[str, Any]) -> Known:
    """Return what is known of `task`; figures on another version of its set are left out and named."""
    about = gold_of(task).about()
    fitting, left_out = [], []
    for one in contenders:
        if task not in one.score["tasks"]:
            continue
        try:
            refuse_incomparable([one], task)
        except InputError as error:
            left_out.append(printable(str(error), 300))
            continue
        if one.card(task)["benchmark"] == about:
            fitting.append(one)
        else:
            left_out.append(f"{one.name}: scored on another version of the set")
    names = {one.name for one in fitting}
    fitting, same = _once(fitting, task)
    rows = [row for row in baselines["rows"] if row["task"] == task and not _named_by(row, baselines["run"], names)]
    if task in baselines["benchmarks"] and baselines["benchmarks"][task] != about:
        left_out += ["reports/baselines.json: computed on another version of the set"] if rows else []
        rows = []
    return Known(task, fitting, rows, left_out + same)


def _once(contenders: Sequence[Contender], task: str) -> tuple[list[Contender], list[str]]:
    """Return the models of different replies, and in words which others gave the very same, such as a shared base."""
    first: dict[tuple[str | None, ...], Contender] = {}
    same = []
    for one in sorted(contenders, key=lambda one: one.name):
        kept = first.setdefault(tuple(v.reply for v in one.verdicts[task]), one)
        if kept is not one:
            same.append(f"{one.name}: the very replies of {kept.name}")
    return list(first.values()), same


def recorded_only(task: str, baselines: dict[str, Any]) -> Known:
    """Return what is known of a public set whose rows are not at hand: its recorded figures."""
    return Known(task, [], [row for row in baselines["rows"] if row["task"] == task], [])


def _named_by(row: dict[str, Any], run: str | None, names: set[str]) -> bool:
    """Tell whether a row's system is among the models, as a model of the run that the rows were computed from."""
    system = row["system"]
    return system == "majority" or (run if system == "adapter" else f"{run}:{system}") in names
