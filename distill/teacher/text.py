"""The news text as the analyst reads it: cleaned, its language told, cut into sentences and clauses.

    "Halden Motors recalls 12,000 cars. The cost is insured."  ->  en, two sentences, two clauses

Spans are offsets into the cleaned text; a number's point or comma (3.5, 12,000) parts nothing.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

#: A headline and its lead decide; what follows this many characters is not read.
MAX_CHARS: Final = 4_000

_CJK = re.compile(r"[\u3400-\u9fff]")
_LETTER = re.compile(r"[A-Za-z]{2,}")
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]+")
_TAGS = re.compile(r"</?[A-Za-z][^<>\n]{0,80}>|https?://\S+")
_SENTENCE = re.compile(
    r"(?<=[。！？!?])\s*|\n+|(?<=[\w\ue000-\uf8ff)\"'”’%][.])\s+(?=[\"'“‘(\[$€£]?[A-Z0-9\u3400-\u9fff\ue000-\uf8ff])"
)
_ABBREVIATED = re.compile(r"\b(?:Inc|Corp|Co|Ltd|Mr|Ms|Mrs|Dr|vs|No|St|U\.S|U\.K|approx|est|Rs|[A-Z])\.$")
_CLAUSE_EN = re.compile(
    r",(?!\d)\s+|[:;]\s+|\s+[-–—]+\s+|[–—]|\s+(?=(?:but|while|whereas|although|though|however|because|after|as|despite|and|which|who|whose|so|since|amid)\s)",
    re.IGNORECASE,
)
_CLAUSE_ZH = re.compile(r"[，,：:；;](?!\d)|——|(?=(?:但|而|不过|尽管|虽然|由于|因为|导致|使得|其中))")


class Span(NamedTuple):
    """A piece of the cleaned text."""

    start: int
    end: int


def cleaned(raw: str) -> str:
    """Return `raw` without tags, links, control and bidirectional characters, blanks collapsed, cut at MAX_CHARS."""
    head = raw[: MAX_CHARS * 4].replace("\t", " ").replace("\r", "\n")
    head = _TAGS.sub(" ", _UNSEEN.sub(" ", head)).replace("\u3000", " ").replace("\xa0", " ")
    return re.sub(r" {2,}", " ", re.sub(r"\s*\n\s*", "\n", head)).strip()[:MAX_CHARS]


def lowered(text: str) -> str:
    """Return `text` in lower case, character for character (so that spans keep their places)."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def cjk_count(text: str) -> int:
    """Return the number of Chinese characters in `text`."""
    return len(_CJK.findall(text))


def language(text: str) -> str:
    """Return "zh" where Chinese characters outnumber half of the Latin words, else "en"."""
    return "zh" if cjk_count(text) > len(_LETTER.findall(text)) / 2 else "en"


def sentences(text: str) -> list[Span]:
    """Return the sentences of `text`, in order, without blank ones."""
    cuts = [m for m in _SENTENCE.finditer(text) if not _ABBREVIATED.search(text, max(0, m.start() - 8), m.start())]
    return _pieces(text, Span(0, len(text)), cuts)


def clauses(text: str, sentence: Span, lang: str) -> list[Span]:
    """Return the clauses of one sentence, in order."""
    pattern = _CLAUSE_ZH if lang == "zh" else _CLAUSE_EN
    return _pieces(text, sentence, list(pattern.finditer(text, sentence.start, sentence.end)))


def _pieces(text: str, whole: Span, cuts: list[re.Match[str]]) -> list[Span]:
    edges = [whole.start, *(edge for m in cuts for edge in (m.start(), m.end())), whole.end]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [Span(a, b) for a, b in pairs if text[a:b].strip()]
