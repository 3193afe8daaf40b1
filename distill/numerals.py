"""The numbers that a text states, written one way, and those that a reasoning states without the news.

    figures("shipments fell 12.50% to ３ million, one plant of 两家") -> {"12.5", "3", "1", "2"}
    invented("down 30% -> margin shrinks", "output fell by a third") -> ["30"]

Small numbers count whether they are written in digits or words ("two plants" grounds "2 plants"); the numbering of a
list ("1. ...") states nothing. A figure that the reasoning computed counts as invented: the student could not tell.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_FIGURE = re.compile(r"\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")
_NUMBERING = re.compile(r"(?m)^\s*(?:step\s*)?\(?\d{1,2}[.)、:](?!\d)", re.IGNORECASE)
_WORD = re.compile(r"[a-z]+")
_WORDS: Final = {
    "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8",
    "nine": "9", "ten": "10", "eleven": "11", "twelve": "12", "fifteen": "15", "twenty": "20", "thirty": "30",
    "forty": "40", "fifty": "50", "hundred": "100", "first": "1", "second": "2", "third": "3", "fourth": "4",
    "once": "1", "twice": "2", "double": "2", "doubled": "2", "half": "50",
}  # fmt: skip
_DIGITS: Final = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"两": 2}
_CHINESE = re.compile("([一二两三四五六七八九]?)(十?)([零一二两三四五六七八九]?)(成?)")


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _figures_in_digits(plain: str) -> list[str]:
    found = (match.replace(",", "") for match in _FIGURE.findall(plain))
    return [_shortest(number) for number in found]


def _shortest(number: str) -> str:
    whole, _, decimals = number.partition(".")
    decimals = decimals.rstrip("0")
    return f"{whole.lstrip('0') or '0'}{'.' if decimals else ''}{decimals}"


def _figures_in_chinese(plain: str) -> set[str]:
    """Return the numbers up to 99 in Chinese characters; 四成 (four tenths) also grounds "40"."""
    found: set[str] = set()
    for tens, ten, ones, tenths in _CHINESE.findall(plain):
        digits = [_DIGITS[digit] for digit in (tens, ones) if digit]
        if ten:
            found.add(str((_DIGITS[tens] if tens else 1) * 10 + (_DIGITS[ones] if ones else 0)))
        else:
            found |= {str(digit) for digit in digits}
        found |= {str(digit * 10) for digit in digits if tenths}
    return found


def figures(text: str) -> set[str]:
    """Return the numbers in `text`, in digits or as small number words; 1,200.50 and 1200.5 are one."""
    plain = _plain(text)
    words = {_WORDS[word] for word in _WORD.findall(plain) if word in _WORDS}
    return {*_figures_in_digits(plain), *words, *_figures_in_chinese(plain)}


def invented(reasoning: str, news: str) -> list[str]:
    """Return the numbers that `reasoning` states in digits and `news` does not state, in the order they come."""
    known = figures(news)
    stated = _figures_in_digits(_NUMBERING.sub(" ", _plain(reasoning)))
    return [number for number in dict.fromkeys(stated) if number not in known]
