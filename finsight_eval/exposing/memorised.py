"""Was the training set learnt by heart? What replies recite, and what is known only where training knew it.

- **Invents company names.** On Hand-written news, 310 of 316 answers (98%, 95 % interval 96% to 99%) name a company
  that the news does not mention: the verdict, right or wrong, is about nobody in the text. (p < 0.001)

Such companies are invented, not recited; three tests tell recital. Accuracy: items that resemble a training text
(`similar`) are right more often, by over ten points, than the others. Companies: over one answer in ten names a company
of the training rows that the news does not mention. Reasoning: replies repeat, word by word, a reasoning that stands in
one training row only. A teacher with stock phrases makes such rows too, so the share to beat is what a writer in that
style would reach: by Good's estimate (Biometrika 40, 1953) twice the number of reasonings seen twice over the number of
rows, and ten points more.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from finsight_eval.entity import entity_matches
from finsight_eval.exposing import chance
from finsight_eval.exposing.candidates import INVENTS, LEVEL, MARGIN, MEMORISED, Candidate, share
from finsight_eval.exposing.similar import normal
from finsight_eval.metrics import labels_right
from finsight_eval.parse import Answer
from finsight_eval.reporting.data import title_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from finsight_eval.exposing.trained import Trained
    from finsight_eval.verdicts import Verdict


def memorised(
    task: str, verdicts: Sequence[Verdict], trained: Sequence[Trained] | None, alike: frozenset[str]
) -> Iterator[Candidate]:
    """Yield what one task's replies show of the training rows; None means that these are not known.

    `alike` holds the texts of the items that resemble a training text.
    """
    strange = [v for v in verdicts if names_stranger(v)]
    recited = _recited_names(task, verdicts, strange, trained or ())
    if trained is not None:
        yield _leaks(task, verdicts, alike)
        yield recited
        yield _recited_reasoning(task, verdicts, trained)
    yield _invented(task, verdicts, strange, is_recited=recited.p < LEVEL)


def names_stranger(verdict: Verdict) -> bool:
    """Tell whether the answer names a company that neither the news nor the gold knows."""
    said, item = verdict.strict, verdict.item
    if not isinstance(said, Answer) or item.entity is None or said.entity in item.text:
        return False
    named = normal(said.entity)
    return named not in normal(item.text) and not entity_matches(said.entity, item.entity, item.aliases)


def _leaks(task: str, verdicts: Sequence[Verdict], alike: frozenset[str]) -> Candidate:
    known = [labels_right(v) for v in verdicts if v.item.text in alike]
    others = [labels_right(v) for v in verdicts if v.item.text not in alike]
    p = chance.difference_p(sum(known), len(known), sum(others), len(others), MARGIN)
    sentence = ""
    if known and others:
        sentence = (
            f"on {title_of(task)}, all labels are right in {share(sum(known), len(known), 'items')} that resemble a "
            f"training text, and in {share(sum(others), len(others), 'others')}. Take these items out of the training "
            "rows, train again, and believe no figure of this set until then."
        )
    return Candidate(MEMORISED, task, p, sentence)


def _recited_names(
    task: str, verdicts: Sequence[Verdict], strange: Sequence[Verdict], trained: Sequence[Trained]
) -> Candidate:
    companies = {normal(row.entity) for row in trained}
    answered = sum(isinstance(v.strict, Answer) for v in verdicts)
    hits = sum(isinstance(v.strict, Answer) and normal(v.strict.entity) in companies for v in strange)
    sentence = ""
    if hits:
        sentence = (
            f"on {title_of(task)}, {share(hits, answered, 'answers')} name a company of the training rows that the "
            "news does not mention. Look at the replies side by side with those rows; train for fewer epochs."
        )
    return Candidate(MEMORISED, task, chance.binomial_p(hits, answered, MARGIN), sentence)


def _invented(task: str, verdicts: Sequence[Verdict], strange: Sequence[Verdict], *, is_recited: bool) -> Candidate:
    answered = sum(isinstance(v.strict, Answer) for v in verdicts)
    sentence = ""
    if strange:
        sentence = (
            f"on {title_of(task)}, {share(len(strange), answered, 'answers')} name a company that the news does not "
            "mention: the verdict, right or wrong, is about nobody in the text."
        )
    p = 1.0 if is_recited else chance.binomial_p(len(strange), answered, MARGIN)
    return Candidate(INVENTS, task, p, sentence, grave=False)


def _recited_reasoning(task: str, verdicts: Sequence[Verdict], trained: Sequence[Trained]) -> Candidate:
    rows = Counter(row.thinking for row in trained)
    times = Counter(rows.values())
    style = min(1.0, 2 * times[2] / max(1, rows.total()))
    said = [v.strict.thinking for v in verdicts if isinstance(v.strict, Answer)]
    hits = sum(rows[thinking] == 1 for thinking in said)
    sentence = ""
    if hits:
        sentence = (
            f"on {title_of(task)}, {share(hits, len(said), 'replies')} give, word by word, a reasoning that stands "
            f"in one training row only; a writer in the style of those rows would in about {style:.0%}. Look at the "
            "replies side by side with those rows; train for fewer epochs."
        )
    return Candidate(MEMORISED, task, chance.binomial_p(hits, len(said), min(0.99, style + MARGIN)), sentence)
