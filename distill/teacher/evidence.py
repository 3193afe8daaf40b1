"""What the text says happened, and to whom: events of the lexicon, each with the party that bears it.

"Orlo Bank sued Halden Motors"  ->  Evidence(event=lawsuit, party="Halden Motors", quote span, sign -1)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from distill.teacher.document import MENTION
from distill.teacher.lexicon import Event, event_table, events, mark_table
from distill.teacher.text import Span

if TYPE_CHECKING:
    from distill.teacher.document import Document
    from distill.teacher.phrases import Hit

_NOT_SUBJECT: Final = re.compile(r"\b(?:by|against|from|with|than|to|rival|competitor|like|unlike|over|via|outside)\s$")
_NEGATIONS: Final = (
    r"not|no|never|without|didn['’]t|doesn['’]t|won['’]t|isn['’]t|wasn['’]t|cannot|fail(?:s|ed)? to|avoid(?:s|ed)?|"
    r"rather than|instead of|free of|escape[sd]?|denie[sd]|prevent(?:s|ed)?"
)
#: A negation up to three words (English) or four characters (Chinese) before an event.
_NOT: Final = {
    "en": re.compile(rf"\b(?:{_NEGATIONS})\s(?:[^\s.,;]+\s){{0,3}}$"),
    "zh": re.compile(r"(?:并未|未曾|尚未|没有|未能|未|不会|不再|并非|无需|免于|避免了?|无)[^，。；]{0,4}$"),
}


class Evidence(NamedTuple):
    """One event said of one party; `sign` is the event's own, or 0 where the text negates it."""

    event: Event
    party: str
    start: int
    end: int
    sign: int


class Mark(NamedTuple):
    """A word that changes meaning, where it stands, and the parties that it names ("" for none)."""

    kind: str
    start: int
    end: int
    a: str
    b: str


def marks_in(doc: Document) -> list[Mark]:
    """Return the marks of a document in order; "could not" is no possibility but a fact."""
    hits = mark_table(doc.lang).hits(doc.masked)
    return [Mark(*h) for h in hits if h.key != "hedge" or not doc.masked.startswith((" not", "n't"), h.end)]


def evidence_in(doc: Document) -> list[Evidence]:
    """Return the events of a document, the weightier of two that overlap, in order."""
    chosen: list[Hit] = []
    hits = event_table(doc.lang).hits(doc.masked)
    for hit in sorted(
        hits, key=lambda h: (-events()[h.key.rstrip(">")].weight, h.start - h.end, not h.key.endswith(">"))
    ):
        if not any(hit.start < c.end and c.start < hit.end for c in chosen) and (
            not hit.key.endswith(">") or _next_party(doc, hit)
        ):
            chosen.append(hit)
    return [_evidence(doc, hit) for hit in sorted(chosen, key=lambda h: h.start)]


def _evidence(doc: Document, hit: Hit) -> Evidence:
    event = events()[hit.key.rstrip(">")]
    party = _next_party(doc, hit) if hit.key.endswith(">") else _subject(doc, hit)
    clause = _around(doc.clauses, hit.start)
    negated = _NOT[doc.lang].search(doc.masked[clause.start : hit.start])
    return Evidence(event, party, hit.start, hit.end, 0 if negated else event.sign)


def _around(spans: tuple[Span, ...], at: int) -> Span:
    return next((s for s in spans if s.start <= at < s.end), Span(at, at))


def _next_party(doc: Document, hit: Hit) -> str:
    """Return the party right behind a hit ("sues [the maker of brakes] Halden"), "" where there is none near."""
    sentence = _around(doc.sentences, hit.start)
    match = MENTION.search(doc.masked, hit.start, min(sentence.end, hit.end + 30))
    return doc.party(match.group()) if match else ""


def _subject(doc: Document, hit: Hit) -> str:
    """Return the party that a hit is said of: named by the phrase, before it in its clause, in it, or behind it."""
    if hit.a:
        return doc.party(hit.a)
    clause, sentence = _around(doc.clauses, hit.start), _around(doc.sentences, hit.start)
    before = list(MENTION.finditer(doc.masked, clause.start, hit.end))
    subjects = [m for m in before if not _NOT_SUBJECT.search(doc.masked[max(0, m.start() - 14) : m.start()])]
    after = MENTION.search(doc.masked, hit.end, clause.end)
    earlier = MENTION.search(doc.masked, sentence.start, clause.start)
    later = MENTION.search(doc.masked, hit.end, sentence.end)
    outside = [m for m in subjects if m.start() < hit.start]
    near = outside[-1] if outside else subjects[-1] if subjects else after
    near = near or (before[-1] if before else None) or earlier or later
    return doc.party(near.group()) if near else ""
