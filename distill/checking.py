"""The verdict on all that a teacher said about one text: an answer to learn from, or the first objection to it.

    judged(News(... "Orders rose 12%."), [Said("reasoned", 0, "<thinking>orders up 15%</thinking>{...}", "stop")],
           recipe) -> Verdict(None, "ungrounded number", "15", ...)

Form first (with its local repair and the follow-ups, `distill.reading`), then agreement between samples, then the
reasoning: its language, the entity, its numbers and names, and that it concludes what the verdict says.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from distill.conclusion import concluded, contradicts
from distill.consistency import Agreement, agreed
from distill.hygiene.language import reads_as
from distill.mentions import names
from distill.numerals import invented
from distill.reading import CUT_OFF, HIDDEN_KEY, Reading, chains, direct_answer, read_chain
from finsight_eval.grounding import grounding
from finsight_eval.parse import Answer, Reason, render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distill.reading import Said
    from distill.recipe import Recipe
    from finsight_eval.records import News


#: Numbers are checked one by one ("two" grounds "2"); what is left to ground is names.
_PLAIN_NUMBER: Final = re.compile(r"(?<![A-Za-z\d-])\d[\d,.]*")


class Rejection(StrEnum):
    """Why an answer that keeps the contract is still not learnt from; the parser's reasons stand beside these."""

    CUT_OFF = CUT_OFF
    KEY_ECHOED = "the api key in the reply"
    DISAGREE = "samples disagree"
    WRONG_LANGUAGE = "thinking in another language"
    ENTITY_NOT_IN_NEWS = "entity not in the news"
    UNGROUNDED_NUMBER = "ungrounded number"
    UNGROUNDED = "reasoning not from the news"
    CONTRADICTION = "conclusion contradicts the verdict"


#: The closed list: whatever is rejected is rejected for one of these.
REASONS: Final = tuple(str(reason) for reason in (*Reason, *Rejection))


class Verdict(NamedTuple):
    """An answer to learn from, or the reason against it and what exactly was found.

    `reply` is what is learnt from, or was objected to; `bare` is the label given without reasoning, the parser's reason
    against it, or None where none was asked for; `agreement` is None with one sample; `grounded` where nothing is said
    that could be; `stated` tells whether the reasoning concludes a label in so many words.
    """

    answer: Answer | None
    reason: str = ""
    detail: str = ""
    reply: str = ""
    how: str = ""
    agreement: Agreement | None = None
    bare: Answer | Reason | None = None
    grounded: float | None = None
    stated: bool = False

    def told(self) -> dict[str, Any]:
        """Return what an accepted row says beyond its labels, where there is something to say."""
        bare = self.bare
        more: dict[str, Any] = {} if self.how in {"", "as given"} else {"how": str(self.how)}
        if self.agreement:
            more["agreement"] = self.agreement.share
        if bare is not None:
            more["direct"] = [bare.sentiment, bare.risk_level] if isinstance(bare, Answer) else None
        return more


def judged(news: News, said: Sequence[Said], recipe: Recipe) -> Verdict:
    """Return the verdict on all replies to `news`, of which there is one at least; the first objection counts."""
    readings = [read_chain(chain) for chain in chains(said, recipe.samples)]
    usable = [reading for reading in readings if reading.answer]
    bare = direct_answer(said)
    if not usable:
        return Verdict(None, readings[0].reason, "", readings[0].reply, bare=bare)
    if recipe.samples == 1:
        return checked(news, usable[0], recipe)._replace(bare=bare)
    vote = agreed([reading.answer for reading in readings], recipe.samples)
    if vote.labels is None or vote.share < recipe.agreement:
        return Verdict(None, Rejection.DISAGREE, vote.votes, usable[0].reply, agreement=vote, bare=bare)
    winners = [one for one in usable if one.answer and (one.answer.sentiment, one.answer.risk_level) == vote.labels]
    verdicts = [checked(news, reading, recipe) for reading in winners]
    best = next((verdict for verdict in verdicts if verdict.answer), verdicts[0])
    return best._replace(agreement=vote, bare=bare)


def checked(news: News, reading: Reading, recipe: Recipe) -> Verdict:
    """Return the verdict on one answer; a mended or continued reply is written anew, one as given stays as it is."""
    answer = reading.answer
    assert answer is not None  # noqa: S101 - the caller has seen to it
    reply = reading.reply if reading.how == "as given" else render(answer)
    share = grounding(answer.thinking, news.text)
    stated = concluded(answer.thinking) != (None, None)
    verdict = Verdict(answer, "", "", reply, reading.how, grounded=share, stated=stated)
    reason, detail = objection(news, answer, reading.reply, recipe.least_grounding)
    return verdict._replace(answer=None, reason=reason, detail=detail, reply=reading.reply) if reason else verdict


def objection(news: News, answer: Answer, reply: str, least: float) -> tuple[str, str]:
    """Return (the first reason against `answer`, what was found), or ("", "")."""
    if HIDDEN_KEY in reply:
        return Rejection.KEY_ECHOED, ""
    spoken = language(answer.thinking)
    if spoken != news.lang:
        return Rejection.WRONG_LANGUAGE, spoken
    if not names(news.text, answer.entity):
        return Rejection.ENTITY_NOT_IN_NEWS, answer.entity
    if numbers := invented(answer.thinking, news.text):
        return Rejection.UNGROUNDED_NUMBER, ", ".join(numbers)
    names_known = grounding(_PLAIN_NUMBER.sub(" ", answer.thinking), news.text)
    if names_known is not None and names_known < least:
        return Rejection.UNGROUNDED, f"{names_known:.0%} of its names"
    if words := contradicts(answer.thinking, answer):
        return Rejection.CONTRADICTION, words
    return "", ""


def language(thinking: str) -> str:
    """Return the language of a reasoning; one without words ("+8 % -> up") counts as English."""
    return reads_as(thinking) or "en"
