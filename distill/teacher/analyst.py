"""The rule-based analyst: one news text in, a verdict with its reasons out. It reads nothing but the text.

analyse("Halden Motors recalled 12,000 cars, 4% of last year's sales.")
-> Analysis(entity="Halden Motors", sentiment="Negative", risk_level="Medium", chain=(...), lang="en")
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from distill.teacher.document import document
from distill.teacher.evidence import evidence_in, marks_in
from distill.teacher.findings import findings_of, told_by
from distill.teacher.focus import focus_of
from distill.teacher.lexicon import LEVELS
from distill.teacher.reasoning import chain_of
from distill.teacher.verdict import verdict_of
from finsight_eval.parse import Answer, render

_SENTIMENTS: Final = {1: "Positive", 0: "Neutral", -1: "Negative"}
_WORDS: Final = re.compile(r"[^\W_][\w'’.&-]*(?: [^\W_][\w'’.&-]*)?")
_HEAD: Final = 24
#: What the analyst says of a text without a word: no verdict, and no pretence of one.
NO_NEWS: Final = "There is no news text to analyse. 没有可供分析的新闻。"


class Analysis(NamedTuple):
    """A verdict: labels of the contract, the lines of the reasoning, and the language of the news."""

    entity: str
    sentiment: str
    risk_level: str
    chain: tuple[str, ...]
    lang: str


def analyse(text: str) -> Analysis | None:
    """Return the analysis of one news text, or None where it holds no word at all."""
    doc = document(text)
    opening = _WORDS.search(doc.text)
    if opening is None:
        return None
    evidence, marks = told_by(doc, evidence_in(doc), marks_in(doc))
    focus = focus_of(doc, evidence, marks)
    if not focus.entity:
        # No party is named: the opening words stand for what the text is about.
        focus = focus._replace(entity=opening.group()[:_HEAD])
    verdict = verdict_of(doc, focus, findings_of(doc, focus, evidence, marks))
    lines = chain_of(doc, verdict)
    return Analysis(focus.entity, _SENTIMENTS[verdict.sign], LEVELS[verdict.risk], lines, doc.lang)


def reply(text: str) -> str:
    """Return the analyst's reply to one news text, in the answer contract."""
    analysis = analyse(text)
    if analysis is None:
        return NO_NEWS
    thinking = "\n".join(analysis.chain)
    return render(Answer(thinking, analysis.entity, analysis.sentiment, analysis.risk_level))
