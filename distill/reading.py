"""What a row's replies say once they are put together: as given, mended, continued, asked again, or another sample.

    read_chain([Said("reasoned", 0, "<thinking>a ...", "length"), Said("continue", 0, "... </thinking>{...}", "stop")])
        -> Reading(Answer(...), how="continued")
    read_chain([Said("reasoned", 0, "Bullish.", "stop")]) -> Reading(None, reason="no thinking")

A pure function of what is stored, so that a better reading costs no request. The first way that leads to an answer is
taken, in the order above; a reply that was cut off is never mended, for nobody knows what it would have said.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from distill.asking import Kind
from distill.repair import repaired
from finsight_eval.parse import CLOSE, OPEN, Answer, Reason, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What the client puts in place of a key that an endpoint echoed.
HIDDEN_KEY = "[api key]"


class How(StrEnum):
    """By which way an answer was had."""

    AS_GIVEN = "as given"
    REPAIRED = "repaired"
    CONTINUED = "continued"
    ASKED_AGAIN = "asked again"
    ANOTHER_SAMPLE = "another sample"


CUT_OFF = "cut off by the token limit"


class Said(NamedTuple):
    """One stored reply to a row."""

    kind: str
    sample: int
    reply: str
    finish_reason: str | None

    @property
    def was_cut(self) -> bool:
        """Whether the token limit ended the reply."""
        return self.finish_reason == "length"


class Reading(NamedTuple):
    """An answer and how it was had, or the reason of the first reply against it; `reply` is the text that was read."""

    answer: Answer | None
    how: str = ""
    reason: str = ""
    reply: str = ""


def read_chain(said: Sequence[Said]) -> Reading:
    """Return what the first reply of `said`, a sample, and its follow-ups come to."""
    start = said[0]
    if (own := _read(start)).answer:
        return own
    for more in said[1:]:
        found = _continued(start, more) if more.kind == Kind.CONTINUE else _read(more)
        if found.answer:
            how = {Kind.CONTINUE: How.CONTINUED, Kind.AGAIN: How.ASKED_AGAIN}.get(Kind(more.kind), How.ANOTHER_SAMPLE)
            return found._replace(how=how)
    return own


def _read(said: Said) -> Reading:
    """Return the reading of one reply by itself."""
    if said.was_cut:
        return Reading(None, reason=CUT_OFF, reply=said.reply)
    found = parse(said.reply)
    if isinstance(found, Answer):
        return Reading(found, How.AS_GIVEN, reply=said.reply)
    if mended := repaired(said.reply):
        return Reading(mended, How.REPAIRED, reply=said.reply)
    return Reading(None, reason=str(found.reason), reply=said.reply)


def _continued(start: Said, more: Said) -> Reading:
    """Return the reading of a reply and its continuation; a model may have begun anew instead."""
    whole = more.reply if more.reply.lstrip().startswith(OPEN) else start.reply + more.reply
    return _read(Said(more.kind, more.sample, whole, more.finish_reason))


def chains(said: Sequence[Said], samples: int) -> list[list[Said]]:
    """Return the replies of each of `samples` samples: the sample, its follow-ups, its replacement."""
    found: list[list[Said]] = []
    for sample in range(samples):
        mine = [one for one in said if one.sample == sample and one.kind != Kind.DIRECT]
        begun = [one for one in mine if one.kind == Kind.REASONED]
        instead = [one for one in said if one.sample == sample + samples and one.kind == Kind.REASONED]
        if begun:
            found.append([*begun, *(one for one in mine if one.kind != Kind.REASONED), *instead])
    return found


def direct_answer(said: Sequence[Said]) -> Answer | Reason | None:
    """Return the bare label among `said`, the parser's reason against it, or None where none was asked for."""
    reply = next((one for one in said if one.kind == Kind.DIRECT), None)
    if reply is None:
        return None
    found = parse(f"{OPEN}-{CLOSE}{reply.reply}")
    return found if isinstance(found, Answer) else found.reason
