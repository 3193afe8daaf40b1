"""Is the reasoning made of what the news says? The share of its numbers and names that stand in the news.

    grounding("GPT-5 lifts demand -> NVIDIA gains 8%", "... GPT-5 ... NVIDIA's stock jumped 8% ...") -> 1.0

A crude test with a clear meaning: an invented figure or company lowers it, a paraphrase does not. Names are words with
a capital letter that do not open a sentence or a step, and words written with capitals or digits inside; Chinese names
cannot be told from other words this way, so in Chinese reasoning numbers and Latin names are what is checked.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Digits inside a word (GPT-5, Q3) belong to the word. The digit stands first in the pattern: it is what is looked for.
_NUMBER = re.compile(r"\d(?<![A-Za-z\d]\d)(?<![A-Za-z]-\d)\d*(?:,\d{3})*(?:\.\d+)?")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9&\-]*(?:['’][A-Za-z]+)?")
#: What a sentence, list entry or reasoning step begins after.
_OPENING = re.compile(r"(?:^|[.!?;:\n\"“(>→*•\-–—]|->|\d[.)])\s*$")
_APOSTROPHE = re.compile(r"['’]")
_POSSESSIVE = re.compile(r"['’]s?$")
#: The part of a run of what words are made of from its first capital or digit on: without one it holds no name.
_RUN = re.compile(r"[A-Z0-9][A-Za-z0-9&\-'’]*+")
_SMALL: Final = frozenset("abcdefghijklmnopqrstuvwxyz&-'’")
_BESIDE: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789&-'’".encode())
#: The wide marks of Chinese texts. Normalising takes long; where it finds nothing else to do, replacing them spares it.
_WIDE: Final = tuple((mark, unicodedata.normalize("NFKC", mark)) for mark in "，：；（）％！？")


def grounding(reasoning: str, news: str) -> float | None:
    """Return the share of the numbers and names in `reasoning` that `news` contains; None where it holds none."""
    said = _normal(reasoning)
    numbers, names = _numbers(said), _names(said)
    if not numbers and not names:
        return None
    known = _normal(news)
    found = len(numbers & _numbers(known)) if numbers else 0
    return (found + (_count_known(names, known) if names else 0)) / (len(numbers) + len(names))


def _normal(text: str) -> str:
    """Return `text` in NFKC: replacing a mark by what it is compatible with does not change that."""
    if text.isascii():
        return text
    for wide, narrow in _WIDE:
        text = text.replace(wide, narrow)
    return unicodedata.normalize("NFKC", text)


def _count_known(names: set[str], news: str) -> int:
    """Return how many of `names` are words of `news`; where a glance at each does not tell, all words are compared."""
    lowered = news.encode("utf-8", "surrogatepass").lower()
    there = {name for name in names if name.encode() in lowered}
    if all(_stands_alone(name, lowered) for name in there):
        return len(there)
    return len(there & {_plain(word) for word in _WORD.findall(news)})


def _stands_alone(name: str, lowered: bytes) -> bool:
    """Tell whether nothing that words are made of touches a name where it first stands: a word then, and this one."""
    start = lowered.find(name.encode())
    beside = lowered[start - 1 : start] if start else b"", lowered[start + len(name) :][:1]
    return name.isalnum() and not any(byte in _BESIDE for part in beside for byte in part)


def _numbers(text: str) -> set[str]:
    """Return the numbers in `text`, written one way: 1,200.50 and 1200.5 are the same."""
    found = (number.replace(",", "") for number in _NUMBER.findall(text))
    return {number.rstrip("0").rstrip(".") if "." in number else number for number in found}


def _names(text: str) -> set[str]:
    return {
        _plain(word)
        for word, start in _candidates(text)
        if _is_emphatic(word) or (word[0].isupper() and not _opens(text, start))
    }


def _candidates(text: str) -> Iterator[tuple[str, int]]:
    """Yield the words in runs that hold a capital or a digit, and where each begins."""
    for run in _RUN.finditer(text):
        begin, whole = run.start(), run[0]
        if begin and text[begin - 1] in _SMALL:
            while begin and text[begin - 1] in _SMALL:
                begin -= 1
        elif whole.isalpha():
            yield whole, begin
            continue
        elif whole.isdigit():
            continue
        yield from ((match[0], match.start()) for match in _WORD.finditer(text, begin, run.end()))


def _opens(text: str, start: int) -> bool:
    """Tell whether a sentence or a step begins at `start`; nine times in ten a word and a space stand before it."""
    if start > 1 and text[start - 1] == " " and text[start - 2].isalpha():
        return False
    return _OPENING.search(text, max(0, start - 4), start) is not None


def _is_emphatic(word: str) -> bool:
    """Tell whether a word is a name wherever it stands: NVIDIA, GPT-5, iPhone."""
    if word[1:].islower() and word.isalpha():
        return False
    stem = _APOSTROPHE.split(word)[0]
    return len(stem) > 1 and (any(c.isupper() for c in stem[1:]) or any(c.isdigit() for c in stem))


def _plain(word: str) -> str:
    return word.casefold() if word.isalpha() else _POSSESSIVE.sub("", word).casefold().strip("-&")
