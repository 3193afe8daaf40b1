"""What is wrong with one row of a set, beyond its keys and labels.

    feature 'rumor' of news-en-008 is not one of negation, rumour, ... (did you mean 'rumour'?)

The limits are those of the set, in benchmarks.rules.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from finsight_eval.errors import nearest, printable
from finsight_eval.exposing.similar import normal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.rules import Rules
    from benchmarks.sets import Placed

_SNAKE: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_HAN: Final = re.compile(r"[\u3400-\u9fff]")
_CONTROL: Final = re.compile(r"[^\S \n]|[\x00-\x09\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffd]")


def length(text: str, lang: str) -> int:
    """Return the length of `text`: words in English, characters other than white space in Chinese."""
    words = text.split()
    return len(words) if lang == "en" else sum(map(len, words))


def names(name: str, text: str, lang: str) -> bool:
    """Tell whether `text` contains `name`, in English as whole words."""
    if lang == "zh":
        return name in text
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


def row_problems(placed: Placed, rules: Rules) -> Iterator[str]:
    """Yield everything that is wrong with one item, without its place."""
    yield from _id_problems(placed, rules)
    yield from _text_problems(placed, rules)
    yield from _entity_problems(placed, rules)
    yield from _tag_problems(placed, rules)


def _id_problems(placed: Placed, rules: Rules) -> Iterator[str]:
    item, prefix = placed.item, rules.prefix[placed.split]
    member, shown = ("-[ab]", "-a or -b") if rules.pairs else ("", "")
    match = re.fullmatch(rf"{prefix}-{item.lang}-(\d{{3,6}}){member}", item.id)
    if match is None:
        yield f"id {printable(item.id, 40)!r} does not read {prefix}-{item.lang}-NUMBER{shown} (three to six digits)"
    elif rules.dev_every:
        due = "dev" if int(match[1]) % rules.dev_every == 0 else "test"
        if due != placed.split:
            yield f"id {item.id!r} belongs to {due}.jsonl (dev: numbers divisible by {rules.dev_every}); move the row"


def _text_problems(placed: Placed, rules: Rules) -> Iterator[str]:
    item = placed.item
    least, most = rules.length[item.lang]
    size, unit = length(item.text, item.lang), "words" if item.lang == "en" else "characters"
    if not least <= size <= most:
        yield f"text of {item.id} has {size} {unit}, {least} to {most} are allowed"
    if rules.hostile:
        return
    if found := _CONTROL.search(item.text):
        yield f"text of {item.id} holds the invisible or broken character U+{ord(found.group()):04X}; remove it"
    if item.text != item.text.strip():
        yield f"text of {item.id} begins or ends with white space; strip it"
    share = len(_HAN.findall(item.text)) / max(1, length(item.text, "zh"))
    if (item.lang == "zh") != (share >= 0.3):
        yield f"text of {item.id} is {share:.0%} Chinese characters, which does not fit lang {item.lang!r}"


def _entity_problems(placed: Placed, rules: Rules) -> Iterator[str]:
    item = placed.item
    if rules.hostile and not any(name in item.text for name in (item.entity, *item.aliases)):
        yield f"neither entity {item.entity!r} of {item.id} nor an alias occurs in the text; add the form that does"
    if not rules.hostile and not names(item.entity, item.text, item.lang):
        yield f"entity {item.entity!r} of {item.id} does not occur in the text; name it as the text does"
    seen = {normal(item.entity)}
    for alias in item.aliases:
        if not normal(alias) or alias != alias.strip():
            yield f"alias {printable(alias, 40)!r} of {item.id} is blank or has white space around it"
        elif normal(alias) in seen:
            yield f"alias {printable(alias, 40)!r} of {item.id} repeats the entity or another alias; drop it"
        seen.add(normal(alias))


def _tag_problems(placed: Placed, rules: Rules) -> Iterator[str]:
    item = placed.item
    for key, value in [("sector", item.sector), ("event", item.event), *(("feature", f) for f in item.features)]:
        if not _SNAKE.fullmatch(value):
            yield f"{key} {printable(value, 40)!r} of {item.id} is not snake_case, such as contract_win"
        elif key == "feature" and rules.features is not None and value not in rules.features:
            allowed = ", ".join(rules.features)
            yield f"feature {value!r} of {item.id} is not one of {allowed}{nearest(value, rules.features)}"
    if len(set(item.features)) != len(item.features):
        yield f"features of {item.id} name one twice"
