"""The judgement: which of the findings decides, what it means for the owners, and how much downside it reveals.

    recall of 34% of last year's sales  ->  Verdict(case="event", sign=-1, risk=2, lead=recall)

The order of the cases is the order of what outweighs what: an open ruling, a rumour or a denial, old news, a tie to the
party that was hit, numbers against expectations, guidance over past results, and only then the event itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from distill.teacher.document import Document
    from distill.teacher.evidence import Evidence, Mark
    from distill.teacher.figures import Gap
    from distill.teacher.findings import Findings
    from distill.teacher.focus import Focus

LOW, MEDIUM, HIGH = 0, 1, 2
#: Shares in percent: from here on a loss is large, up to here it is small.
_LARGE: Final = 10.0
_SMALL: Final = 7.0
_GUIDANCE: Final = {"guidance_up", "guidance_down", "guidance_pulled"}
_ACCOUNTS: Final = _GUIDANCE | {"miss", "profit_down", "loss_made", "margin_down", "impairment"}
_RESULTS: Final = {
    "profit_up",
    "profit_down",
    "beat",
    "miss",
    "loss_made",
    "loss_narrowed",
    "demand_up",
    "demand_down",
    "margin_up",
    "margin_down",
}


class Verdict(NamedTuple):
    """What is decided, why (`case`), and by which event."""

    case: str
    sign: int
    risk: int
    lead: Evidence | None = None
    gap: Gap | None = None


def verdict_of(doc: Document, focus: Focus, found: Findings) -> Verdict:
    """Return the judgement on the focus."""
    return (
        _unsettled(doc, focus, found)
        or _tied(focus, found)
        or _old(found)
        or _compared(found)
        or _guided(found)
        or _weighed(found)
    )  # fmt: skip


def _lead(items: list[Evidence]) -> Evidence | None:
    """Return the weightiest event; of equals the one that has a side, then the first."""
    return max(items, key=lambda e: (_weight(e), bool(e.sign), -e.start), default=None)


def _weight(item: Evidence) -> int:
    """Return the event's weight; what the text negates weighs little."""
    return item.event.weight if item.sign or not item.event.sign else 1


def _unsettled(doc: Document, focus: Focus, found: Findings) -> Verdict | None:
    """Return the verdict on an open ruling, a rumour, a denial, a mere possibility or a check without findings."""
    marks, lead = found.marks, _lead(found.own)
    facts = [e for e in found.own if e.sign and e.event.weight >= 2]
    serious = MEDIUM if lead is None or lead.event.sign < 0 or lead.event.risk > LOW else LOW
    if "pending" in marks and "strings" not in marks:
        scale = _scale(found, None, fallback="")
        return Verdict("pending", 0, {"small": LOW, "large": HIGH}.get(scale, MEDIUM), lead)
    if "denial" in marks and "backed" in marks:
        return Verdict("backed", 0, LOW, lead)
    for case in ("denial", "rumour"):
        if case in marks and not _settled_elsewhere(doc, marks[case], facts):
            return Verdict(case, 0, serious, lead)
    if "bold" in marks or "strings" in marks:
        return None
    if "clean" in marks and not focus.role and not _settled_elsewhere(doc, marks["clean"], facts):
        return Verdict("clean", 0, LOW, lead)
    if "hedge" in marks and not focus.role and not _settled_elsewhere(doc, marks["hedge"], facts):
        return Verdict("hedge", 0, serious, lead)
    return None


def _settled_elsewhere(doc: Document, mark: Mark, facts: list[Evidence]) -> bool:
    """Tell whether a fact stands in a sentence other than the one that holds the mark."""
    sentence = next(s for s in doc.sentences if s.start <= mark.start < s.end)
    return any(not sentence.start <= e.start < sentence.end for e in facts)


def _tied(focus: Focus, found: Findings) -> Verdict | None:
    """Return the verdict on a supplier, customer or competitor of the party that was hit."""
    if "no_link" in found.marks and not [e for e in found.own if e.sign and e.event.weight > 3]:
        return Verdict("no_link", 0, LOW, _lead(found.foreign or found.own))
    lead = _lead(found.foreign)
    if not focus.role or lead is None:
        return None
    effect = lead.event.spread[focus.role] if lead.sign else 0
    if effect > 0:
        shaky = "strings" in found.marks or (lead.sign > 0 and lead.event.risk == HIGH)
        return Verdict(focus.role, 1, MEDIUM if shaky else LOW, lead)
    scale = _exposure(found) if effect and focus.role != "competitor" else ""
    threat = lead.event.large == HIGH and lead.event.name not in _ACCOUNTS and effect <= -1
    risk = LOW if scale == "small" or effect > -1 else HIGH if scale == "large" and threat else MEDIUM
    return Verdict(focus.role, -1 if effect else 0, risk, lead)


