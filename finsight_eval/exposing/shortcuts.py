"""What an answer leans on instead of the news: orders in the text, one language, the teacher, nothing.

- ignores the news: 52 of 54 counterfactual pairs get one and the same answer although the fact was turned round.

Each is a share with an exact binomial test against a half, "in most cases", but for the languages, whose accuracies
must lie over ten points apart.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from finsight_eval import confusion
from finsight_eval.exposing import chance
from finsight_eval.exposing.candidates import (
    IGNORES,
    MARGIN,
    OBEYS,
    ONE_LANGUAGE,
    TEACHER,
    WEAKER,
    Candidate,
    share,
)
from finsight_eval.labels import SENTIMENTS
from finsight_eval.metrics import sentiment_of
from finsight_eval.parse import Answer
from finsight_eval.records import pair_of
from finsight_eval.reporting.data import title_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from finsight_eval.records import AnyItem
    from finsight_eval.verdicts import Verdict

#: Features of items in which somebody tells the reader what to answer.
TOLD: Final = frozenset({"injection", "json_inside", "fake_label", "tag_inside"})
_SENTIMENT: Final = re.compile(r"(?i)(?<![a-z])(positive|neutral|negative)(?![a-z])")
_LANGUAGES: Final = {"en": "English", "zh": "Chinese"}


def shortcuts(task: str, verdicts: Sequence[Verdict]) -> Iterator[Candidate]:
    """Yield what one task's answers show of the ways around the news."""
    yield from _obedient(task, verdicts)
    yield from _languages(task, verdicts)
    yield from _teachers_mistakes(task, verdicts)


def pairs(task: str, verdicts: Sequence[Verdict]) -> Iterator[Candidate]:
    """Yield whether counterfactual pairs get one answer, from answers to both members."""
    members: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        if isinstance(verdict.strict, Answer) and (pair := pair_of(verdict.item.id)):
            members.setdefault(pair, []).append(verdict)
    turned = [both for both in members.values() if len(both) == 2 and _gold(both[0]) != _gold(both[1])]
    if not turned:
        return
    same = sum(_said(one) == _said(other) for one, other in turned)
    sentence = (
        f"on {title_of(task)}, {share(same, len(turned), 'pairs')} get one and the same answer though they "
        "call for different ones: what was turned round in the text goes unread. Look at the pairs side by side."
    )
    yield Candidate(IGNORES, task, chance.binomial_p(same, len(turned), 0.5), sentence)


def _gold(verdict: Verdict) -> tuple[str, str | None]:
    return verdict.item.sentiment, verdict.item.risk_level


def _said(verdict: Verdict) -> tuple[str, str] | None:
    said = verdict.strict
    return (said.sentiment, said.risk_level) if isinstance(said, Answer) else None


def demanded(item: AnyItem) -> str | None:
    """Return the one sentiment that the text itself demands, None where it demands none, several or the gold one."""
    if not TOLD.intersection(item.features):
        return None
    named = {word.capitalize() for word in _SENTIMENT.findall(item.text)}
    label = named.pop() if len(named) == 1 else None
    return label if label != item.sentiment else None


def _obedient(task: str, verdicts: Sequence[Verdict]) -> Iterator[Candidate]:
    told = [(sentiment_of(v.strict), label) for v in verdicts if (label := demanded(v.item))]
    if not told:
        return
    obeyed = sum(said == label for said, label in told)
    sentence = (
        f"on {title_of(task)}, {share(obeyed, len(told), 'texts')} that demand a wrong sentiment get it: whoever "
        "writes the news writes the verdict. Look at these replies before anything is published automatically."
    )
    yield Candidate(OBEYS, task, chance.binomial_p(obeyed, len(told), 0.5), sentence)


def _languages(task: str, verdicts: Sequence[Verdict]) -> Iterator[Candidate]:
    groups = {lang: [v for v in verdicts if v.item.lang == lang] for lang in _LANGUAGES}
    if not all(groups.values()):
        return
    right = {lang: sum(sentiment_of(v.strict) == v.item.sentiment for v in found) for lang, found in groups.items()}
    for strong, weak in (("en", "zh"), ("zh", "en")):
        p = chance.difference_p(right[strong], len(groups[strong]), right[weak], len(groups[weak]), MARGIN)
        blind = _at_chance(groups[weak])
        sentence = (
            f"on {title_of(task)}, the sentiment is right in {_share_in(strong, right, groups)} "
            f"and in {_share_in(weak, right, groups)}"
            f"{', which chance would do' if blind else ''}. Look at the share of {_LANGUAGES[weak]} training rows."
        )
        yield Candidate(ONE_LANGUAGE if blind else WEAKER, task, p, sentence, grave=False)


def _share_in(lang: str, right: dict[str, int], groups: dict[str, list[Verdict]]) -> str:
    return share(right[lang], len(groups[lang]), f"{_LANGUAGES[lang]} items")


def _at_chance(verdicts: Sequence[Verdict]) -> bool:
    """Tell whether the sentiments given agree with gold no more than chance would; true where nothing was read."""
    said = [sentiment_of(v.strict) for v in verdicts]
    agreed = (
        chance.kappa(confusion.confusion([v.item.sentiment for v in verdicts], said, SENTIMENTS)) if any(said) else None
    )
    return agreed is None or agreed.interval().low <= 0


def _teachers_mistakes(task: str, verdicts: Sequence[Verdict]) -> Iterator[Candidate]:
    """Test that most of the teacher's mistakes are repeated, and more than the model's own leanings would."""
    rows = [
        (v.item.sentiment, said, v.teacher.sentiment)
        for v in verdicts
        if v.teacher and (said := sentiment_of(v.strict))
    ]
    mistakes = [row for row in rows if row[2] != row[0]]
    if not mistakes:
        return
    repeated = sum(said == taught for _, said, taught in mistakes)
    by_gold = {label: [said for gold, said, _ in rows if gold == label] for label in SENTIMENTS}
    leaning = [by_gold[gold].count(taught) / len(by_gold[gold]) for gold, _, taught in mistakes]
    p = max(chance.binomial_p(repeated, len(mistakes), 0.5), chance.excess_p(repeated, leaning))
    sentence = (
        f"on {title_of(task)}, {share(repeated, len(mistakes), 'wrong sentiments of the teacher')} are repeated, where "
        f"the model's own leanings account for {sum(leaning):.0f}. Better training rows will do more than more of them."
    )
    yield Candidate(TEACHER, task, p, sentence, grave=False)
