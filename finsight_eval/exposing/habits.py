"""Habits of labelling that pass for skill: one label for everything, labels at random, one label when unsure.

- copies the majority class: on Hand-written news, sentiment is Neutral in 320 of 320 answers; ... kappa 0.00 ...

Read off the counts of gold against answers alone, for sentiment and risk level separately. A label is copied where it
is given to over four in five items of the other labels, and kappa is below 0.20, up to which agreement is "slight"
(Landis and Koch, Biometrics 33, 1977). Labels that vary are random where kappa is shown to be below 0.20 and its
interval does not lie above 0. A model hides behind a label when unsure where most errors on the other items go to that
label, and the other items are lost to it more often, by over ten points, than items of that label are lost at all: a
model whose errors all go one step up or down, equally often in every class, is not meant, although it gives the middle
label too often.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from finsight_eval import confusion
from finsight_eval.exposing import chance
from finsight_eval.exposing.candidates import (
    COPIES,
    LEVEL,
    MARGIN,
    ONE_LABEL,
    RANDOM,
    UNSURE,
    Candidate,
    Unchecked,
    share,
)
from finsight_eval.labels import RISK_LEVELS, SENTIMENTS
from finsight_eval.metrics import risk_of, sentiment_of
from finsight_eval.reporting.data import title_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from finsight_eval.exposing.chance import Kappa
    from finsight_eval.exposing.trained import Trained
    from finsight_eval.verdicts import Outcome, Verdict

#: Agreement up to which no use can be made of the labels.
SLIGHT: Final = 0.2
#: The share of the other labels' items above which a label is given to everything.
NEARLY_ALL: Final = 0.8
#: Readable answers that show a kappa of 0 to be below SLIGHT with 80 % power: ((1.64 + 0.84) / 0.2)^2 / 2.
LEAST: Final = 78
#: Hard items of a kind that are worth a figure.
LEAST_HARD: Final = 10
_HARD: Final[dict[str, Callable[[Verdict], bool]]] = {
    "order 2 and 3": lambda v: (v.item.order or 1) > 1,
    "hedged": lambda v: "hedge" in v.item.features,
    "Chinese": lambda v: v.item.lang == "zh",
}


class Label(NamedTuple):
    """One of the two things labelled."""

    words: str
    key: str
    classes: tuple[str, ...]
    said: Callable[[Outcome], str | None]


LABELS: Final = (
    Label("sentiment", "sentiment", SENTIMENTS, sentiment_of),
    Label("risk level", "risk_level", RISK_LEVELS, risk_of),
)


def habits(
    task: str, verdicts: Sequence[Verdict], trained: Sequence[Trained] | None
) -> Iterator[Candidate | Unchecked]:
    """Yield what the labels of one task's answers show."""
    for label in LABELS:
        rows = [(v, said) for v in verdicts if gold_of(v, label) and (said := label.said(v.strict))]
        if not any(gold_of(v, label) for v in verdicts):
            continue
        if len(rows) < LEAST:
            why = (
                f"{RANDOM}: {title_of(task)} has {len(rows)} readable answers with a {label.words}, {LEAST} are needed"
            )
            yield Unchecked(why)
        if rows:
            yield from _of_label(task, label, rows, trained)


def gold_of(verdict: Verdict, label: Label) -> str | None:
    """Return the gold label of the item, None where its set has none of the kind."""
    found: str | None = getattr(verdict.item, label.key)
    return found


@dataclass(frozen=True, slots=True)
class _Seen:
    """The answers of one task that hold a label, with their counts."""

    task: str
    label: Label
    rows: list[tuple[Verdict, str]]
    counts: confusion.Counts
    agreed: Kappa

    def words(self) -> str:
        low, high = self.agreed.interval()
        return f"agreement beyond chance (kappa) is {self.agreed.value:.2f} [{low:.2f}, {high:.2f}]"


def _of_label(
    task: str, label: Label, rows: list[tuple[Verdict, str]], trained: Sequence[Trained] | None
) -> Iterator[Candidate]:
    gold, said = [gold_of(v, label) or "" for v, _ in rows], [given for _, given in rows]
    counts = confusion.confusion(gold, said, label.classes)
    agreed = chance.kappa(counts)
    if agreed is None:  # one and the same gold label throughout, always given: nothing can be said
        return
    seen = _Seen(task, label, rows, counts, agreed)
    copied = _copied(seen, trained)
    yield copied
    is_copied = copied.p < LEVEL
    if len(rows) >= LEAST:
        yield _random(seen, is_copied=is_copied)
    for place in range(len(label.classes)):
        yield _unsure(seen, place, is_copied=is_copied)


