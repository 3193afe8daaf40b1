"""Local repair: a reply whose form is broken and whose verdict is not, read as the contract would have it.

    <think>orders fall</think>```json {"entity": "Halden", "sentiment": "negative", "risk_level": "High",} ```
        -> Answer("orders fall", "Halden", "Negative", "High")

Only the form is mended: other thinking tags, fences, words around the object, a trailing comma, a missing bracket, the
case of a label. A label that has to be translated ("bullish"), a value that was cut off, a verdict given twice or no
reasoning at all are no matters of form: such a reply is asked for again, and never taught.
"""

from __future__ import annotations

import re
from typing import Final

from finsight_eval.lenient import objects_in, parse_lenient
from finsight_eval.parse import Answer, parse, render

_BLOCK: Final = re.compile(r"<(think(?:ing)?)>(.*?)</\1>", re.DOTALL | re.IGNORECASE)
_MARKS: Final = re.compile(r"<[/ ]*think(?:ing)?\s*>|```", re.IGNORECASE)
_QUOTES: Final = (('"', '"'), ("'", "'"), ("“", "”"))


def repaired(reply: str) -> Answer | None:
    """Return the answer in `reply` where nothing but its form is wrong, None where more is, or nothing."""
    blocks = _BLOCK.findall(reply)
    if len(blocks) != 1 or len(_MARKS.findall(reply.replace("```", ""))) != 2:
        return None
    thinking = blocks[0][1].strip()
    tail = reply[_BLOCK.search(reply).end() :]  # type: ignore[union-attr]
    found = parse_lenient(reply)
    if not thinking or not isinstance(found, Answer):
        return None
    spoken = [value for value in objects_in(tail) if _says(value, found)]
    if len(spoken) != 1 or not all(_quoted(str(value), tail) for value in spoken[0].values()):
        return None
    answer = Answer(thinking, found.entity, found.sentiment, found.risk_level)
    return answer if _keeps_the_contract(answer) else None


def _says(value: dict[str, object], answer: Answer) -> bool:
    """Tell whether an object states the very labels of `answer`, their case apart, and nothing besides the verdict."""
    wanted = {"entity": answer.entity, "sentiment": answer.sentiment, "risk_level": answer.risk_level}
    return value.keys() == wanted.keys() and all(
        str(value[key]).strip().casefold() == said.casefold() for key, said in wanted.items()
    )


def _quoted(value: str, text: str) -> bool:
    """Tell whether `value` stands in `text` between two quotes, whole: an unclosed one was cut off."""
    return any(f"{left}{value}{right}" in text for left, right in _QUOTES)


def _keeps_the_contract(answer: Answer) -> bool:
    return parse(render(answer)) == answer
