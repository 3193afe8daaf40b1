"""Whom the news bears on most, and how that party hangs together with the others.

"Orlo Foundry halted output. Halden Motors, which buys all its castings from Orlo Foundry, ..."
->  Focus(entity="Halden Motors", role="customer", source="Orlo Foundry")
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from distill.teacher.document import MENTION

if TYPE_CHECKING:
    from distill.teacher.document import Document
    from distill.teacher.evidence import Evidence, Mark


_FIGURE: Final = re.compile(r"\d(?:[\d.,]*)\s?(?:%|percent|million|billion|万|亿)")
_QUANTIFIED: Final = 3


class Focus(NamedTuple):
    """The party the news is about; `role` and `source` where it is one of another party that the event hits."""

    entity: str
    role: str = ""
    source: str = ""


class _Link(NamedTuple):
    seller: str
    buyer: str
    rivals: bool


def focus_of(doc: Document, evidence: list[Evidence], marks: list[Mark]) -> Focus:
    """Return the focus; its entity is "" where the text names no party."""
    if not doc.parties:
        return Focus("")
    scores = _scores(doc, evidence, marks)
    hit = {e.party for e in evidence if e.event.sign and e.event.weight > 1}
    for link in _links(doc, marks):
        for party, role, other in _ends(link):
            if other in hit and party not in hit:
                return Focus(party, role, other)
    return Focus(max(doc.parties, key=lambda p: (scores[p], -doc.parties.index(p))))


def _scores(doc: Document, evidence: list[Evidence], marks: list[Mark]) -> Counter[str]:
    scores: Counter[str] = Counter()
    first = doc.sentences[0]
    for match in MENTION.finditer(doc.masked):
        scores[doc.party(match.group())] += 1
    opening = MENTION.search(doc.masked, first.start, first.end)
    if opening:
        scores[doc.party(opening.group())] += 1
    for item in evidence:
        if item.party:
            scores[item.party] += _stake(doc, item)
    for mark in marks:
        if mark.kind == "focus" and mark.a:
            scores[doc.party(mark.a)] += 12
        if mark.kind == "aside":
            for match in MENTION.finditer(doc.masked, mark.start, mark.end):
                scores[doc.party(match.group())] -= 2
    return scores


def _stake(doc: Document, item: Evidence) -> int:
    """Return how far an event marks its party as the one concerned: named beside it, and with a figure."""
    clause = next((c for c in doc.clauses if c.start <= item.start < c.end), None)
    weight = min(item.event.weight, 4)
    if clause is None or doc.mark(item.party) not in doc.masked[clause.start : clause.end]:
        return weight // 2
    return weight + (_QUANTIFIED if _FIGURE.search(doc.masked, clause.start, clause.end) else 0)


def _links(doc: Document, marks: list[Mark]) -> list[_Link]:
    links = []
    for mark in marks:
        if mark.kind in {"supplies", "competes"} and mark.a and mark.b and mark.a != mark.b:
            links.append(_Link(doc.party(mark.a), doc.party(mark.b), mark.kind == "competes"))
    return links


def _ends(link: _Link) -> list[tuple[str, str, str]]:
    """Return (party, its role towards the other, the other) for both ends of a link."""
    if link.rivals:
        return [(link.seller, "competitor", link.buyer), (link.buyer, "competitor", link.seller)]
    return [(link.seller, "supplier", link.buyer), (link.buyer, "customer", link.seller)]
