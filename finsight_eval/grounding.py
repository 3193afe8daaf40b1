"""Is the reasoning made of what the news says? The share of its numbers and names that stand in the news.

    grounding("GPT-5 lifts demand -> NVIDIA gains 8%", "... GPT-5 ... NVIDIA's stock jumped 8% ...") -> 1.0

A crude test with a clear meaning: an invented figure or company lowers it, a paraphrase does not. Names are words with
a capital letter that do not open a sentence or a step, and words written with capitals or digits inside; Chinese names
cannot be told from other words this way, so in Chinese reasoning numbers and Latin names are what is checked.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

#: Digits inside a word (GPT-5, Q3) belong to the word. The digit stands first in the pattern: it is what is looked for.
_NUMBER = re.compile(r"\d(?<![A-Za-z\d]\d)(?<![A-Za-z]-\d)\d*(?:,\d{3})*(?:\.\d+)?")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9&\-]*(?:['’][A-Za-z]+)?")
#: What a sentence, list entry or reasoning step begins after.
_OPENING = re.compile(r"(?:^|[.!?;:\n\"“(>→*•\-–—]|->|\d[.)])\s*$")
_APOSTROPHE = re.compile(r"['’]")
_POSSESSIVE = re.compile(r"['’]s?$")
#: A run of words in small letters, which cannot be names, or else one word that can: nine words in ten go by in runs.
_NAME_OR_RUN = re.compile(rf"(?:[a-z]++(?![A-Za-z0-9&\-'’])[^A-Za-z]*+)++|({_WORD.pattern})")


def grounding(reasoning: str, news: str) -> float | None:
    """Return the share of the numbers and names in `reasoning` that `news` contains; None where it holds none."""
    claims = _numbers(reasoning) | _names(reasoning)
    if not claims:
        return None
    return len(claims & _known(news)) / len(claims)


@lru_cache(maxsize=1 << 13)
def _known(news: str) -> frozenset[str]:
    """Return the numbers and words of `news`; the same news is asked about by every model and repeat."""
    words = _WORD.findall(unicodedata.normalize("NFKC", news))
    return frozenset(_numbers(news) | {_plain(word) for word in words})


def _numbers(text: str) -> set[str]:
    """Return the numbers in `text`, written one way: 1,200.50 and 1200.5 are the same."""
    found = (number.replace(",", "") for number in _NUMBER.findall(unicodedata.normalize("NFKC", text)))
    return {number.rstrip("0").rstrip(".") if "." in number else number for number in found}


def _names(text: str) -> set[str]:
    plain = unicodedata.normalize("NFKC", text)
    return {
        _plain(match[1])
        for match in _NAME_OR_RUN.finditer(plain)
        if match[1]
        and (
            _is_emphatic(match[1])
            or (match[1][0].isupper() and not _OPENING.search(plain, max(0, match.start() - 4), match.start()))
        )
    }


def _is_emphatic(word: str) -> bool:
    """Tell whether a word is a name wherever it stands: NVIDIA, GPT-5, iPhone."""
    if word.isalpha() and word[1:].islower():
        return False
    stem = _APOSTROPHE.split(word)[0]
    return len(stem) > 1 and (any(c.isupper() for c in stem[1:]) or any(c.isdigit() for c in stem))


def _plain(word: str) -> str:
    return word.casefold() if word.isalpha() else _POSSESSIVE.sub("", word).casefold().strip("-&")
