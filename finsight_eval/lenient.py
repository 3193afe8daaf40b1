"""The lenient reading: the best answer that can be defended from a reply that broke the contract.

    <think>...</think> ```json {"Entity": "宁德时代", "sentiment": "利好", "risk": "低",} ```
        -> Answer(entity="宁德时代", sentiment="Positive", risk_level="Low")

It forgives fences, other thinking tags, a missing thinking block, broken JSON (through the json_repair library), other
spellings of the keys and synonyms of the labels. It does not guess: two objects that disagree, a label that names two
classes or none, or a missing key stay `Unparsed`. Knowledge and obedience are two numbers; this one is no headline.
"""

from __future__ import annotations

import re
from typing import Any, Final

import json_repair

from finsight_eval.labels import RISK_WORDS, SENTIMENT_WORDS, label_of
from finsight_eval.parse import Answer, Reason, Unparsed, parse

#: Repair is not linear in the worst case, and no honest answer is this long.
_LONGEST_OBJECT: Final = 4_000
_MOST_OBJECTS: Final = 8

_TAG = re.compile(r"</?think(?:ing)?>", re.IGNORECASE)
_KEYS: Final = {
    "entity": "entity", "company": "entity", "asset": "entity", "name": "entity", "实体": "entity", "公司": "entity",
    "sentiment": "sentiment", "情绪": "sentiment", "情感": "sentiment", "情感倾向": "sentiment",
    "risklevel": "risk_level", "risk": "risk_level", "风险": "risk_level", "风险等级": "risk_level",
    "风险水平": "risk_level",
}  # fmt: skip


def parse_lenient(reply: str) -> Answer | Unparsed:
    """Return the lenient reading of `reply`; equal to the strict one wherever that is an answer."""
    strict = parse(reply)
    if isinstance(strict, Answer):
        return strict
    thinking, tail = _split(reply)
    readings = {reading for span in _object_spans(tail) if isinstance(reading := _reading(span), Answer)}
    if len(readings) > 1:
        return Unparsed(Reason.SEVERAL_OBJECTS)
    if not readings:
        return strict
    (only,) = readings
    return Answer(thinking, only.entity, only.sentiment, only.risk_level)


def _split(reply: str) -> tuple[str, str]:
    """Return (thinking, the rest): the rest follows the last thinking tag, or is the whole reply."""
    tags = list(_TAG.finditer(reply))
    if not tags:
        return "", reply
    return reply[tags[0].end() : tags[-1].start()].strip(), reply[tags[-1].end() :]


def _object_spans(text: str) -> list[str]:
    """Return the outermost brace groups of `text`, an unclosed last one included, in one pass."""
    spans: list[str] = []
    depth = start = 0
    for match in re.finditer(r"[{}]", text):
        if match.group() == "{":
            start = match.start() if depth == 0 else start
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0:
                spans.append(text[start : match.end()])
    if depth:
        spans.append(text[start:])
    return [span for span in spans if len(span) <= _LONGEST_OBJECT][-_MOST_OBJECTS:]


def _reading(span: str) -> Answer | None:
    try:
        value = json_repair.loads(span)
    except (ValueError, RecursionError, IndexError, TypeError):
        return None
    if not isinstance(value, dict):
        return None
    fields = {name: text for key, text in value.items() if (name := _key(key)) and isinstance(text, str)}
    sentiment = label_of(fields.get("sentiment", ""), SENTIMENT_WORDS)
    risk_level = label_of(fields.get("risk_level", ""), RISK_WORDS)
    entity = fields.get("entity", "").strip().encode("utf-8", "ignore").decode()
    return Answer("", entity, sentiment, risk_level) if entity and sentiment and risk_level else None


def _key(key: Any) -> str | None:
    return _KEYS.get(str(key).casefold().replace("_", "").replace(" ", "").replace("-", ""))
