"""The strict reading of a reply: an `Answer`, or `Unparsed` with a reason from a closed list.

    <thinking>
    GPT-5 needs more computing -> orders for accelerators rise -> NVIDIA's revenue grows
    </thinking>
    {"entity": "NVIDIA", "sentiment": "Positive", "risk_level": "Low"}

One thinking block, then one JSON object that validates against the schema, then nothing; white space between them is
free. The scan is linear in the length of the reply and raises on no input whatever: replies are hostile.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, ClassVar, Final

from finsight_eval.labels import RISK_LEVELS, SENTIMENTS
from finsight_eval.schema import KEYS, conforms

#: The object as nearly every model writes it, without escapes: what matches is JSON and conforms, its entity not being
#: blank. It spares the decoder; whatever does not match goes to it.
_PLAIN: Final = re.compile(
    r'\{ ?"entity": ?"(?P<entity>[^"\\\x00-\x1f]+)", ?'
    rf'"sentiment": ?"(?P<sentiment>{"|".join(SENTIMENTS)})", ?'
    rf'"risk_level": ?"(?P<risk_level>{"|".join(RISK_LEVELS)})" ?\}}'
)
#: Models agree on most verdicts: what follows the reasoning is the same text again and again, and is read once. Replies
#: are hostile, so no longer text is kept.
LONGEST_KEPT: Final = 400
KEPT: Final = 1 << 14
OPEN: Final = "<thinking>"
CLOSE: Final = "</thinking>"


class Reason(StrEnum):
    """Why a reply is no answer. The list is closed: reports and training filters count by it."""

    EMPTY = "empty"
    TRUNCATED = "truncated"
    NO_THINKING = "no thinking"
    TEXT_BEFORE_THINKING = "text before the thinking"
    SEVERAL_THINKING = "several thinking blocks"
    EMPTY_THINKING = "empty thinking"
    NO_JSON = "no JSON"
    FENCED_JSON = "fenced JSON"
    TEXT_BEFORE_JSON = "text before the JSON"
    MALFORMED_JSON = "malformed JSON"
    NOT_AN_OBJECT = "not a JSON object"
    DUPLICATE_KEY = "duplicate key"
    MISSING_KEY = "missing key"
    UNKNOWN_KEY = "unknown key"
    WRONG_TYPE = "wrong type"
    EMPTY_ENTITY = "empty entity"
    UNKNOWN_LABEL = "unknown label"
    SEVERAL_OBJECTS = "several objects"
    TEXT_AFTER_JSON = "text after the JSON"


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply that keeps the contract."""

    thinking: str
    entity: str
    sentiment: str
    risk_level: str


@dataclass(frozen=True, slots=True)
class Unparsed:
    """The model's fault: scored wrong everywhere."""

    reason: Reason

    sentiment: ClassVar[None] = None
    risk_level: ClassVar[None] = None


@dataclass(frozen=True, slots=True)
class Failed:
    """Ours or the API's fault: counted, never scored; a run with any is not publishable."""

    error: str

    sentiment: ClassVar[None] = None
    risk_level: ClassVar[None] = None


class _DuplicateKeyError(ValueError):
    pass


def _closed_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise _DuplicateKeyError
    return dict(pairs)


def _refused_constant(name: str) -> Any:
    raise ValueError(name)


_HALF_PAIR: Final = re.compile("[\ud800-\udfff]")
_DECODER: Final = json.JSONDecoder(object_pairs_hook=_closed_object, parse_constant=_refused_constant)


def parse(reply: str) -> Answer | Unparsed:
    """Return the strict reading of `reply` under contract version 1."""
    text = reply.strip()
    if not text:
        return Unparsed(Reason.EMPTY)
    start = text.find(OPEN)
    if start != 0:
        return Unparsed(Reason.NO_THINKING if start < 0 else Reason.TEXT_BEFORE_THINKING)
    end = text.find(CLOSE)
    if end < 0:
        return Unparsed(Reason.TRUNCATED)
    thinking, tail = text[len(OPEN) : end].strip(), text[end + len(CLOSE) :].lstrip()
    if OPEN in thinking or OPEN in tail or CLOSE in tail:
        return Unparsed(Reason.SEVERAL_THINKING)
    if not thinking:
        return Unparsed(Reason.EMPTY_THINKING)
    found = _kept_fields(tail) if len(tail) < LONGEST_KEPT else _fields(tail)
    return Unparsed(found) if isinstance(found, Reason) else Answer(thinking, *found)


def _fields(tail: str) -> tuple[str, str, str] | Reason:
    """Return entity, sentiment and risk level of the object that makes up all of `tail`, or why it gives none."""
    if (plain := _PLAIN.fullmatch(tail)) and (entity := plain["entity"].strip()) and _is_unicode(entity):
        return entity, plain["sentiment"], plain["risk_level"]
    read = _object_at_start(tail)
    return _checked(read) if isinstance(read, dict) else read


_kept_fields: Final = lru_cache(maxsize=KEPT)(_fields)


def _object_at_start(tail: str) -> dict[str, Any] | Reason:
    """Return the JSON object that makes up all of `tail`, or the reason why it does not."""
    if not tail.startswith("{"):
        return _why_no_object(tail)
    try:
        value, end = _DECODER.raw_decode(tail)
    except _DuplicateKeyError:
        return Reason.DUPLICATE_KEY
    except json.JSONDecodeError as error:
        cut = error.pos >= len(tail) or error.msg.startswith("Unterminated string")
        return Reason.TRUNCATED if cut else Reason.MALFORMED_JSON
    except (ValueError, RecursionError):
        return Reason.MALFORMED_JSON
    rest = tail[end:].strip()
    if rest:
        return Reason.SEVERAL_OBJECTS if rest.startswith("{") else Reason.TEXT_AFTER_JSON
    return value if isinstance(value, dict) else Reason.NOT_AN_OBJECT


def _why_no_object(tail: str) -> Reason:
    if tail.startswith("["):
        return Reason.NOT_AN_OBJECT
    if "{" not in tail:
        return Reason.NO_JSON
    return Reason.FENCED_JSON if tail.startswith("```") else Reason.TEXT_BEFORE_JSON


def _checked(value: dict[str, Any]) -> tuple[str, str, str] | Reason:
    """Return the fields in `value`, which the schema decides on; the reason only explains its refusal."""
    if conforms(value) and _is_unicode(value["entity"]):
        return value["entity"].strip(), value["sentiment"], value["risk_level"]
    if any(key not in value for key in KEYS):
        return Reason.MISSING_KEY
    if len(value) > len(KEYS):
        return Reason.UNKNOWN_KEY
    if not all(isinstance(value[key], str) for key in KEYS):
        return Reason.WRONG_TYPE
    if not value["entity"].strip():
        return Reason.EMPTY_ENTITY
    return Reason.UNKNOWN_LABEL if _is_unicode(value["entity"]) else Reason.MALFORMED_JSON


def _is_unicode(text: str) -> bool:
    r"""Tell whether `text` can be written as UTF-8: JSON allows lone surrogates ("\ud800"), files do not."""
    return text.isascii() or _HALF_PAIR.search(text) is None


def render(answer: Answer) -> str:
    """Return the reply that states `answer`: the inverse of `parse`, used for training targets and tests."""
    verdict = {"entity": answer.entity, "sentiment": answer.sentiment, "risk_level": answer.risk_level}
    return f"{OPEN}\n{answer.thinking}\n{CLOSE}\n{json.dumps(verdict, ensure_ascii=False)}"
