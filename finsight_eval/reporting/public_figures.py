"""The run's figures on public sets beside published ones, each with its kind of F1 and its unreadable answers.

| system | kind | an unreadable answer | source | fpb |
| **adapter** | weighted F1 | counts as wrong | this run | 0.204 [0.181, 0.228] (n 1212) |
| FinBERT | weighted F1 | none: a classifier, trained on FPB | FinGPT, ... | 0.880 |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from finsight_eval.majority import majority_floors
from finsight_eval.public import PUBLIC
from finsight_eval.reporting.data import MODELS
from finsight_eval.reporting.numbers import shown
from finsight_eval.reporting.published import Measured, published_table

if TYPE_CHECKING:
    from finsight_eval.reporting.data import Run

#: metric -> (kind of F1, what it makes of an answer that cannot be read)
KINDS: Final = {
    "sentiment_f1": ("macro F1", "counts as wrong"),
    "sentiment_weighted_f1": ("weighted F1", "counts as wrong"),
    "fingpt_weighted_f1": ("weighted F1, FinGPT's scorer", "counts as neutral"),
}


def public_sets(run: Run) -> list[str]:
    """Return the public sets that the run measured."""
    return [name for name in PUBLIC if f"finsight_{name}" in run.tasks()]


def public_table(run: Run) -> str:
    """Return base, adapter, teacher and the most frequent label beside the published systems."""
    sets = public_sets(run)
    measured = [
        Measured(model, kind, unreadable, cells)
        for metric, (kind, unreadable) in KINDS.items()
        for model in MODELS
        if (cells := _cells(run, model, metric, sets))
    ]
    floors = {name: majority_floors(run.verdicts["adapter"][f"finsight_{name}"]) for name in sets}
    for metric in ("sentiment_f1", "sentiment_weighted_f1"):
        cells = {name: f"{found[metric]:.3f}" for name, found in floors.items() if metric in found}
        measured.append(Measured("always the most frequent label", KINDS[metric][0], "none", cells))
    return published_table(sets, measured)


def _cells(run: Run, model: str, metric: str, sets: list[str]) -> dict[str, str]:
    cards: dict[str, Any] = {name: run.card(model, f"finsight_{name}") for name in sets}
    return {name: shown(card["metrics"].get(metric)) for name, card in cards.items() if card}
