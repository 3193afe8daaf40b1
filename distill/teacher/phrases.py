"""The small pattern language of the lexicon, and the table that finds its phrases in a text quickly.

    "win* ~ order/contract"   matches   "wins a five-year supply contract"
    "(失去|丢掉)~订单"          matches   "失去最大客户的订单"

English: words apart by spaces; `*` ends a stem, `/` parts alternatives, `~` spans up to five words, `9` is a figure,
`(word)` may be absent. Chinese: characters, `~` spans up to ten of them, `9` is a figure, `(a|b)` parts alternatives.
`A` and `B` are two parties, which the text shows as one private character each (see document.py). No gap crosses the
end of a clause; between two parties it is longer and may step over one comma.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

PARTY: Final = "\ue000-\uf8ff"
_UNITS = "per cent|percent|percentage points?|basis points|million|billion|thousand|trillion|crore"
_FIGURE_EN = (
    r"(?:[$€£¥]|rs\.? ?|eur ?|usd ?)?\d(?:[\d,]*\d)?(?:\.\d+)?"
    rf"(?:%|[a-z]{{1,3}}\b|-[a-z]+)?(?: (?:{_UNITS}))?"
)
_FIGURE_ZH = r"[\d一二三四五六七八九十百两][\d.,一二三四五六七八九十百千]*(?:%|％|万亿|亿|万|个百分点|成)?"
_WORD = r"(?:[^\s.,;:!?]+ |[$€£]?\d[\d,]*(?:\.\d)?\S* )"
_GAP_EN = rf"{_WORD}{{0,5}}?"
_GAP_ZH = r"[^。；！？，\n]{0,10}?"
_LINK_EN = rf"{_WORD}{{0,9}}?(?:[^\s.,;:!?]+, )?(?:[^\s.,;:!?]+ ){{0,3}}?"
_LINK_ZH = r"[^。；！？，\n]{0,16}?(?:，[^。；！？，\n]{0,6}?)?"
_HEAD: Final = {"en": 4, "zh": 2}


class Hit(NamedTuple):
    """One phrase found: the key it stands under, its place, and the parties it names as A and B ("" for none)."""

    key: str
    start: int
    end: int
    a: str
    b: str


class Phrase(NamedTuple):
    """One compiled phrase; a text that it matches holds, for every set of `heads`, one member (see `_heads_in`)."""

    key: str
    heads: tuple[frozenset[str], ...]
    pattern: re.Pattern[str]


def _party(name: str, source: str) -> str:
    return f"(?P={name})" if f"(?P<{name}>" in source else f"(?P<{name}>[{PARTY}])"


def _head(word: str) -> str:
    match = re.match(r"\w+", word)
    return match.group()[: _HEAD["en"]] if match else ""


def english_phrase(key: str, source: str) -> Phrase:
    """Compile one English phrase of the lexicon; it is matched against lower-case text."""
    body, heads = "", []
    gap = _LINK_EN if {"A", "B"} <= {t.removesuffix("'s") for t in source.split()} else _GAP_EN
    for item in source.split():
        name, genitive = item.removesuffix("'s"), item.endswith("'s")
        words = [w for w in item.strip("()").split("/") if w]
        if item == "~":
            body += gap
        elif item == "9":
            body += _FIGURE_EN + " "
        elif name in {"A", "B"}:
            body += _party(name, body) + (r"['’]s?[ ,]+" if genitive else r"(?:['’]s?)?[ ,]+")
        else:
            choice = "|".join(re.escape(w[:-1]) + r"[\w'’-]*" if w.endswith("*") else re.escape(w) for w in words)
            body += f"(?:(?:{choice}) )?" if item.startswith("(") else f"(?:{choice}) "
            if not item.startswith("("):
                heads.append(frozenset(map(_head, words)))
    body = body.removesuffix("[ ,]+").removesuffix(" ")
    return Phrase(key, tuple(h for h in heads if "" not in h), re.compile(rf"(?<!\w){body}(?!\w)"))


def chinese_phrase(key: str, source: str) -> Phrase:
    """Compile one Chinese phrase of the lexicon."""
    body = ""
    gap = _LINK_ZH if "A" in source and "B" in source else _GAP_ZH
    for piece in re.split(r"([~9AB])", source):
        body += _party(piece, body) if piece in {"A", "B"} else {"~": gap, "9": _FIGURE_ZH}.get(piece, piece)
    literals = [(part,) for part in re.split(r"[~9AB]|\([^)]*\)\??|.\?", source) if part]
    groups = [tuple(g.split("|")) for g in re.findall(r"\(([^)]*)\)(?!\?)", source)]
    heads = tuple(frozenset(word[: _HEAD["zh"]] for word in choice) for choice in [*literals, *groups] if all(choice))
    return Phrase(key, heads, re.compile(body))


class Table:
    """Phrases indexed by one of their sets of heads, so that a text is tried against few of them."""

    def __init__(self, phrases: Iterable[Phrase], lang: str) -> None:
        """Index `phrases` of one language; each must hold at least one literal word."""
        self._lang = lang
        self._by_head: dict[str, list[Phrase]] = {}
        known = list(phrases)
        uses = Counter(head for phrase in known for heads in phrase.heads for head in heads)
        for phrase in known:
            rarest = min(phrase.heads, key=lambda h: (sum(uses[head] + 300 // len(head) ** 3 for head in h), sorted(h)))
            for head in rarest:
                self._by_head.setdefault(head, []).append(phrase)

    def hits(self, text: str) -> list[Hit]:
        """Return every match in `text` (lower case for English), earliest first, longest first at one place."""
        heads = _heads_in(text, self._lang)
        found: set[Hit] = set()
        for phrase in {id(p): p for head in heads & self._by_head.keys() for p in self._by_head[head]}.values():
            if _may_match(phrase, heads):
                found.update(_hit(phrase.key, match) for match in phrase.pattern.finditer(text))
        return sorted(found, key=lambda h: (h.start, -h.end, h.key, h.a, h.b))


def _may_match(phrase: Phrase, heads: frozenset[str]) -> bool:
    for choice in phrase.heads:  # noqa: SIM110 (`all` over a generator costs a third of the analyst's time)
        if choice.isdisjoint(heads):
            return False
    return True


@lru_cache(maxsize=1)
def _heads_in(text: str, lang: str) -> frozenset[str]:
    """Return a text's heads: of English words their first one to four letters, in Chinese all (pairs of) characters."""
    if lang == "zh":
        return frozenset((*text, *map("".join, pairwise(text))))
    words = set(re.findall(r"\w+", text))
    return frozenset(head for word in words for head in (word[:1], word[:2], word[:3], word[:4]))


def _hit(key: str, match: re.Match[str]) -> Hit:
    named = match.groupdict()
    return Hit(key, match.start(), match.end(), named.get("A") or "", named.get("B") or "")
