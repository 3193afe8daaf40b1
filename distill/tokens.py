"""How many tokens a text has, as far as its characters tell; no tokenizer needs to be there.

    tokens_in("Halden cuts its outlook by 12 %") -> 10        tokens_in("恒岳电池公告称") -> 4

Fitted to Qwen2.5's tokenizer on a third of eleven public sets, the simulator's news and our benchmarks: the sum
over each of these sets is within 9 % of the true one, nine texts in ten within 29 %. Other tokenizers differ; once a
teacher has answered, its own count replaces the fit (`distill.estimate`).
"""

from __future__ import annotations

import re
from typing import Final

_WORD: Final = re.compile(r"[A-Za-z]+")
_HAN: Final = re.compile(r"[\u3400-\u9fff]")
_DIGIT: Final = re.compile(r"\d")
_SPACE: Final = re.compile(r"\s")
#: Tokens for a word, for each letter of it after the sixth, a Chinese character, a digit, any other mark.
_PER_WORD: Final = 1.10
_PER_LETTER: Final = 0.07
_PER_HAN: Final = 0.64
_PER_DIGIT: Final = 1.31
_PER_MARK: Final = 0.83
_LONG: Final = 6
#: The largest error of a set's sum, in either direction.
ERROR: Final = 0.09


def tokens_in(text: str) -> float:
    """Return the estimated number of tokens in `text`."""
    words = _WORD.findall(text)
    letters, han, digits = sum(map(len, words)), len(_HAN.findall(text)), len(_DIGIT.findall(text))
    marks = len(text) - letters - han - digits - len(_SPACE.findall(text))
    long = sum(len(word) - _LONG for word in words if len(word) > _LONG)
    return (
        _PER_WORD * len(words) + _PER_LETTER * long + _PER_HAN * han + _PER_DIGIT * digits + _PER_MARK * max(0, marks)
    )


def most_tokens(text: str) -> int:
    """Return a number of tokens that no byte-level tokenizer exceeds: the bytes of `text`."""
    return len(text.encode("utf-8", "surrogatepass"))
