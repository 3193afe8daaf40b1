"""Warnings: what makes a figure suspicious, looked for every time.

- `finsight_simulated`: sentiment_f1 is 1.00 over 300 items: the set no longer tells good from better.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from finsight_eval.figures import difference
from finsight_eval.metrics import HEADLINE, risk_of, sentiment_of
from finsight_eval.parse import Answer
from finsight_eval.report_tables import not_above_floor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from finsight_eval.report_data import Run
    from finsight_eval.verdicts import Outcome, Verdict

#: Below this a model recites its training set; the predecessor's loss was 0.00 from step 15 on.
LEAST_LOSS: Final = 0.02
_COPYING: Final = 0.9
_COPYING_OVER_GOLD: Final = 0.25
_LEAST: Final = 20

LOOKED_FOR: Final = (
    "figures of 1.00, answers that copy one label or do not beat it, one reasoning given to many items, an adapter "
    "above its teacher, failed or missing items, a loss near nought, removed benchmark overlaps, uncommitted code"
)


def warnings(run: Run) -> list[str]:
    """Return the warnings, the gravest kinds first."""
    found = [*_incomplete(run)]
    for task, verdicts in run.verdicts["adapter"].items():
        found += [f"`{task}`: {text}" for text in (*_saturated(run, task), *_copied(verdicts), *_recited(verdicts))]
        found += [f"`{task}`: {name} is not shown to beat the majority label." for name in not_above_floor(run, task)]
        found += [f"`{task}`: {text}" for text in _above_teacher(run, task)]
    return [*found, *_training(run), *_overlap(run), *_uncommitted(run)]


def _incomplete(run: Run) -> Iterator[str]:
    for model, score in run.scores.items():
        for task, card in score["tasks"].items():
            if card["failed"]:
                yield f"`{task}`, {model}: {card['failed']} items failed and are in no figure."
            elif card["n"] != card["n_total"]:
                yield f"`{task}`, {model}: only {card['n']} of {card['n_total']} items were answered."


def _saturated(run: Run, task: str) -> Iterator[str]:
    for name in HEADLINE:
        found = run.scores["adapter"]["tasks"][task]["metrics"][name]
        if found["value"] == 1.0:
            yield f"{name} is 1.00 over {found['n']} items: the set no longer tells good from better."


def _copied(verdicts: list[Verdict]) -> Iterator[str]:
    labels: dict[str, tuple[Callable[[Outcome], str | None], Callable[[Verdict], str | None]]] = {
        "sentiment": (sentiment_of, lambda v: v.item.sentiment),
        "risk_level": (risk_of, lambda v: v.item.risk_level),
    }
    for name, (said_of, gold_of) in labels.items():
        said = Counter(label for v in verdicts if (label := said_of(v.strict)) is not None)
        answered = said.total()
        if answered < _LEAST:
            continue
        label, count = min(said.items(), key=lambda pair: (-pair[1], pair[0]))
        share = sum(gold_of(v) == label for v in verdicts) / len(verdicts)
        if count / answered >= _COPYING and count / answered > share + _COPYING_OVER_GOLD:
            yield f"{name} is {label} in {count} of {answered} answers (gold: {share:.0%}): the model copies one label."


def _recited(verdicts: list[Verdict]) -> Iterator[str]:
    reasonings = Counter(v.strict.thinking for v in verdicts if isinstance(v.strict, Answer))
    most = max(reasonings.values(), default=0)
    if most >= max(_LEAST / 4, 0.1 * len(verdicts)):
        yield f"{most} of {len(verdicts)} items got one and the same reasoning, word by word."


def _above_teacher(run: Run, task: str) -> Iterator[str]:
    teacher, adapter = run.verdicts.get("teacher", {}).get(task, []), run.verdicts["adapter"][task]
    if not teacher or [v.item.id for v in teacher] != [v.item.id for v in adapter]:
        return
    found = difference("sentiment_f1", teacher, adapter)
    if found.low is not None and found.low > 0:
        yield f"the adapter's sentiment_f1 is above its teacher's by {found.value:.3f}: look for leaks."


def _training(run: Run) -> Iterator[str]:
    if run.losses and run.losses[-1]["loss"] < LEAST_LOSS:
        yield f"the training loss ended at {run.losses[-1]['loss']:.4f}: the training set is recited, not learnt from."


def _overlap(run: Run) -> Iterator[str]:
    if run.overlap is None:
        yield "no overlap record: nobody has checked that the training data holds no benchmark item."
    elif removed := run.overlap.get("removed"):
        yield f"{len(removed)} training rows were benchmark items, whole or nearly, and were removed: mind the corpus."


def _uncommitted(run: Run) -> Iterator[str]:
    states = [manifest.get("origin", {}).get("git", {}) for manifest in run.manifests.values()]
    commits = {state.get("commit") for state in states}
    if any(state.get("dirty") for state in states) or None in commits:
        yield "some stages ran with changes that are in no commit: the repository alone cannot repeat the run."
    if len(commits - {None}) > 1:
        yield f"the stages ran at {len(commits - {None})} different commits."
