"""The metrics: what is computed from verdicts, under which name.

    METRICS["sentiment_f1"] -> Agreement(of gold and strictly read sentiment, by confusion.macro_f1)

To add a metric, add one entry to METRICS: a `Rate` (yes or no per item), a `Mean` (a number from 0 to 1 per item) or an
`Agreement` (two labels per item and a statistic over their counts). Value, interval, paired difference, report and gate
follow from the entry. A `Paired` says yes or no of two items that belong together. An item for which the entry says
None is left out, and n says so.

The functions on plain lists are what lm-eval's aggregation calls: its live table and `score` run the same code.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from finsight_eval import confusion
from finsight_eval.entity import entity_matches
from finsight_eval.errors import InputError
from finsight_eval.grounding import grounding
from finsight_eval.labels import RISK_LEVELS, SENTIMENTS
from finsight_eval.parse import CLOSE, OPEN, Answer
from finsight_eval.records import pair_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from finsight_eval.records import AnyItem
    from finsight_eval.verdicts import Outcome, Verdict


def rate(values: Sequence[float | None]) -> float | None:
    """Return the mean of the values that are known, None where none is; raises InputError for an empty set."""
    if not values:
        raise InputError("an empty set has no rate; check what was selected")
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def most_frequent(labels: Sequence[str]) -> str:
    """Return the most frequent label, the first in the alphabet where several are."""
    counts = Counter(labels)
    return min(counts, key=lambda label: (-counts[label], label))


def accuracy(gold: Sequence[str], predicted: Sequence[str | None]) -> float:
    """Return the share of right answers; None is no answer, thus wrong. Raises InputError for an empty set."""
    return float(confusion.accuracy(_counts(gold, predicted)))


def macro_f1(gold: Sequence[str], predicted: Sequence[str | None]) -> float:
    """Return the mean F1 over the classes; None is no answer, thus wrong whatever the class.

    A class that occurs neither in gold nor among the predictions has no F1 and is left out of the mean, as with
    scikit-learn's `f1_score(..., average="macro", zero_division=nan)`. Raises InputError for an empty set.
    """
    return float(confusion.macro_f1(_counts(gold, predicted)))


def weighted_f1(gold: Sequence[str], predicted: Sequence[str | None]) -> float:
    """Return the F1 of the classes weighted by their share of the gold, as published tables do; raises InputError."""
    return float(confusion.weighted_f1(_counts(gold, predicted)))


def quadratic_kappa(gold: Sequence[str], predicted: Sequence[str | None]) -> float | None:
    """Return the quadratic kappa of risk levels over the answered items.

    None where it is undefined: nothing was answered, or gold and answers are one and the same level throughout.
    """
    return _defined(confusion.quadratic_kappa(confusion.confusion(gold, predicted, RISK_LEVELS)))


def cohen_kappa(gold: Sequence[str], predicted: Sequence[str | None]) -> float | None:
    """Return Cohen's kappa over the answered items; None where it is undefined. Raises InputError for an empty set."""
    return _defined(confusion.cohen_kappa(_counts(gold, predicted)))


def _counts(gold: Sequence[str], predicted: Sequence[str | None]) -> confusion.Counts:
    return confusion.confusion(gold, predicted, sorted({label for label in (*gold, *predicted) if label is not None}))


def _defined(value: confusion.Figures) -> float | None:
    return None if value != value else float(value)  # noqa: PLR0124 - NaN is the one value unequal to itself


def has_thinking(reply: str) -> bool:
    """Tell whether `reply` opens with its one thinking block, closed and not empty, whatever follows it."""
    head, _, tail = reply.partition(OPEN)
    thinking, closed, rest = tail.partition(CLOSE)
    return bool(closed and thinking.strip()) and not head.strip() and OPEN not in tail and CLOSE not in rest


@dataclass(frozen=True)
class Rate:
    """Yes or no per item, or None: left out."""

    of: Callable[[Verdict], bool | None]


@dataclass(frozen=True)
class Mean:
    """A number from 0 to 1 per item, or None: left out."""

    of: Callable[[Verdict], float | None]


@dataclass(frozen=True)
class Agreement:
    """A reference label (None: left out) and the model's label (None: no answer) per item, and what is made of them.

    `answered_only`: the statistic leaves out the items without an answer, so n does too.
    """

    reference: Callable[[Verdict], str | None]
    said: Callable[[Verdict], str | None]
    statistic: Callable[[confusion.Counts], confusion.Figures]
    classes: tuple[str, ...]
    answered_only: bool = False


@dataclass(frozen=True)
class Paired:
    """Yes or no per pair of items: yes where both members are; `pair` names the pair of an item, or None: left out."""

    of: Callable[[Verdict], bool]
    pair: Callable[[AnyItem], str | None]


Metric = Rate | Mean | Agreement | Paired


def by_pair(members: Sequence[tuple[str | None, bool]]) -> list[bool]:
    """Return whether both members are right, for each pair of which both are there, in the order of the first."""
    pairs: dict[str, list[bool]] = {}
    for pair, right in members:
        if pair:
            pairs.setdefault(pair, []).append(right)
    return [all(found) for found in pairs.values() if len(found) == 2]


