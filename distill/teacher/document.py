r"""The text with its parties marked: each mention of a company becomes one private character, so that phrases can
name parties and a long company name counts as one word.

    "Halden Motors sued Orlo Bank."  ->  masked "\ue000 sued \ue001.", parties ("Halden Motors", "Orlo Bank")
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final, NamedTuple

from distill.teacher.names_en import Name, english_names
from distill.teacher.names_zh import chinese_names
from distill.teacher.phrases import PARTY
from distill.teacher.text import Span, clauses, cleaned, language, lowered, sentences

_FIRST: Final = 0xE000
_MOST: Final = 400
MENTION: Final = re.compile(f"[{PARTY}]")
_KINDS: Final = "company|group|firm|lender|carmaker|drugmaker|chipmaker|retailer|maker|insurer|miner|airline|bank"
_PRONOUN: Final = {
    "en": re.compile(rf"\b[Tt]he (?:{_KINDS})\b(?! of)"),
    "zh": re.compile(r"该(?:公司|集团|企业|行|股)|(?<![一-鿿])公司(?=[将称拟已表预因董股公披]|$)"),
}


class Document(NamedTuple):
    """A cleaned text and its masked twin (lower case); spans of sentences and clauses refer to the twin."""

    text: str
    lang: str
    masked: str
    origin: tuple[int, ...]
    parties: tuple[str, ...]
    sentences: tuple[Span, ...]
    clauses: tuple[Span, ...]

    def original(self, start: int, end: int) -> str:
        """Return the piece of the text that stands behind masked[start:end]."""
        return self.text[self.origin[start] : self.origin[end]]

    def party(self, mark: str) -> str:
        """Return the name behind a private character."""
        return self.parties[ord(mark) - _FIRST]

    def mark(self, name: str) -> str:
        """Return the private character of a party."""
        return chr(_FIRST + self.parties.index(name))


def document(raw: str) -> Document:
    """Return `raw` cleaned, its parties found and marked."""
    text = MENTION.sub(" ", cleaned(raw))
    lang = language(text)
    names = (chinese_names(text) if lang == "zh" else english_names(text))[:_MOST]
    parties = tuple(dict.fromkeys(n.name for n in names))
    masked, origin = _masked(text, _with_pronouns(text, lang, names), parties)
    spans = sentences(masked)
    pieces = tuple(c for s in spans for c in clauses(masked, s, lang))
    return Document(text, lang, lowered(masked), origin, parties, tuple(spans), pieces)


def _with_pronouns(text: str, lang: str, names: list[Name]) -> list[Name]:
    """Add "the company" as a mention of the party that it stands for: the one most spoken of, else the last subject."""
    counts = Counter(n.name for n in names)
    taken = [(n.start, n.end) for n in names]
    added = []
    for match in _PRONOUN[lang].finditer(text):
        before = [n for n in names if n.end <= match.start()]
        if before and not any(a < match.end() and match.start() < b for a, b in taken):
            top = max(counts[n.name] for n in before)
            name = next(n.name for n in reversed(before) if counts[n.name] == top)
            added.append(Name(match.start(), match.end(), name, sure=False))
    return sorted([*names, *added])


def _masked(text: str, names: list[Name], parties: tuple[str, ...]) -> tuple[str, tuple[int, ...]]:
    """Return the masked text and, for each of its characters (and its end), the place in the text."""
    index = {name: chr(_FIRST + i) for i, name in enumerate(parties)}
    pieces, origin, at = [], [], 0
    for name in names:
        if name.start < at:
            continue
        pieces += [text[at : name.start], index[name.name]]
        origin += [*range(at, name.start), name.start]
        at = name.end
    return "".join(pieces) + text[at:], (*origin, *range(at, len(text) + 1))
