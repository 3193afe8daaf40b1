"""What a text says of its focus: events, marks and figures, without what it says of others or merely in passing.

"Orlo Bank moved house. Halden Motors recalled 4% of its vans."
->  Findings(own=[recall], foreign=[], marks={}, percents=[4.0], gaps=[])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from distill.teacher.document import MENTION
from distill.teacher.figures import Gap, Percent, gap_in, percents

if TYPE_CHECKING:
    from distill.teacher.document import Document
    from distill.teacher.evidence import Evidence, Mark
    from distill.teacher.focus import Focus
    from distill.teacher.text import Span

#: Marks that speak of a condition, a gamble or a bound: events within them are part of the rider and no news.
_RIDERS: Final = {"bold", "strings", "bounded", "priced_in", "resolved", "supplies", "competes", "no_link"}


class Findings(NamedTuple):
    """What bears on the focus: its events, the marks and percentages of the sentences that speak of it."""

    own: list[Evidence]
    foreign: list[Evidence]
    marks: dict[str, Mark]
    percents: list[Percent]
    gaps: list[Gap]


def findings_of(doc: Document, focus: Focus, evidence: list[Evidence], marks: list[Mark]) -> Findings:
    """Return what the text says of the focus, apart from what it says of others."""
    spans = _relevant(doc, focus.entity)
    own = [e for e in evidence if (e.party == focus.entity or not e.party) and _within(e.start, spans)]
    foreign = [e for e in evidence if e.party == focus.source] if focus.source else []
    kept: dict[str, Mark] = {}
    for mark in marks:
        if _within(mark.start, spans):
            kept.setdefault(mark.kind, mark)
    shares = [p for p in percents(doc.masked, doc.clauses) if _within(p.start, spans)]
    gaps = [g for s in spans if (g := gap_in(doc.masked, s))]
    return Findings(own, foreign, kept, shares, gaps)


def _relevant(doc: Document, entity: str) -> list[Span]:
    """Return the sentences that name the focus or, naming nobody, follow one that does."""
    kept, speaks = [], True
    for sentence in doc.sentences:
        named = {doc.party(m.group()) for m in MENTION.finditer(doc.masked, sentence.start, sentence.end)}
        speaks = entity in named if named else speaks
        if speaks:
            kept.append(sentence)
    return kept


def told_by(doc: Document, evidence: list[Evidence], marks: list[Mark]) -> tuple[list[Evidence], list[Mark]]:
    """Return evidence and marks without what stands in a rider, or in a sentence that speaks of something else."""
    asides = [s for s in doc.sentences if any(m.kind == "aside" and s.start <= m.start < s.end for m in marks)]
    if len(asides) == len(doc.sentences):
        asides = []
    marks = [m for m in marks if m.kind == "aside" or not _within(m.start, asides)]
    # "denied clearance" and "false accounting" hold a word of denial and deny nothing.
    sided = [e for e in evidence if e.sign]
    marks = [m for m in marks if m.kind != "denial" or not any(e.start <= m.start and m.end <= e.end for e in sided)]
    riders = [m for m in marks if m.kind in _RIDERS]
    kept = [e for e in evidence if not any(m.start < e.end and e.start < m.end for m in riders)]
    return [e for e in kept if not _within(e.start, asides)], marks


def _within(at: int, spans: list[Span]) -> bool:
    return any(s.start <= at < s.end for s in spans)