def _exposure(found: Findings) -> str:
    """Return how much of the focus's business hangs on the tie: "small", "large" or ""."""
    share = next((p for p in found.percents if not p.price and not p.past), None)
    if share:
        return "large" if share.value >= _LARGE else "small"
    if "modest" in found.marks:
        return "small"
    return "large" if "sole" in found.marks else ""


def _old(found: Findings) -> Verdict | None:
    """Return the verdict on what was known before, is over, or cancels out."""
    marks, lead = found.marks, _lead(found.own)
    if "priced_in" in marks:
        return Verdict("priced_in", 0, LOW, lead)
    if "resolved" in marks:
        return Verdict("resolved", 1, MEDIUM if "strings" in marks else LOW, lead)
    if "offset" in marks:
        return Verdict("offset", 0, MEDIUM, lead)
    return None


def _compared(found: Findings) -> Verdict | None:
    """Return the verdict on a result that stands beside the number that had been expected."""
    if not found.gaps or any(e.event.name in _GUIDANCE for e in found.own):
        return None
    gap = found.gaps[0]
    lead = _lead(found.own)
    if gap.ratio == 0:
        return Verdict("versus", 0, LOW, lead, gap=gap)
    shortfall = -100 * gap.ratio
    risk = LOW if gap.ratio > 0 or shortfall < 2.5 else HIGH if shortfall >= _LARGE else MEDIUM
    return Verdict("versus", 1 if gap.ratio > 0 else -1, risk, lead, gap=gap)


def _guided(found: Findings) -> Verdict | None:
    """Return the verdict on an outlook that stands beside a past result."""
    guides = [e for e in found.own if e.event.name in _GUIDANCE and e.sign]
    past = [e for e in found.own if e.event.name in _RESULTS and e.sign]
    if not guides or not past:
        return None
    lead = guides[0]
    scale = _scale(found, lead)
    if lead.sign > 0:
        return Verdict("guidance", 1, MEDIUM if past[0].sign < 0 else LOW, lead)
    return Verdict("guidance", -1, _graded(lead, scale), lead)


def _weighed(found: Findings) -> Verdict:
    """Return the verdict on the events themselves, with what softens or sharpens it."""
    marks, lead = found.marks, _lead(found.own)
    if lead is None:
        return Verdict("nothing", 0, LOW)
    total = sum(e.sign * e.event.weight for e in found.own)
    against = max((e.event.weight for e in found.own if e.sign and e.sign != lead.sign), default=0)
    sign = lead.sign if lead.event.weight > against else (total > 0) - (total < 0)
    if sign == 0 and lead.event.name == "acquisition" and "bold" in marks:
        sign = 1
    scale = _scale(found, lead)
    if sign > 0:
        for case, risk in (("bold", HIGH), ("strings", MEDIUM)):
            if case in marks:
                return Verdict(case, 1, risk, lead)
        return Verdict("event", 1, lead.event.risk, lead)
    if sign < 0 and "bounded" in marks and lead.event.small < HIGH:
        return Verdict("bounded", -1, LOW, lead)
    if sign:
        return Verdict("event", sign, _graded(lead, scale), lead)
    if lead.sign:
        return Verdict("mixed", 0, lead.event.risk, lead)
    return Verdict("clean" if lead.event.sign else "event", 0, LOW if lead.event.sign else lead.event.risk, lead)


def _graded(lead: Evidence, scale: str) -> int:
    return {"small": lead.event.small, "large": lead.event.large}.get(scale, lead.event.risk)


def _scale(found: Findings, lead: Evidence | None, fallback: str = "") -> str:
    """Return "small", "large" or `fallback`: what the nearest figure or words say of the size."""
    usable = [p for p in found.percents if not p.price and not p.past]
    near = min(usable, key=lambda p: abs(p.start - lead.start), default=None) if lead else next(iter(usable), None)
    if near:
        return "large" if near.value >= _LARGE else "small" if near.value <= _SMALL else fallback
    for scale in ("small", "large"):
        if scale in found.marks:
            return scale
    return fallback