def _copied(seen: _Seen, trained: Sequence[Trained] | None) -> Candidate:
    """Test that nearly all items of the other labels get the most frequent answer, and that kappa is below SLIGHT."""
    in_gold, given = seen.counts.sum(axis=1), seen.counts.sum(axis=0)[:-1]
    place = int(given.argmax())
    name, words = seen.label.classes[place], seen.label.words
    others = len(seen.rows) - int(in_gold[place])
    taken = int(given[place] - seen.counts[place, place])
    frequent = Counter(getattr(row, seen.label.key) for row in trained or ())
    is_taught = bool(frequent) and frequent[name] == max(frequent.values())
    sentence = ""
    if others:
        sentence = (
            f"on {title_of(seen.task)}, {words} is {name} in {given[place]} of {len(seen.rows)} answers; it is given "
            f"to {share(taken, others, 'items')} of another {words}; {seen.words()}. "
        ) + (
            f"{name} is the most frequent {words} of the training rows ({frequent[name]} of {frequent.total()}): look "
            "at their mix."
            if is_taught
            else "Look at the replies to items of the other labels."
        )
    p = max(chance.binomial_p(taken, others, NEARLY_ALL), seen.agreed.p_at_least(SLIGHT))
    return Candidate(COPIES if is_taught or in_gold[place] == in_gold.max() else ONE_LABEL, seen.task, p, sentence)


def _random(seen: _Seen, *, is_copied: bool) -> Candidate:
    """Test that kappa is below SLIGHT, for labels that vary and are not shown to agree with gold at all."""
    right = int(seen.counts[:, :-1].trace())
    sentence = (
        f"on {title_of(seen.task)}, {seen.label.words} comes in good form but agrees with gold no more often than "
        f"chance would: {share(right, len(seen.rows), 'answers')} are right; {seen.words()}, where {SLIGHT:.2f} would "
        "still be slight. Look at the labels of its training rows, and at how far those rows are from such news."
    )
    is_vain = not is_copied and seen.agreed.interval().low <= 0
    return Candidate(RANDOM, seen.task, seen.agreed.p_at_least(SLIGHT) if is_vain else 1.0, sentence)


def _unsure(seen: _Seen, place: int, *, is_copied: bool) -> Candidate:
    """Test that errors on the other items go to one label, which loses hardly any of its own."""
    name, words = seen.label.classes[place], seen.label.words
    others = [(v, said) for v, said in seen.rows if gold_of(v, seen.label) != name]
    own = len(seen.rows) - len(others)
    right = int(seen.counts[place, place])
    taken, wrong = sum(said == name for _, said in others), sum(said != gold_of(v, seen.label) for v, said in others)
    if is_copied or seen.agreed.interval().low <= 0 or not wrong or not own:
        return Candidate(f"answers {name} {UNSURE}", seen.task, 1.0, "")
    sentence = (
        f"on {title_of(seen.task)}, {name} gets {taken} of the {wrong} wrong answers on items of another {words}. "
        f"{share(taken, len(others), 'such items')} are lost to it{_on_hard_items(others, name)}, while {own - right} "
        f"of its own {own} are lost. {name} is given {taken + right} times and is right {right} times: read it as no "
        "answer."
    )
    p = max(
        chance.binomial_p(taken, wrong, 1 / (len(seen.label.classes) - 1)),
        chance.difference_p(taken, len(others), own - right, own, MARGIN),
    )
    return Candidate(f"answers {name} {UNSURE}", seen.task, p, sentence)


def _on_hard_items(others: list[tuple[Verdict, str]], name: str) -> str:
    """Say how it stands on items that need thought: beyond the first order, hedged, or Chinese."""
    told = []
    for words, is_meant in _HARD.items():
        chosen = [said == name for v, said in others if is_meant(v)]
        if len(chosen) >= LEAST_HARD:
            told.append(f"{words} {sum(chosen) / len(chosen):.0%} of {len(chosen)}")
    return f" ({', '.join(told)})" if told else ""
