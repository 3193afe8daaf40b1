"""Is the reasoning made of what the news says? The share of its numbers and names that stand in the news.

    grounding("GPT-5 lifts demand -> NVIDIA gains 8%", "... GPT-5 ... NVIDIA's stock jumped 8% ...") -> 1.0

A crude test with a clear meaning: an invented figure or company lowers it, a paraphrase does not. Names are words with
a capital letter that do not open a sentence or a step, and words written with capitals or digits inside; Chinese names
cannot be told from other words this way, so in Chinese reasoning numbers and Latin names are what is checked.
"""

from __future__ import annotations

import re
import unicodedata

#: Digits inside a word (GPT-5, Q3) belong to the word.
_NUMBER = re.compile(r"(?<![A-Za-z\d])(?<![A-Za-z]-)\d+(?:,\d{3})*(?:\.\d+)?")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9&\-]*(?:['’][A-Za-z]+)?")
#: What a sentence, list entry or reasoning step begins after.
_OPENING = re.compile(r"(?:^|[.!?;:\n\"“(>→*•\-–—]|->|\d[.)])\s*$")


def grounding(reasoning: str, news: str) -> float | None:
    """Return the share of the numbers and names in `reasoning` that `news` contains; None where it holds none."""
    claims = _numbers(reasoning) | _names(reasoning)
    if not claims:
        return None
    known = _numbers(news) | {_plain(word) for word in _WORD.findall(unicodedata.normalize("NFKC", news))}
    return len(claims & known) / len(claims)


def _numbers(text: str) -> set[str]:
    """Return the numbers in `text`, written one way: 1,200.50 and 1200.5 are the same."""
    found = (number.replace(",", "") for number in _NUMBER.findall(unicodedata.normalize("NFKC", text)))
    return {number.rstrip("0").rstrip(".") if "." in number else number for number in found}


def _names(text: str) -> set[str]:
    plain = unicodedata.normalize("NFKC", text)
    return {
        _plain(match.group())
        for match in _WORD.finditer(plain)
        if _is_emphatic(match.group())
        or (match.group()[0].isupper() and not _OPENING.search(plain, max(0, match.start() - 4), match.start()))
    }


def _is_emphatic(word: str) -> bool:
    """Tell whether a word is a name wherever it stands: NVIDIA, GPT-5, iPhone."""
    stem = re.split(r"['’]", word)[0]
    return len(stem) > 1 and (any(c.isupper() for c in stem[1:]) or any(c.isdigit() for c in stem))


def _plain(word: str) -> str:
    return re.sub(r"['’]s?$", "", word).casefold().strip("-&")