def values(metric: Rate | Mean | Paired, verdicts: Sequence[Verdict]) -> Sequence[float | None]:
    """Return the metric's value for each item, or for each whole pair."""
    if isinstance(metric, Paired):
        return by_pair([(metric.pair(v.item), metric.of(v)) for v in verdicts])
    return [metric.of(v) for v in verdicts]


#: In the order in which `macro_f1` takes the classes of plain lists: floats are summed in one order, so that lm-eval's
#: figure and ours are equal to the last digit.
_SENTIMENTS: Final = tuple(sorted(SENTIMENTS))


def sentiment_of(outcome: Outcome) -> str | None:
    return outcome.sentiment


def risk_of(outcome: Outcome) -> str | None:
    return outcome.risk_level


def agrees_with_teacher(verdict: Verdict) -> bool | None:
    """Tell whether both labels are the teacher's; None where the teacher has no answer."""
    said = verdict.strict
    return None if verdict.teacher is None else verdict.teacher == (said.sentiment, said.risk_level)


def reads_risk(outcome: Outcome, item: AnyItem) -> bool | None:
    """Tell whether the risk level is the gold one; None where the set labels none."""
    return None if item.risk_level is None else outcome.risk_level == item.risk_level


def labels_right(verdict: Verdict) -> bool:
    """Tell whether every label that the item's set has is the gold one: both of ours, the sentiment of public sets."""
    said, item = verdict.strict, verdict.item
    return said.sentiment == item.sentiment and reads_risk(said, item) is not False


def names_entity(verdict: Verdict) -> bool | None:
    """Tell whether the entity is the gold one; None where the set names none, or gave it with the text."""
    said, item = verdict.strict, verdict.item
    if item.entity is None or item.risk_level is None:
        return None
    return isinstance(said, Answer) and entity_matches(said.entity, item.entity, item.aliases)


def grounded(verdict: Verdict) -> float | None:
    said = verdict.strict
    return grounding(said.thinking, verdict.item.text) if isinstance(said, Answer) else None


#: Labels are looked up without a function of ours in between: millions are.
_gold_sentiment: Final = attrgetter("item.sentiment")
_gold_risk: Final = attrgetter("item.risk_level")
_said_sentiment: Final = attrgetter("strict.sentiment")
_said_risk: Final = attrgetter("strict.risk_level")

METRICS: Final[dict[str, Metric]] = {
    # Headline, all strict.
    "json_parse_rate": Rate(lambda v: isinstance(v.strict, Answer)),
    "sentiment_f1": Agreement(_gold_sentiment, _said_sentiment, confusion.macro_f1, _SENTIMENTS),
    "risk_accuracy": Rate(lambda v: reads_risk(v.strict, v.item)),
    "teacher_agreement": Rate(agrees_with_teacher),
    # Beside them.
    "entity_accuracy": Rate(names_entity),
    "pair_consistency": Paired(labels_right, lambda item: pair_of(item.id)),
    # An answer has its thinking block: the strict reading asks for it.
    "thinking_rate": Rate(lambda v: isinstance(v.strict, Answer) or has_thinking(v.reply or "")),
    "sentiment_accuracy": Rate(lambda v: v.strict.sentiment == v.item.sentiment),
    "sentiment_weighted_f1": Agreement(_gold_sentiment, _said_sentiment, confusion.weighted_f1, _SENTIMENTS),
    # What FinGPT's scorer would show, which takes an unreadable answer for the majority class of the public sets.
    "fingpt_weighted_f1": Agreement(
        _gold_sentiment, lambda v: v.strict.sentiment or "Neutral", confusion.weighted_f1, _SENTIMENTS
    ),
    "risk_kappa": Agreement(_gold_risk, _said_risk, confusion.quadratic_kappa, RISK_LEVELS, True),
    "teacher_kappa_sentiment": Agreement(
        lambda v: v.teacher.sentiment if v.teacher else None,
        _said_sentiment,
        confusion.cohen_kappa,
        _SENTIMENTS,
        True,
    ),
    "grounding": Mean(grounded),
    # What the replies would be worth if the contract were forgiven.
    "lenient_parse_rate": Rate(lambda v: isinstance(v.lenient, Answer)),
    "lenient_sentiment_f1": Agreement(
        _gold_sentiment, attrgetter("lenient.sentiment"), confusion.macro_f1, _SENTIMENTS
    ),
    "lenient_risk_accuracy": Rate(lambda v: reads_risk(v.lenient, v.item)),
}
HEADLINE: Final = ("json_parse_rate", "sentiment_f1", "risk_accuracy", "teacher_agreement")
#: What is computed over answers only: silence improves it, so it never decides alone.
OF_ANSWERS: Final = frozenset(
    name
    for name, metric in METRICS.items()
    if name == "grounding" or (isinstance(metric, Agreement) and metric.answered_only)
)
