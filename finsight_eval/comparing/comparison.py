"""A comparison: the figures of every model on every task, and all pairs of them.

    comparison_of([nano, seed_2], ["finsight"], None).figures["finsight"]["sentiment_f1"]["nano"] ->
        {"value": 0.346, "low": 0.294, "high": 0.397, "n": 320}

Beside the models stand systems for orientation: the majority label and the embedded teacher. They are in no test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import benchmark, metrics
from finsight_eval.comparing.pairwise import Pair, between, pairs_of
from finsight_eval.comparing.rules import holders, one_teacher
from finsight_eval.errors import InputError
from finsight_eval.figures import figure
from finsight_eval.gold import TASKS, gold_of, is_public
from finsight_eval.majority import majority
from finsight_eval.score import teacher_samples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finsight_eval.comparing.data import Contender
    from finsight_eval.verdicts import Verdict

    Row = dict[str, Any]

_OWN: Final = (*metrics.HEADLINE, "pair_consistency")
_PUBLIC: Final = ("json_parse_rate", "sentiment_f1", "sentiment_weighted_f1", "fingpt_weighted_f1")
#: The metric that models are ranked by, where it is not the macro F1 of sentiment.
_LEADING: Final = {"finsight_counterfactual": "pair_consistency"}
MAJORITY: Final = "always the majority label"
TEACHER: Final = "embedded teacher"
_NEEDS_FORM: Final = ("json_parse_rate", "teacher_agreement", "fingpt_weighted_f1")


@dataclass(frozen=True)
class Comparison:
    """Everything the page shows.

    Attributes:
        figures: task -> metric -> model -> figure.
        context: task -> system -> metric -> figure, for orientation.
        pairs: every pair of models on every task and metric, Holm's correction over all.
        reference: the model that the others are held against; None: the highest of each task.
    """

    contenders: list[Contender]
    tasks: list[str]
    figures: dict[str, dict[str, dict[str, Row]]]
    context: dict[str, dict[str, dict[str, Row]]]
    pairs: list[Pair]
    reference: str | None

    def n(self, task: str) -> int:
        return int(holders(self.contenders, task)[0].card(task)["n"])

    def leading(self, task: str) -> str:
        """Return the metric that the models are ranked by on `task`."""
        wanted = _LEADING.get(task, "sentiment_f1")
        return wanted if wanted in self.figures[task] else "sentiment_f1"

    def ranked(self, task: str, metric: str) -> list[str]:
        """Return the models that answered `task`, the highest `metric` first; those without a figure come last."""
        found = self.figures[task][metric]
        return sorted(found, key=lambda name: (found[name]["value"] is None, -(found[name]["value"] or 0.0), name))

    def against(self, task: str) -> str:
        """Return the model that the others are held against on `task`."""
        order = self.ranked(task, self.leading(task))
        return self.reference if self.reference in order else order[0]

    def pair(self, task: str, metric: str, first: str, second: str) -> Pair | None:
        return between((p for p in self.pairs if (p.task, p.metric) == (task, metric)), first, second)

    def lower(self, task: str, metric: str) -> list[str]:
        """Return the models that are shown to be below the highest, in rank order."""
        best, *others = self.ranked(task, metric)
        return [name for name in others if (pair := self.pair(task, metric, best, name)) and pair.shown()]

    def tested(self) -> int:
        """Return the size of the family that Holm's correction is for."""
        return sum(pair.p is not None for pair in self.pairs)


def comparison_of(contenders: Sequence[Contender], tasks: Sequence[str], reference: str | None) -> Comparison:
    """Return the comparison; raises InputError for a `reference` that is none of the models."""
    names = [one.name for one in contenders]
    if reference is not None and reference not in names:
        raise InputError(f"--reference {reference!r} is none of the models; they are: {', '.join(names)}")
    figures: dict[str, dict[str, dict[str, Row]]] = {}
    answers: dict[str, dict[str, list[Verdict]]] = {}
    for task in tasks:
        answers[task] = {one.name: one.verdicts[task] for one in holders(contenders, task)}
        found = {name: {model: figure(name, v).row() for model, v in answers[task].items()} for name in _names(task)}
        if not one_teacher(contenders, task):
            found.pop("teacher_agreement", None)
        figures[task] = {name: rows for name, rows in found.items() if any(row["n"] for row in rows.values())}
    pairs = pairs_of(answers, figures)
    context = {task: _context(contenders, task, list(figures[task])) for task in tasks}
    return Comparison([*contenders], [*tasks], figures, context, pairs, reference)


def _names(task: str) -> tuple[str, ...]:
    return _PUBLIC if is_public(task) else _OWN


def _context(contenders: Sequence[Contender], task: str, names: Sequence[str]) -> dict[str, dict[str, Row]]:
    """Return the figures of the systems for orientation: they keep no form of their own, or answer for the set."""
    held = holders(contenders, task)
    labels_only = [name for name in names if name not in _NEEDS_FORM]
    found = {MAJORITY: _figures(majority([v.item for v in held[0].verdicts[task]]), labels_only)}
    taught = _embedded_teacher(task, held[0].card(task)["benchmark"])
    replies = [[v.reply for v in one.verdicts[task]] for one in held]
    if taught and [v.reply for v in taught] not in replies:
        found[TEACHER] = _figures(taught, [name for name in names if name != "teacher_agreement"])
    return found


def _figures(verdicts: Sequence[Verdict], names: Sequence[str]) -> dict[str, Row]:
    return {name: figure(name, verdicts).row() for name in names}


def _embedded_teacher(task: str, about: Row) -> list[Verdict]:
    """Return the answers of the teacher that a set of ours carries; none where the set has changed since."""
    if is_public(task) or task not in TASKS:
        return []
    gold = gold_of(task)
    path = benchmark.folder(gold.set) / "teacher.jsonl"
    if gold.about() != about or not path.is_file():
        return []
    taught = teacher_samples(task, gold, path).verdicts
    return sorted(taught, key=lambda v: v.item.id) if len(taught) == len(gold.items) else []
