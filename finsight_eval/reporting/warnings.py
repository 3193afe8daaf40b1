"""Warnings: what makes a figure suspicious, looked for every time.

- `finsight_simulated`: the adapter's sentiment_f1 is above its teacher's by 0.423: look for leaks.

What the adapter is exposed as by name (finsight_eval.exposing) opens the report where it is grave; all else of it
stands here.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from finsight_eval.exposing.candidates import FAMILIES
from finsight_eval.exposing.exposures import LEAST_LOSS, exposures, not_found, unchecked
from finsight_eval.metrics import HEADLINE
from finsight_eval.parse import Answer
from finsight_eval.reporting.answer import TOLD
from finsight_eval.reporting.tables import not_above_floor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finsight_eval.reporting.data import Run
    from finsight_eval.verdicts import Verdict

_LEAST: Final = 5

LOOKED_FOR: Final = (
    "figures of 1.00, answers that do not beat one label, one reasoning given to many items, an adapter above its "
    "teacher, failed or missing items, a loss near nought, removed benchmark overlaps, uncommitted code; and by name: "
    + ", ".join(FAMILIES)
)


def warnings(run: Run) -> list[str]:
    """Return the warnings, the gravest kinds first."""
    found = [*_exposed(run), *_incomplete(run)]
    for task, verdicts in run.verdicts["adapter"].items():
        found += [f"`{task}`: {text}" for text in (*_saturated(run, task), *_recited(run, verdicts))]
        found += [f"`{task}`: {name} is not shown to beat the majority label." for name in not_above_floor(run, task)]
        found += [f"`{task}`: {text}" for text in _above_teacher(run, task)]
    found += [*_training(run), *_overlap(run), *_uncommitted(run)]
    found += [f"could not be looked for: {text}." for text in unchecked(run)]
    return [*found, not_found(run)] if found else []


def _exposed(run: Run) -> Iterator[str]:
    """Yield the exposures that the report's first lines do not tell."""
    told: Counter[str] = Counter()
    for one in exposures(run):
        told[one.name] += one.grave
        if not one.grave or told[one.name] > TOLD:
            yield one.text()


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


def _recited(run: Run, verdicts: list[Verdict]) -> Iterator[str]:
    reasonings = Counter(v.strict.thinking for v in verdicts if isinstance(v.strict, Answer))
    most = max(reasonings.values(), default=0)
    if most >= max(_LEAST, 0.1 * len(verdicts)):
        yield f"{most} of {len(verdicts)} items got one and the same reasoning, word by word{_taught(run)}."


def _taught(run: Run) -> str:
    """Say how far the training rows themselves repeat their reasonings."""
    rows = Counter(row.thinking for row in run.trained or ())
    return f" (the {rows.total():,} training rows hold {len(rows):,} different ones)" if rows else ""


def _above_teacher(run: Run, task: str) -> Iterator[str]:
    found = run.difference(task, "sentiment_f1", "teacher", "adapter")
    if found is not None and found.low is not None and found.low > 0:
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
