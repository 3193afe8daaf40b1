"""The lenient reading: the best answer that can be defended from a reply that broke the contract.

    <think>...</think> ```json {"Entity": "宁德时代", "sentiment": "利好", "risk": "低",} ```
        -> Answer(entity="宁德时代", sentiment="Positive", risk_level="Low")

It forgives fences, other thinking tags, a missing thinking block, a verdict inside it where nothing follows, an object
around the verdict, broken JSON (through the json_repair library), other spellings of the keys and synonyms of the
labels. It does not guess: two verdicts that disagree, a key that stands twice with two values, a label that names two
classes or none, or a missing key stay `Unparsed`. Knowledge and obedience are two numbers; this one is no headline.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import json_repair

from finsight_eval.labels import RISK_WORDS, SENTIMENT_WORDS, label_of
from finsight_eval.parse import KEPT, LONGEST_KEPT, Answer, Reason, Unparsed, parse

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Repair is not linear in the worst case. Broken JSON is repaired up to this length, sound JSON is read at any.
_LONGEST_REPAIR: Final = 1_000
_MOST_OBJECTS: Final = 8

_TAG = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)
_BRACE = re.compile(r"[{}]")
#: The contract's own keys, and what may stand for them where they are missing.
_OWN_KEYS: Final = {"entity": "entity", "sentiment": "sentiment", "risklevel": "risk_level"}
_OTHER_KEYS: Final = {
    "company": "entity", "asset": "entity", "name": "entity", "实体": "entity", "公司": "entity",
    "情绪": "sentiment", "情感": "sentiment", "情感倾向": "sentiment",
    "risk": "risk_level", "风险": "risk_level", "风险等级": "risk_level", "风险水平": "risk_level",
}  # fmt: skip
#: A label's key and its colon, in whatever quotes. Of two values, or of a torn object and a sound one after it, a
#: repair makes one that nobody said: text with a key or an opening brace more than a verdict has is not repaired.
_LABEL_KEYS: Final = (
    re.compile(r"(?:sentiment|情[绪感](?:倾向)?)[\"'`“”‘’\s]*[:：]", re.IGNORECASE),
    re.compile(r"(?:risk(?:[\s_-]?level)?|风险(?:等级|水平)?)[\"'`“”‘’\s]*[:：]", re.IGNORECASE),
)


def parse_lenient(reply: str, strict: Answer | Unparsed | None = None) -> Answer | Unparsed:
    """Return the lenient reading of `reply`; the strict one, which may be given, where that is an answer."""
    strict = strict or parse(reply)
    if isinstance(strict, Answer):
        return strict
    thinking, tail = _split(reply)
    said = tail if tail.strip() else thinking
    readings = _kept_readings(said) if len(said) < LONGEST_KEPT else _readings(said)
    if len(readings) > 1:
        return Unparsed(Reason.SEVERAL_OBJECTS)
    if not readings:
        return strict
    (only,) = readings
    return Answer(thinking, only.entity, only.sentiment, only.risk_level)


def _readings(text: str) -> frozenset[Answer]:
    """Return the different verdicts that the objects of `text` hold, without reasoning."""
    return frozenset(answer for value in objects_in(text) if (answer := _answer(value)))


_kept_readings: Final = lru_cache(maxsize=KEPT)(_readings)


def _split(reply: str) -> tuple[str, str]:
    """Return (thinking, the rest): the rest follows the last thinking tag, or is the whole reply."""
    tags = list(_TAG.finditer(reply))
    if not tags:
        return "", reply
    start = 0 if tags[0][1] else tags[0].end()  # a lone </think>: the prompt had opened the block
    return reply[start : tags[-1].start()].strip(), reply[tags[-1].end() :]


def objects_in(text: str) -> list[dict[str, Any]]:
    """Return the last few outermost objects of `text`, sound or repaired, under the contract's keys where they fit."""
    found: list[dict[str, Any]] = []
    position = 0
    for start, end in _brace_groups(text)[-_MOST_OBJECTS:]:
        if start < position:  # inside a string of the object before
            continue
        sound = _sound(text, start)
        position = sound[1] if sound else end
        value = sound[0] if sound else _repaired(text[start:end])
        if value is not None:
            found.append(value)
    return found


def _brace_groups(text: str) -> list[tuple[int, int]]:
    """Return start and end of the outermost brace groups of `text`, an unclosed last one included, in one pass."""
    groups: list[tuple[int, int]] = []
    depth = start = 0
    for match in _BRACE.finditer(text):
        if match.group() == "{":
            start = match.start() if depth == 0 else start
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0:
                groups.append((start, match.end()))
    return [*groups, (start, len(text))] if depth else groups


def _sound(text: str, start: int) -> tuple[dict[str, Any], int] | None:
    """Return the JSON object that begins at `start` and its end; braces inside strings are no braces of its own."""
    try:
        value, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return value, end


def _repaired(span: str) -> dict[str, Any] | None:
    """Return what json_repair makes of `span`, None where it is too long, or not one verdict by keys and braces."""
    if len(span) > _LONGEST_REPAIR or span.count("{") != 1 or any(len(key.findall(span)) != 1 for key in _LABEL_KEYS):
        return None
    try:
        value = json_repair.loads(span, skip_json_loads=True)
    except (ValueError, RecursionError, IndexError, TypeError):
        return None
    return _fields(value.items()) if isinstance(value, dict) else None


def _fields(pairs: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
    """Return an object under the contract's names; a name that stands for two values has none."""
    own: dict[str, Any] = {}
    other: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for key, value in pairs:
        plain = str(key).casefold().replace("_", "").replace(" ", "").replace("-", "")
        known, name = (own, _OWN_KEYS[plain]) if plain in _OWN_KEYS else (other, _OTHER_KEYS.get(plain))
        if name is None:
            rest[str(key)] = value
        else:
            known[name] = value if isinstance(value, str) and known.get(name, value) == value else None
    return rest | other | own


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_fields)


def _answer(value: dict[str, Any]) -> Answer | None:
    """Return the verdict in `value`, or in the one object inside it that holds one."""
    inner = {answer for v in value.values() if isinstance(v, dict) and (answer := _verdict(v))}
    return _verdict(value) or (inner.pop() if len(inner) == 1 else None)


def _verdict(value: dict[str, Any]) -> Answer | None:
    entity, sentiment, risk_level = (
        found if isinstance(found := value.get(name), str) else "" for name in _OWN_KEYS.values()
    )
    mood, risk = label_of(sentiment, SENTIMENT_WORDS), label_of(risk_level, RISK_WORDS)
    entity = entity.strip().encode("utf-8", "ignore").decode()
    return Answer("", entity, mood, risk) if entity and mood and risk else None
