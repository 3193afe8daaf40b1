"""Is a text English or Chinese, as far as scripts and function words tell, or something else?

    reads_as("恒岳电池公告称…") -> "zh"    reads_as("Halden cuts its outlook") -> "en"
    reads_as("Der Konzern senkt die Prognose") -> "de"        reads_as("トヨタが見通しを上げた") -> "ja"

Scripts decide between Chinese, Japanese, Korean, Cyrillic and the like; among Latin scripts it is the small words that
news in that language cannot do without. A headline with none of them ("BMW erhöht Dividende") passes as English: the
rule would rather keep a foreign headline than lose an English one. Ticker symbols, company names and figures count for
nothing, so a Chinese text with many Latin names stays Chinese.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

_SCRIPTS: Final = {
    "ja": re.compile(r"[\u3040-\u30ff\uff66-\uff9d]"),
    "ko": re.compile(r"[\uac00-\ud7af\u1100-\u11ff]"),
    "Cyrillic": re.compile(r"[\u0400-\u052f]"),
    "Arabic": re.compile(r"[\u0600-\u06ff\u0750-\u077f]"),
    "Devanagari": re.compile(r"[\u0900-\u097f]"),
    "Thai": re.compile(r"[\u0e00-\u0e7f]"),
    "Hebrew": re.compile(r"[\u0590-\u05ff]"),
    "Greek": re.compile(r"[\u0370-\u03ff]"),
}
_HAN: Final = re.compile(r"[\u3400-\u9fff]")
_WORD: Final = re.compile(r"[^\W\d_]+")
_LATIN: Final = re.compile(r"[A-Za-z\u00c0-\u024f]")
#: Function words; those that are English words, names or tickers as well ("die", "per", "van") are left out.
_SMALL: Final = {
    "en": "the of and to in for on with by from at is are was were has have had its it that this as after over said be "
    "not but will than into more up down an a",
    "de": "der und das den dem des ein eine einen einem einer ist im mit für auf nach vom zum zur sich nicht auch "
    "wird werden wurde bei aus sowie seine ihre",
    "fr": "le la les des du une et est dans pour sur avec par au aux ses sont qui que ce cette plus son",
    "es": "el la los las del una en por con para su sus se que al es como más tras este esta",
    "it": "il lo gli della delle dei del di è un una con nel nella alla che sono dal dopo",
    "pt": "da das dos uma em para com por na que ao mais após seu sua",
    "nl": "de het een en van voor met op is niet naar bij zijn wordt heeft uit",
    "pl": "na się nie jest dla od przez oraz po",
}
_WORDS: Final = {lang: frozenset(words.split()) for lang, words in _SMALL.items()}
_LEAST_FOREIGN: Final = 2


def reads_as(text: str) -> str:
    """Return "en", "zh", the code of another language, or the name of another script; "" without a letter."""
    letters = sum(map(str.isalpha, text))
    if not letters:
        return ""
    if text.isascii():
        return _latin(_WORD.findall(text.casefold()))
    for name, script in _SCRIPTS.items():
        if len(script.findall(text)) > letters / 10:
            return name
    han, latin = len(_HAN.findall(text)), len(_LATIN.findall(text))
    words = _WORD.findall(text.casefold()) if latin else []
    if han > len([word for word in words if word.isascii()]) / 2:  # names in Chinese news are often Latin
        return "zh"
    return _latin(words)


def _latin(words: list[str]) -> str:
    """Return the language whose function words stand out, "en" where none does."""
    met = set(words)
    counts = Counter({lang: len(met & small) for lang, small in _WORDS.items()})
    english = counts.pop("en")
    lang, most = counts.most_common(1)[0]
    return lang if most >= _LEAST_FOREIGN and most > 2 * english else "en"
