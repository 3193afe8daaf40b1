"""Who is named in an English text: companies and assets as the text writes them, people, places and agencies left out.

"Shares of Halden Motors fell after the SEC opened a probe"  ->  "Halden Motors" at 10..23
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from typing import Final, NamedTuple

from distill.teacher.lexicon import words_of

_WORD = r"(?:\d+[A-Z][\w\-]*|[a-z]{1,2}[A-Z][A-Za-z]+|[A-Z](?:[\w\-]|&(?=\w)|['’](?=[A-Z])|\.(?=[A-Z]))*)"
_LONGEST: Final = 60
_RUN: Final = re.compile(rf"(?<![\w$@#])({_WORD})((?: (?:& )?{_WORD}| of (?={_WORD}))*)")
_TICKER: Final = re.compile(r"\$([A-Z]{1,5}(?:\.[A-Z])?)\b")
_PLACE_BEFORE: Final = re.compile(
    r"\b(?:in|near|across|outside|around|throughout|town of|city of|port of)(?: the)? $", re.IGNORECASE
)
_TITLE_BEFORE: Final = re.compile(
    r"""\b(?:mr|mrs|ms|dr|ceo|cfo|coo|chief\ executive|chairman|chairwoman|president|founder|analyst|minister|judge
    |director)\.?[ ]$""",
    re.IGNORECASE | re.VERBOSE,
)
#: What a text can be about where it names no company.
_ASSETS: Final = re.compile(
    r"""\b(?:brent(?:\ crude)?|crude(?:\ oil)?|oil|gold|silver|copper|nickel|alumini?um|lithium|iron\ ore|natural\ gas
    |wheat|corn|coffee|cocoa|bitcoin|ether|rupee|yen|euro|dollar|sterling|treasur(?:y|ies)|gilts)\b""",
    re.IGNORECASE | re.VERBOSE,
)


class Name(NamedTuple):
    """One mention of a party: where it stands, its name, and whether its form says that it is a company."""

    start: int
    end: int
    name: str
    sure: bool


@cache
def _set(key: str) -> frozenset[str]:
    return frozenset(words_of("en", key))


def english_names(text: str) -> list[Name]:
    """Return the mentions of companies and, where there is none, of assets, in order."""
    found: list[Name] = []
    for run in _RUN.finditer(text):
        found.extend(_parts(text, run.start(), run.group()))
    found = [*found, *(Name(m.start(), m.end(), m.group(1), sure=True) for m in _TICKER.finditer(text))]
    kept = sorted(_united(found))
    if kept:
        return kept
    return [Name(m.start(), m.end(), m.group(), sure=False) for m in _ASSETS.finditer(text)]


def _parts(text: str, start: int, run: str) -> list[Name]:
    """Return the names in one run of capitalised words: common words part it, places and people are dropped."""
    common, company = _set("common"), _set("company_words")
    pieces: list[list[tuple[int, str]]] = [[]]
    for match in re.finditer(r"\S+", run):
        word = match.group()
        bare = re.sub(r"['’]s?$", "", word)
        if bare.lower() in common and not (pieces[-1] and bare in company):
            pieces.append([])
        elif word in {"of", "&"} and not pieces[-1]:
            pass
        else:
            pieces[-1].append((start + match.start(), bare))
    names = []
    for piece in pieces:
        while piece and piece[-1][1] in {"of", "&"}:
            piece.pop()
        if piece:
            begin, end = piece[0][0], piece[-1][0] + len(piece[-1][1])
            names.append(Name(begin, end, text[begin:end], any(w in company for _, w in piece[1:] or piece)))
    return [n for n in names if _is_party(text, n)]


def _is_party(text: str, name: Name) -> bool:
    words = name.name.split()
    if (
        not 2 <= len(name.name) <= _LONGEST
        or all(w in _set("agencies") for w in words)
        or re.fullmatch(r"Q[1-4]|[A-Z]\.?", name.name)
    ):
        return False
    before = text[max(0, name.start - 24) : name.start]
    if _TITLE_BEFORE.search(before) and not name.sure:
        return False
    if name.sure and len(words) > 1:
        return True
    return not (all(w in _set("places") for w in words) or _PLACE_BEFORE.search(before))


def _united(found: list[Name]) -> list[Name]:
    """Give the short forms of a name (Halden for Halden Motors) the fuller name that opens with them."""
    counts = Counter(n.name for n in found)
    full: dict[str, str] = {}
    for name in counts:
        longer = [other for other in counts if other != name and other.startswith(name + " ")]
        full[name] = min(longer, key=len) if longer else name
    return [n._replace(name=full[n.name]) for n in found]
