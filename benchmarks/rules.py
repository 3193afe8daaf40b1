"""What every row of a set must satisfy, beyond its keys and labels; each set has its own limits.

    RULES["news"].length["en"] -> (30, 160)        dev holds the ids whose number is divisible by five

The features of `news` are a closed list, so that a slice cannot be split by a misspelling. The simulator names its own.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from finsight_eval.errors import nearest, printable
from finsight_eval.labels import RISK_LEVELS, SENTIMENTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.sets import Placed

FEATURES: Final = (
    "negation", "rumour", "denial", "hedge", "mixed", "priced_in", "numbers", "consensus", "guidance",
    "opposite_fortunes", "routine", "distractor",
)  # fmt: skip
COMBINATIONS: Final = tuple(f"{sentiment}/{risk}" for sentiment in SENTIMENTS for risk in RISK_LEVELS)

_SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_HAN = re.compile(r"[\u3400-\u9fff]")
_CONTROL = re.compile(r"[^\S \n]|[\x00-\x09\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffd]")


@dataclass(frozen=True)
class Rules:
    """The limits of one set.

    Attributes:
        prefix: split -> what its ids begin with, before "-LANG-NUMBER".
        length: language -> fewest and most words (English) or characters (Chinese).
        near: two texts whose shingles overlap this much (Jaccard) are near-duplicates.
        dev_every: dev holds the ids whose number is divisible by it; None where the prefix tells the split.
        features: the closed list, or None where any snake_case word is allowed.
        least: (group, key) of the counts table -> fewest rows.
        least_distinct: group of the counts table -> fewest different values.
    """

    prefix: Mapping[str, str]
    length: Mapping[str, tuple[int, int]]
    near: float
    dev_every: int | None = None
    features: tuple[str, ...] | None = None
    least: Mapping[tuple[str, str], int] = field(default_factory=dict)
    least_distinct: Mapping[str, int] = field(default_factory=dict)


RULES: Final[dict[str, Rules]] = {
    "news": Rules(
        prefix={"dev": "news", "test": "news"},
        length={"en": (30, 160), "zh": (60, 260)},
        near=0.35,
        dev_every=5,
        features=FEATURES,
        least={
            ("rows", "test/en"): 44,
            ("rows", "test/zh"): 24,
            ("order", "2 or 3"): 25,
            **{("labels", combination): 5 for combination in COMBINATIONS},
        },
        least_distinct={"sector": 14, "event": 24},
    ),
    "simulated": Rules(
        prefix={"dev": "sim-dev", "test": "sim-test"},
        length={"en": (5, 200), "zh": (10, 400)},
        near=0.9,
        least={("rows", "test"): 300},
    ),
}


def length(text: str, lang: str) -> int:
    """Return the length of `text`: words in English, characters other than white space in Chinese."""
    words = text.split()
    return len(words) if lang == "en" else sum(map(len, words))


def plain(text: str) -> str:
    """Return `text` as duplicates are compared: NFKC, without case, letters and digits only."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def names(name: str, text: str, lang: str) -> bool:
    """Tell whether `text` contains `name`, in English as whole words."""
    if lang == "zh":
        return name in text
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


def row_problems(placed: Placed, rules: Rules) -> Iterator[str]:
    """Yield everything that is wrong with one item, without its place."""
    yield from _id_problems(placed, rules)
    yield from _text_problems(placed, rules)
    yield from _entity_problems(placed)
    yield from _tag_problems(placed, rules)


def _id_problems(placed: Placed, rules: Rules) -> Iterator[str]:
    item, prefix = placed.item, rules.prefix[placed.split]
    match = re.fullmatch(rf"{prefix}-{item.lang}-(\d{{3,6}})", item.id)
    if match is None:
        yield f"id {printable(item.id, 40)!r} does not read {prefix}-{item.lang}-NUMBER (three to six digits)"
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
    if found := _CONTROL.search(item.text):
        yield f"text of {item.id} holds the invisible or broken character U+{ord(found.group()):04X}; remove it"
    if item.text != item.text.strip():
        yield f"text of {item.id} begins or ends with white space; strip it"
    share = len(_HAN.findall(item.text)) / max(1, length(item.text, "zh"))
    if (item.lang == "zh") != (share >= 0.3):
        yield f"text of {item.id} is {share:.0%} Chinese characters, which does not fit lang {item.lang!r}"


def _entity_problems(placed: Placed) -> Iterator[str]:
    item = placed.item
    if not names(item.entity, item.text, item.lang):
        yield f"entity {item.entity!r} of {item.id} does not occur in the text; name it as the text does"
    seen = {plain(item.entity)}
    for alias in item.aliases:
        if not plain(alias) or alias != alias.strip():
            yield f"alias {printable(alias, 40)!r} of {item.id} is blank or has white space around it"
        elif plain(alias) in seen:
            yield f"alias {printable(alias, 40)!r} of {item.id} repeats the entity or another alias; drop it"
        seen.add(plain(alias))


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
