"""The majority label: a system that gives the most frequent gold labels of a set to every item of it.

    majority(items)[0].strict -> Answer("labels only", "labels only", "Neutral", "Low")
    majority_floors(verdicts)["sentiment_f1"] -> 0.169

It is a floor and nothing that anyone could run: it knows the gold labels. A model that does not exceed it has learnt
nothing of use. Entity and reasoning of its verdicts are placeholders and are not measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from finsight_eval import metrics
from finsight_eval.labels import RISK_LEVELS
from finsight_eval.parse import Answer, render
from finsight_eval.verdicts import Verdict, verdict_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finsight_eval.records import AnyItem

#: What a system says that gives labels only.
PLACEHOLDER: Final = "labels only"


def labels_only(item: AnyItem, sentiment: str, risk_level: str) -> Verdict:
    """Return the verdict on an answer that holds nothing but labels."""
    return verdict_of(item, render(Answer(PLACEHOLDER, PLACEHOLDER, sentiment, risk_level)))


def majority_labels(items: Sequence[AnyItem]) -> tuple[str, str | None]:
    """Return the most frequent sentiment and risk level, None on a set without risk levels."""
    risks = [item.risk_level for item in items if item.risk_level is not None]
    return metrics.most_frequent([item.sentiment for item in items]), metrics.most_frequent(risks) if risks else None


def majority(items: Sequence[AnyItem]) -> list[Verdict]:
    """Return the verdicts of the system; where no risk level is scored it says the middle one."""
    sentiment, risk = majority_labels(items)
    return [labels_only(item, sentiment, risk or RISK_LEVELS[1]) for item in items]


def majority_floors(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """Return what the system would score on the items of `verdicts`: the least that a useful model exceeds."""
    if not verdicts:
        return {}
    sentiment, risk_level = majority_labels([v.item for v in verdicts])
    gold = [v.item.sentiment for v in verdicts]
    same = [sentiment] * len(gold)
    floors = {
        "sentiment_f1": metrics.macro_f1(gold, same),
        "sentiment_accuracy": metrics.accuracy(gold, same),
        "sentiment_weighted_f1": metrics.weighted_f1(gold, same),
    }
    risks = [v.item.risk_level for v in verdicts if v.item.risk_level is not None]
    return floors | ({"risk_accuracy": metrics.accuracy(risks, [risk_level] * len(risks))} if risks else {})
